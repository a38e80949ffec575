package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"shoal/node/auth"
)

const (
	// maxWebHeader is the size of the HTTP request by which a connection begins. Cookies take most of it.
	maxWebHeader = 32 << 10
	// tokenWebSocket is what [auth.User] calls a WebSocket connection.
	tokenWebSocket = "WEBSOCKET"
)

// webPort is the port for WebSocket clients.
type webPort struct {
	node   *Node
	port   *reservation
	server *http.Server
}

// webRequest is what a WebSocket client has said in the request by which it has come.
type webRequest struct {
	user, password, token string // from cookies
	// forwarded is the address that a proxy says it has the request from, with a slash. Anybody can say
	// that, so the log shows it beside the address of the connection, and nothing is decided by it.
	forwarded string
}

// WebSocketListenError says that the port for WebSocket clients could not be opened.
type WebSocketListenError struct{ Err error }

// Error implements error.
func (e *WebSocketListenError) Error() string { return "websocket: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *WebSocketListenError) Unwrap() error { return e.Err }

// WebSocketAddr returns the address of the listener for WebSocket clients, or nil if there is none.
func (n *Node) WebSocketAddr() net.Addr {
	if n.webPort == nil {
		return nil
	}
	return n.webPort.port.addr
}

// WebSocketURL returns a URL under which a WebSocket client on the same machine reaches the node, such as
// ws://127.0.0.1:8080. It is empty if there is no listener.
func (n *Node) WebSocketURL() string {
	if n.webPort == nil {
		return ""
	}
	return n.webPort.scheme() + nearby(n.webPort.port.addr)
}

// reserveWebPort takes the port for WebSocket clients, if there is to be one.
func (n *Node) reserveWebPort(ctx context.Context) (*webPort, error) {
	o := n.options().WebSocket
	if o == nil {
		return nil, nil
	}
	port, err := reserve(ctx, o.Host, strconv.Itoa(max(o.Port, 0)))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", net.JoinHostPort(o.Host, strconv.Itoa(max(o.Port, 0))), err)
	}
	p := &webPort{node: n, port: port}
	p.server = &http.Server{
		Handler:        http.HandlerFunc(p.upgrade),
		ReadTimeout:    o.HandshakeTimeout, // for the handshake of TLS as well
		WriteTimeout:   o.HandshakeTimeout,
		MaxHeaderBytes: maxWebHeader,
		ConnState:      p.count,
		ErrorLog:       slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	p.server.SetKeepAlivesEnabled(false)
	return p, nil
}

// advertised returns where clients are told that the port is.
func (p *webPort) advertised() address {
	o := p.node.options().WebSocket
	return address{o.Host, p.port.addr.Port}.advertisedAs(o.Advertise)
}

// listening returns the configured host with the actual port.
func (p *webPort) listening() string {
	return p.scheme() + net.JoinHostPort(p.node.options().WebSocket.Host, strconv.Itoa(p.port.addr.Port))
}

func (p *webPort) scheme() string {
	if p.node.options().WebSocket.TLS != nil {
		return "wss://"
	}
	return "ws://"
}

// listen lets clients connect, and serves them until the port is closed.
func (p *webPort) listen(running context.Context) error {
	n := p.node
	listener, err := p.port.listen()
	if err != nil {
		if running.Err() != nil {
			return nil
		}
		return fmt.Errorf("listen on %s: %w", p.port.addr, err)
	}
	if n.options().WebSocket.TLS != nil {
		listener = tls.NewListener(listener, &tls.Config{GetConfigForClient: p.config})
	}
	n.wg.Go(func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && running.Err() == nil {
			n.log.Error("Cannot accept WebSocket clients any more", "error", err)
		}
	})
	return nil
}

// config returns the TLS settings for a new connection.
func (p *webPort) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	t := p.node.options().WebSocket.TLS
	config := t.Config()
	if len(t.PinnedCerts) > 0 {
		config = config.Clone()
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if !t.isPinned(state.PeerCertificates) {
				return errNotPinned
			}
			return nil
		}
	}
	return config, nil
}

// count has the node wait for the goroutines of HTTP connections. Of those that become WebSocket
// connections upgrade says when they end.
func (p *webPort) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		p.node.wg.Add(1)
	case http.StateClosed:
		p.node.wg.Done()
	}
}

// close closes the port, and connections that have not become those of clients yet. It may be called more
// than once, and for a port that there is not.
func (p *webPort) close() {
	if p != nil {
		p.server.Close()
		p.port.close()
	}
}

// upgrade makes an HTTP request the connection of a client.
func (p *webPort) upgrade(w http.ResponseWriter, r *http.Request) {
	o := p.node.options().WebSocket
	if path := r.URL.Path; strings.HasSuffix(path, "/leafnode") || strings.HasSuffix(path, "/mqtt") {
		p.refuse(w, r, http.StatusNotFound, errors.New("only clients are served"))
		return
	}
	if err := o.checkOrigin(r); err != nil {
		p.refuse(w, r, http.StatusForbidden, fmt.Errorf("origin %.100q: %w", r.Header.Get("Origin"), err))
		return
	}
	for name, value := range o.Headers {
		w.Header().Set(name, value)
	}
	mode := websocket.CompressionDisabled
	if o.Compression {
		mode = websocket.CompressionNoContextTakeover
	}
	f := &framing{ResponseWriter: w}
	ws, err := websocket.Accept(f, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: mode})
	if f.stream != nil {
		defer p.node.wg.Done() // see count
	}
	if err != nil {
		p.log(r, slog.LevelDebug, err)
		return
	}
	ws.SetReadLimit(-1) // messages are parsed as they come, and what they carry has limits of its own
	p.serve(&frames{framed: f.stream, ws: ws}, r, o)
}

// refuse answers a request that does not become a connection.
func (p *webPort) refuse(w http.ResponseWriter, r *http.Request, status int, why error) {
	p.log(r, slog.LevelWarn, why)
	http.Error(w, http.StatusText(status), status)
}

// log logs why a request does not become a connection. Anybody can cause that as often as he likes.
func (p *webPort) log(r *http.Request, level slog.Level, why error) {
	n := p.node
	if level >= slog.LevelWarn {
		if ok, _ := n.warnings.allow(time.Now(), maxWarnings); !ok {
			return
		}
	}
	n.log.Log(r.Context(), level, "WebSocket request refused", "addr", r.RemoteAddr, "error", why)
}

// serve begins to serve a client, which has come by r.
func (p *webPort) serve(f *frames, r *http.Request, o *WebSocketOptions) {
	cookie := func(name string) string {
		if name == "" {
			return ""
		}
		c, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return c.Value
	}
	web := &webRequest{user: cookie(o.UserCookie), password: cookie(o.PassCookie), token: cookie(o.TokenCookie)}
	if ip, err := netip.ParseAddr(r.Header.Get("X-Forwarded-For")); err == nil && ip.Zone() == "" {
		web.forwarded = ip.String() + "/"
		if ip.Is6() {
			web.forwarded = "[" + ip.String() + "]/"
		}
	}
	c := p.node.newClientBy(f, web)
	c.encryption.Store(r.TLS)
	p.node.greet(c, nil)
}

// complete adds to credentials what CONNECT has left out.
func (w *webRequest) complete(c *auth.Credentials) {
	setDefault(&c.User, w.user)
	setDefault(&c.Password, w.password)
	setDefault(&c.Token, w.token)
}
