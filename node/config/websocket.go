package config

import (
	"strings"

	"shoal/node"
	"shoal/node/auth"
)

// WebSocketAuth is what makes WebSocket clients log in otherwise than the rest.
type WebSocketAuth struct {
	User, Password, Token string // the only ones that count, if they are not empty
	NoAuthUser            string // who is a client that presents nothing
}

// For returns who may connect over WebSocket, where all is who may otherwise, and certificates name the
// users or not.
func (a WebSocketAuth) For(all auth.Config, mapped bool) auth.Config {
	if a.User != "" || a.Token != "" {
		return auth.Config{User: a.User, Password: a.Password, Token: a.Token}
	}
	all.MapCertificates = mapped && len(all.Users) > 0
	if a.NoAuthUser != "" {
		all.NoAuthUser = a.NoAuthUser
	}
	return all
}

// webSocket reads how clients are served over WebSocket.
func (b *block) webSocket(s *Settings) {
	v := b.take("websocket", "ws")
	if v == nil {
		return
	}
	w := b.block(v, "websocket")
	o := &node.WebSocketOptions{}
	w.address(&o.Host, &o.Port)
	w.text(&o.Advertise, "advertise")
	w.flag(&o.NoTLS, "no_tls")
	s.WebSocketTLS = w.tlsFiles("tls")
	w.flag(&o.SameOrigin, "same_origin")
	o.AllowedOrigins, _ = w.texts("allowed_origins", "allowed_origin", "allow_origins", "allow_origin", "origins", "origin")
	w.flag(&o.Compression, "compression", "compress")
	w.duration(&o.HandshakeTimeout, true, "handshake_timeout")
	w.duration(&o.PingInterval, false, "ping_interval")
	w.headers(o)
	w.text(&o.UserCookie, "user_cookie")
	w.text(&o.PassCookie, "pass_cookie")
	w.text(&o.TokenCookie, "token_cookie")
	w.unsupported("JWTs", "jwt_cookie")
	w.text(&s.WebSocketAuth.NoAuthUser, "no_auth_user")
	w.webSocketAuthorization(s, o)
	w.done()
	if o.Port == 0 {
		w.errorf(v.at, "websocket: needs a port, such as 8080")
	}
	s.Node.WebSocket = o
}

// headers reads what is added to the answer that opens a connection.
func (b *block) headers(o *node.WebSocketOptions) {
	v := b.take("headers")
	if v == nil {
		return
	}
	h := b.block(v, "websocket.headers")
	o.Headers = make(map[string]string)
	for _, e := range h.entries {
		var text string
		h.text(&text, strings.ToLower(e.key))
		o.Headers[e.key] = text
	}
	h.done()
}

// webSocketAuthorization reads what WebSocket clients have to give in place of what others have to.
func (b *block) webSocketAuthorization(s *Settings, o *node.WebSocketOptions) {
	v := b.take("authorization", "authentication")
	if v == nil {
		return
	}
	a := b.block(v, "websocket.authorization")
	c := &s.WebSocketAuth
	a.credentials(&c.User, &c.Password, &c.Token)
	a.authTimeout(&o.AuthTimeout)
	a.done()
	switch {
	case (c.User == "") == a.has("password", "pass"):
		a.errorf(v.at, "websocket.authorization: needs both a user and a password, or neither")
	case c.User != "" && c.Token != "":
		a.errorf(v.at, "websocket.authorization: a token replaces user and password, use either")
	case (c.User != "" || c.Token != "") && c.NoAuthUser != "":
		a.errorf(v.at, "websocket.authorization: goes with no list of users, and so not with no_auth_user")
	}
}

// checkWebSocketAuth makes sure that who may connect over WebSocket makes sense with who may otherwise.
func (l *loader) checkWebSocketAuth() {
	s := l.settings
	a := s.WebSocketAuth
	if a == (WebSocketAuth{}) || len(l.errors) > 0 {
		return
	}
	at := s.keys["websocket.authorization"]
	switch {
	case a.NoAuthUser != "":
		at = s.keys["websocket.no_auth_user"]
	case len(s.Auth.Users) > 0:
		l.errorf(at, "websocket.authorization: there is a list of users, who may connect over WebSocket as well; use either")
		return
	}
	if err := a.For(s.Auth, false).Validate(); err != nil {
		l.errorf(at, "websocket: %v", err)
	}
}
