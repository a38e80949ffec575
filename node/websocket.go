package node

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// DefaultWebSocketHandshake bounds how long a WebSocket connection may take to come about.
const DefaultWebSocketHandshake = 5 * time.Second

// WebSocketOptions have the node serve clients over WebSocket, on a port of its own. The zero value of
// every field but Port, and TLS or NoTLS, is its default.
type WebSocketOptions struct {
	// Host is the address that clients connect to; it defaults to [Options.Host].
	Host string
	// Port is 1 to 65535. [RandomPort] picks a free one.
	Port int
	// Advertise is the host:port or host that WebSocket clients are told instead of Host and Port.
	Advertise string

	// TLS encrypts the connections. Only its Config and PinnedCerts count: the handshake comes first in any
	// case, and HandshakeTimeout bounds it.
	TLS *TLSOptions
	// NoTLS serves clients in clear if there is no TLS, as behind a proxy that encrypts.
	NoTLS bool

	// SameOrigin refuses pages of browsers that come from elsewhere than this host and port.
	SameOrigin bool
	// AllowedOrigins are the only origins of pages, such as https://example.com, that may connect; nil are
	// all. Programs that are no browsers name no origin, and are not bound by either.
	AllowedOrigins []string

	// Compression offers clients permessage-deflate.
	Compression bool
	// HandshakeTimeout bounds how long a connection may take to come about, with TLS and the HTTP request.
	HandshakeTimeout time.Duration
	// Headers are added to the answer that opens the connection.
	Headers map[string]string

	// UserCookie, PassCookie and TokenCookie are the names of cookies whose values count as user, password
	// and token if CONNECT leaves these out.
	UserCookie, PassCookie, TokenCookie string

	// Authenticator decides which WebSocket clients may connect, if not [Options.Authenticator] does.
	Authenticator Authenticator
	// AuthTimeout is the time such a client has for a valid CONNECT; 0 is that of others.
	AuthTimeout time.Duration
	// PingInterval is the time between two PINGs to such a client that is silent; 0 is that for others.
	PingInterval time.Duration
}

// withDefaults returns o with every zero field set to its default, nil for nil.
func (o *WebSocketOptions) withDefaults(all *Options) *WebSocketOptions {
	if o == nil {
		return nil
	}
	w := *o
	setDefault(&w.Host, all.Host)
	setDefault(&w.HandshakeTimeout, DefaultWebSocketHandshake)
	setDefault(&w.AuthTimeout, all.AuthTimeout)
	setDefault(&w.PingInterval, all.PingInterval)
	return &w
}

// validate returns what no node could run with. o has its defaults.
func (o *WebSocketOptions) validate() error {
	if o == nil {
		return nil
	}
	if err := validPort("port", o.Port); err != nil {
		return err
	}
	if o.Advertise != "" {
		if _, _, err := splitAdvertised(o.Advertise); err != nil {
			return fmt.Errorf("advertise: %w", err)
		}
	}
	switch {
	case o.TLS == nil && !o.NoTLS:
		return errors.New("tls: there is no certificate; configure one, or no_tls to serve clients in clear")
	case o.HandshakeTimeout < 0:
		return fmt.Errorf("handshake_timeout: %v is negative", o.HandshakeTimeout)
	case o.AuthTimeout < 0:
		return fmt.Errorf("authorization timeout: %v is negative", o.AuthTimeout)
	case o.PingInterval < 0:
		return fmt.Errorf("ping_interval: %v is negative", o.PingInterval)
	}
	if o.TLS != nil {
		if err := o.TLS.validate(); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		if o.TLS.RateLimit > 0 {
			return errors.New("tls: connection_rate_limit is for the client port, leave it out")
		}
	}
	for _, origin := range o.AllowedOrigins {
		if _, err := parseOrigin(origin); err != nil {
			return fmt.Errorf("allowed_origins: %w", err)
		}
	}
	for name, value := range o.Headers {
		if err := validResponseHeader(name, value); err != nil {
			return fmt.Errorf("headers: %w", err)
		}
	}
	return nil
}

// validResponseHeader returns why a header cannot be part of the answer that opens a connection.
func validResponseHeader(name, value string) error {
	switch lower := strings.ToLower(name); {
	case name == "" || strings.ContainsFunc(name, notInHeaderName):
		return fmt.Errorf("%q is not the name of a header", name)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("the value of %s has characters that a header cannot have", name)
	case lower == "host", lower == "content-length", lower == "connection", lower == "upgrade",
		lower == "transfer-encoding", strings.HasPrefix(lower, "sec-websocket-"):
		return fmt.Errorf("%s belongs to the protocol, leave it out", http.CanonicalHeaderKey(name))
	}
	return nil
}

func notInHeaderName(r rune) bool {
	return r <= ' ' || r >= unicode.MaxASCII || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// fixed are the options that hold as long as the node runs; a node without WebSocket has none of them.
func (o *WebSocketOptions) fixed() (f fixedWebSocket) {
	if o != nil {
		f = fixedWebSocket{o.Host, o.Port, o.HandshakeTimeout, o.TLS != nil}
	}
	return f
}

// advertise returns what clients are told, which may change.
func (o *WebSocketOptions) advertise() string {
	if o == nil {
		return ""
	}
	return o.Advertise
}

type fixedWebSocket struct {
	host             string
	port             int
	handshakeTimeout time.Duration
	encrypted        bool
}
