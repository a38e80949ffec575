package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"

	"shoal/node/auth"
	"shoal/node/certs"
	"shoal/wire"
)

// startWeb runs a node that serves WebSocket clients in clear, and what tune changes of that.
func startWeb(t testing.TB, opts Options, tune func(*WebSocketOptions)) *Node {
	t.Helper()
	opts.WebSocket = &WebSocketOptions{Port: RandomPort, NoTLS: true}
	if tune != nil {
		tune(opts.WebSocket)
	}
	return startNode(t, opts)
}

// dialWeb opens a WebSocket connection.
func dialWeb(t testing.TB, n *Node, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, n.WebSocketURL(), opts)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { ws.CloseNow() })
	return ws
}

// webPeer is dial over WebSocket.
func webPeer(t testing.TB, n *Node, opts *websocket.DialOptions, send string) *peer {
	t.Helper()
	return newPeer(t, websocket.NetConn(t.Context(), dialWeb(t, n, opts), websocket.MessageBinary), send)
}

func TestWebSocketMessages(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	web := webPeer(t, n, nil, quiet+"SUB a.> 1\r\n")
	web.sync()
	tcp := dial(t, n, quiet+"SUB b.> 2\r\n")
	tcp.sync()
	large := strings.Repeat("x", 300_000)
	tcp.send("PUB a.b 5\r\nhello\r\n")
	web.want(message("a.b", "1", "hello"))
	tcp.send(fmt.Sprintf("PUB a.c %d\r\n%s\r\n", len(large), large))
	web.want(message("a.c", "1", large))
	web.send("PUB b.c 2\r\nhi\r\n")
	tcp.want(message("b.c", "2", "hi"))
	web.send(fmt.Sprintf("PUB b.d %d\r\n%s\r\n", len(large), large))
	tcp.want(message("b.d", "2", large))
}

// TestWebSocketBorders has operations and messages of WebSocket begin and end at different places.
func TestWebSocketBorders(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	ctx := t.Context()
	all := quiet + "SUB a 1\r\nPUB a 3\r\nabc\r\nPUB a 0\r\n\r\nPING\r\n"
	want := message("a", "1", "abc") + message("a", "1", "") + "PONG\r\n"
	for name, send := range map[string]func(*websocket.Conn) error{
		"one message": func(ws *websocket.Conn) error { return ws.Write(ctx, websocket.MessageBinary, []byte(all)) },
		"text":        func(ws *websocket.Conn) error { return ws.Write(ctx, websocket.MessageText, []byte(all)) },
		"a message for each byte": func(ws *websocket.Conn) error {
			for i := range len(all) {
				if err := ws.Write(ctx, websocket.MessageBinary, []byte(all[i:i+1])); err != nil {
					return err
				}
			}
			return nil
		},
		"fragments": func(ws *websocket.Conn) error {
			w, err := ws.Writer(ctx, websocket.MessageBinary)
			for i := 0; i < len(all) && err == nil; i++ {
				_, err = io.WriteString(w, all[i:i+1])
			}
			return errors.Join(err, w.Close())
		},
		"empty messages": func(ws *websocket.Conn) error {
			return errors.Join(ws.Write(ctx, websocket.MessageBinary, nil),
				ws.Write(ctx, websocket.MessageBinary, []byte(all)), ws.Write(ctx, websocket.MessageBinary, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ws := dialWeb(t, n, nil)
			p := newPeer(t, websocket.NetConn(ctx, ws, websocket.MessageBinary), "")
			if err := send(ws); err != nil {
				t.Fatal(err)
			}
			p.want(want)
		})
	}
}

// TestWebSocketGathers checks that what waits for a client becomes few messages.
func TestWebSocketGathers(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	ws := dialWeb(t, n, nil)
	ctx := t.Context()
	if _, _, err := ws.Read(ctx); err != nil { // INFO
		t.Fatal(err)
	}
	if err := ws.Write(ctx, websocket.MessageBinary, []byte(quiet+"SUB a 1\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.Read(ctx); err != nil { // PONG
		t.Fatal(err)
	}
	const size, number = 60_000, 100
	p := dial(t, n, quiet)
	p.send(strings.Repeat(fmt.Sprintf("PUB a %d\r\n%s\r\n", size, strings.Repeat("x", size)), number))
	p.sync()
	total, messages := 0, 0
	for ; total < number*len(message("a", "1", strings.Repeat("x", size))); messages++ {
		kind, b, err := ws.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if kind != websocket.MessageBinary {
			t.Fatalf("message of type %v", kind)
		}
		total += len(b)
	}
	if messages > number {
		t.Errorf("%d messages came in %d", number, messages)
	}
}

func TestWebSocketInfo(t *testing.T) {
	n := startWeb(t, Options{}, func(o *WebSocketOptions) { o.Advertise = "web.example.com:443" })
	_, b, err := dialWeb(t, n, nil).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := wire.ParseInfo(bytes.TrimPrefix(b, []byte("INFO ")))
	if err != nil {
		t.Fatal(err)
	}
	if info.Host != "web.example.com" || info.Port != 443 || info.TLSRequired {
		t.Errorf("INFO says %s:%d, TLS %v", info.Host, info.Port, info.TLSRequired)
	}
}

// TestWebSocketURLs checks that WebSocket clients are told of WebSocket ports, and others of others.
func TestWebSocketURLs(t *testing.T) {
	cluster := ClusterOptions{Host: "127.0.0.1", Port: RandomPort, Name: "C", NoGossip: true}
	one := startWeb(t, Options{Cluster: cluster}, nil)
	cluster.Routes = []*url.URL{routeURL(one)}
	two := startWeb(t, Options{Cluster: cluster}, func(o *WebSocketOptions) { o.Advertise = "two:1" })
	startNode(t, Options{Cluster: cluster})
	hello := quiet[:len(quiet)-len("}\r\n")] + `,"protocol":1}` + "\r\nPING\r\n"
	web, tcp := webPeer(t, one, nil, hello), dial(t, one, hello)
	web.want("PONG\r\n")
	tcp.want("PONG\r\n")
	web.wantInfo(func(urls []string, _ bool) bool {
		return len(urls) == 2 && urls[0] == one.WebSocketAddr().String() && urls[1] == "two:1"
	})
	tcp.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 3 && urls[0] == one.Addr().String() })
	if err := two.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	web.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 1 })
}

// TestWebSocketEnds checks what a client is told that is disconnected.
func TestWebSocketEnds(t *testing.T) {
	users, err := auth.New(auth.Config{User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	connect := `CONNECT {"verbose":false,"user":"u","pass":"p"}` + "\r\n"
	for _, test := range []struct {
		name, send string
		shutdown   bool
		last       string // what is sent in the end
		status     websocket.StatusCode
		reason     string
	}{
		{"wrong password", `CONNECT {"user":"u","pass":"q"}` + "\r\n", false,
			"-ERR 'Authorization Violation'\r\n", websocket.StatusPolicyViolation, "Authentication Failure"},
		{"unknown operation", connect + "BOO\r\n", false,
			"-ERR 'Unknown Protocol Operation'\r\n", websocket.StatusProtocolError, "Protocol Violation"},
		{"large message", connect + "PUB a 2000000\r\n", false,
			"-ERR 'Maximum Payload Violation'\r\n", websocket.StatusMessageTooBig, "Maximum Message Payload Exceeded"},
		{"shutdown", connect, true, "", websocket.StatusGoingAway, "Server Shutdown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := startWeb(t, Options{Authenticator: users}, nil)
			ws := dialWeb(t, n, nil)
			if err := ws.Write(t.Context(), websocket.MessageBinary, []byte(test.send)); err != nil {
				t.Fatal(err)
			}
			if test.shutdown {
				eventually(t, "the client is there", func() bool { return n.clients.count() == 1 })
				go n.Shutdown(t.Context())
			}
			var text []byte
			var status websocket.CloseError
			for {
				_, b, err := ws.Read(t.Context())
				if err != nil {
					if !errors.As(err, &status) {
						t.Fatalf("the connection ends with %v", err)
					}
					break
				}
				text = append(text, b...)
			}
			if !bytes.HasSuffix(text, []byte(test.last)) || status.Code != test.status || status.Reason != test.reason {
				t.Errorf("the client got %q and then %v", text, status)
			}
			eventually(t, "the client is gone", func() bool { return n.clients.count() == 0 })
		})
	}
}

// TestWebSocketForwarded checks where the log says that a client comes from, by the words of a proxy.
func TestWebSocketForwarded(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	for header, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7/",
		"2001:db8::7":          "[2001:db8::7]/",
		"192.0.2.7, 192.0.2.8": "",
		"%s faked":             "",
		"":                     "",
	} {
		p := webPeer(t, n, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {header}}}, quiet)
		p.sync()
		c := n.clients.all()[0]
		if addr := c.LogValue().Group()[0]; addr.Key != "addr" || addr.Value.String() != want+c.remote {
			t.Errorf("X-Forwarded-For %q: the log says %v", header, addr)
		}
		if ip, _ := c.from(); ip != "127.0.0.1" {
			t.Errorf("X-Forwarded-For %q: the client is taken to be at %s", header, ip)
		}
		p.nc.Close()
		eventually(t, "the client is gone", func() bool { return n.clients.count() == 0 })
	}
}

// TestWebSocketLeaves checks that a client may close in all ways there are.
func TestWebSocketLeaves(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	for name, leave := range map[string]func(*websocket.Conn) error{
		"in good order": func(ws *websocket.Conn) error { return ws.Close(websocket.StatusNormalClosure, "bye") },
		"at once":       func(ws *websocket.Conn) error { return ws.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			ws := dialWeb(t, n, nil)
			if _, _, err := ws.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := leave(ws); err != nil {
				t.Error(err)
			}
			eventually(t, "the client is gone", func() bool { return n.clients.count() == 0 })
		})
	}
}

// TestWebSocketHeardOut checks that what was sent before a shutdown is not lost, also if its frame is not
// there yet.
func TestWebSocketHeardOut(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	sub := dial(t, n, quiet+"SUB a 1\r\n")
	sub.sync()
	raw := rawWeb(t, n)
	frame := maskedFrame(0x82, quiet+"PUB a 1\r\n1\r\n")
	raw.write(frame)
	sub.want(message("a", "1", "1"))
	frame = maskedFrame(0x82, "PUB b 1\r\n2\r\n")
	raw.write(frame[:10])
	c := n.clients.all()[1]
	go n.Shutdown(t.Context())
	eventually(t, "the node ends", func() bool { return c.ending.Load() != nil })
	raw.write(frame[10:])
	raw.readUntil("\x88")
	<-n.Done()
	if got := n.Stats().InMsgs; got != 2 {
		t.Errorf("%d of 2 messages were taken", got)
	}
}

// TestWebSocketRests wakes a reader in the middle of a frame, which must not lose its place.
func TestWebSocketRests(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	raw := rawWeb(t, n)
	raw.write(maskedFrame(0x82, quiet+"SUB a 1\r\nPING\r\n"))
	raw.readUntil("PONG\r\n")
	c := n.clients.all()[0]
	frame := maskedFrame(0x82, "PUB a 5\r\nhello\r\n")
	for i := range frame {
		raw.write(frame[i : i+1])
		c.lastIn.Add(1) // something came since the last rest
		c.rest()
	}
	raw.readUntil("hello\r\n")
}

func TestWebSocketPings(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	raw := rawWeb(t, n)
	raw.write(maskedFrame(0x89, "ho"))
	raw.readUntil("\x8a\x02ho")
	frame := maskedFrame(0x02, quiet+"PI") // a ping between two fragments
	frame = append(frame, maskedFrame(0x89, "hey")...)
	raw.write(append(frame, maskedFrame(0x80, "NG\r\n")...))
	raw.readUntil("\x8a\x03hey")
	raw.readUntil("PONG\r\n")
}

func TestWebSocketCompression(t *testing.T) {
	n := startWeb(t, Options{}, func(o *WebSocketOptions) { o.Compression = true })
	text := strings.Repeat("all work and no play ", 20_000)
	for mode, extension := range map[websocket.CompressionMode]string{
		websocket.CompressionDisabled:          "",
		websocket.CompressionNoContextTakeover: "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
		websocket.CompressionContextTakeover:   "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
	} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			ws, response, err := websocket.Dial(t.Context(), n.WebSocketURL(), &websocket.DialOptions{CompressionMode: mode})
			if err != nil {
				t.Fatal(err)
			}
			ws.SetReadLimit(-1)
			if got := response.Header.Get("Sec-WebSocket-Extensions"); got != extension {
				t.Errorf("the node agrees to %q, want %q", got, extension)
			}
			p := newPeer(t, websocket.NetConn(t.Context(), ws, websocket.MessageBinary), quiet+"SUB a 1\r\n")
			for range 3 {
				p.send(fmt.Sprintf("PUB a %d\r\n%s\r\n", len(text), text))
				p.want(message("a", "1", text))
				p.send("PUB a 1\r\n1\r\n")
				p.want(message("a", "1", "1"))
			}
		})
	}
}

func TestWebSocketCookies(t *testing.T) {
	users, err := auth.New(auth.Config{Users: []auth.User{
		{Name: "web", Password: "w", ConnectionTypes: []string{"WEBSOCKET"}},
		{Name: "tcp", Password: "t", ConnectionTypes: []string{"STANDARD"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	n := startWeb(t, Options{Authenticator: users}, func(o *WebSocketOptions) { o.UserCookie, o.PassCookie = "u", "p" })
	for _, test := range []struct {
		name, cookies, connect string
		ok                     bool
	}{
		{"cookies", "u=web; p=w", `{}`, true},
		{"in CONNECT", "", `{"user":"web","pass":"w"}`, true},
		{"CONNECT counts more", "u=web; p=x", `{"user":"web","pass":"w"}`, true},
		{"both together", "p=w", `{"user":"web"}`, true},
		{"wrong cookie", "u=web; p=x", `{}`, false},
		{"others", "user=web; pass=w", `{}`, false},
		{"not over WebSocket", "u=tcp; p=t", `{}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := webPeer(t, n, &websocket.DialOptions{HTTPHeader: http.Header{"Cookie": {test.cookies}}}, "")
			p.send("CONNECT " + test.connect + "\r\nPING\r\n")
			if want := map[bool]string{true: "+OK", false: "-ERR 'Authorization Violation'"}[test.ok]; p.line() != want {
				t.Errorf("want %s", want)
			}
		})
	}
}

// TestWebSocketAuthenticator has WebSocket clients judged by other rules than the rest.
func TestWebSocketAuthenticator(t *testing.T) {
	users := auth.Config{Users: []auth.User{{Name: "guest", Password: "g"}, {Name: "u", Password: "p"}}}
	all, err := auth.New(users)
	if err != nil {
		t.Fatal(err)
	}
	users.NoAuthUser = "guest"
	guests, err := auth.New(users)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Authenticator: all}
	n := startWeb(t, opts, func(o *WebSocketOptions) { o.Authenticator = guests })
	web := webPeer(t, n, nil, quiet)
	web.sync()
	dial(t, n, "PING\r\n").wantEnd("-ERR 'Authorization Violation'\r\n")

	opts = *n.options()
	without := *opts.WebSocket
	without.Authenticator = nil
	opts.WebSocket = &without
	if err := n.Reload(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	eventually(t, "guests are not welcome any more", func() bool { return n.clients.count() == 0 })
}

func TestWebSocketTLS(t *testing.T) {
	p := newPKI(t)
	n := startWeb(t, Options{}, func(o *WebSocketOptions) { o.TLS, o.NoTLS = p.options(nil), false })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.client("")}}
	defer client.CloseIdleConnections()
	peer := webPeer(t, n, &websocket.DialOptions{HTTPClient: client}, quiet+"SUB a 1\r\n")
	large := strings.Repeat("x", 500_000)
	peer.send(fmt.Sprintf("PUB a %d\r\n%s\r\n", len(large), large))
	peer.want(message("a", "1", large))
	c := n.clients.all()[0]
	if c.encryption.Load() == nil {
		t.Error("the node does not know how the connection is encrypted")
	}
	c.lastIn.Add(1)
	c.rest() // as TLS must survive it
	peer.sync()

	strict := startWeb(t, Options{}, func(o *WebSocketOptions) {
		o.TLS = p.options(func(f *certs.Files) {
			f.Verify = true
			f.PinnedCerts = []string{strings.Repeat("00", 32)}
		})
	})
	for _, certificate := range []string{"", "client"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.client(certificate)}}
		if _, _, err := websocket.Dial(t.Context(), strict.WebSocketURL(), &websocket.DialOptions{HTTPClient: client}); err == nil {
			t.Errorf("the certificate %q is accepted", certificate)
		}
		client.CloseIdleConnections()
	}
}

func TestWebSocketOptions(t *testing.T) {
	for _, test := range []struct {
		opts WebSocketOptions
		want string
	}{
		{WebSocketOptions{Port: 80}, "websocket tls: there is no certificate; configure one, or no_tls to serve clients in clear"},
		{WebSocketOptions{Port: 80, TLS: &TLSOptions{Config: func() *tls.Config { return nil }, RateLimit: 1}},
			"websocket tls: connection_rate_limit is for the client port, leave it out"},
		{WebSocketOptions{NoTLS: true}, "websocket port: 0 is not a port, use 1 to 65535, or -1 for a random one"},
		{WebSocketOptions{NoTLS: true, Port: 80, Advertise: "a:b"}, `websocket advertise: "b" is not a port`},
		{WebSocketOptions{NoTLS: true, Port: 80, HandshakeTimeout: -1}, "websocket handshake_timeout: -1ns is negative"},
		{WebSocketOptions{NoTLS: true, Port: 80, AllowedOrigins: []string{"example.com"}},
			`websocket allowed_origins: "example.com" is not an origin, write it like https://example.com`},
		{WebSocketOptions{NoTLS: true, Port: 80, AllowedOrigins: []string{"https://a/b"}},
			`websocket allowed_origins: "https://a/b" is more than an origin, leave out all but scheme, host and port`},
		{WebSocketOptions{NoTLS: true, Port: 80, Headers: map[string]string{"a b": "c"}},
			`websocket headers: "a b" is not the name of a header`},
		{WebSocketOptions{NoTLS: true, Port: 80, Headers: map[string]string{"a": "b\r\nc: d"}},
			"websocket headers: the value of a has characters that a header cannot have"},
		{WebSocketOptions{NoTLS: true, Port: 80, Headers: map[string]string{"sec-websocket-accept": "c"}},
			"websocket headers: Sec-Websocket-Accept belongs to the protocol, leave it out"},
	} {
		if err := (Options{WebSocket: &test.opts}).Validate(); err == nil || err.Error() != test.want {
			t.Errorf("%+v: %v, want %s", test.opts, err, test.want)
		}
	}
}

func TestWebSocketOrigin(t *testing.T) {
	for _, test := range []struct {
		same     bool
		allowed  []string
		origin   string
		accepted bool
	}{
		{false, nil, "https://evil.example", true},
		{true, nil, "", true},
		{true, nil, "http://here:8080", true},
		{true, nil, "http://HERE:8080", true},
		{true, nil, "https://here:8080", false},
		{true, nil, "http://here", false},
		{true, nil, "null", false},
		{false, []string{"https://a.example", "http://b.example:81/"}, "https://a.example", true},
		{false, []string{"https://a.example", "http://b.example:81/"}, "https://a.example:443", true},
		{false, []string{"https://a.example", "http://b.example:81/"}, "http://b.example:81", true},
		{false, []string{"https://a.example"}, "http://a.example", false},
		{false, []string{"https://a.example"}, "https://a.example.evil", false},
		{false, []string{"http://[::1]:80"}, "http://[::1]", true},
		{true, []string{"https://a.example"}, "http://here:8080", false},
		{true, []string{"http://here:8080"}, "http://here:8080", true},
	} {
		o := &WebSocketOptions{SameOrigin: test.same, AllowedOrigins: test.allowed}
		r := &http.Request{Host: "here:8080", Header: http.Header{}}
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		if err := o.checkOrigin(r); (err == nil) != test.accepted {
			t.Errorf("same %v, allowed %q: %q gets %v", test.same, test.allowed, test.origin, err)
		}
	}
}

// TestWebSocketRefuses sends requests that do not become connections.
func TestWebSocketRefuses(t *testing.T) {
	n := startWeb(t, Options{}, func(o *WebSocketOptions) {
		o.SameOrigin = true
		o.HandshakeTimeout = time.Second
	})
	others := webPeer(t, n, nil, quiet)
	const upgrade = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	t.Run("all", func(t *testing.T) {
		for _, test := range []struct{ name, send, want string }{
			{"another protocol", quiet, "HTTP/1.1 400 "},
			{"random bytes", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400 "},
			{"no WebSocket", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
			{"another version", "GET / HTTP/1.1\r\n" + strings.Replace(upgrade, "13", "12", 1) + "\r\n", "HTTP/1.1 400 "},
			{"POST", "POST / HTTP/1.1\r\n" + upgrade + "\r\n", "HTTP/1.1 405 "},
			{"leaf node", "GET /leafnode HTTP/1.1\r\n" + upgrade + "\r\n", "HTTP/1.1 404 "},
			{"MQTT", "GET /mqtt HTTP/1.1\r\n" + upgrade + "\r\n", "HTTP/1.1 404 "},
			{"another origin", "GET / HTTP/1.1\r\nOrigin: http://evil\r\n" + upgrade + "\r\n", "HTTP/1.1 403 "},
			{"large header", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 2*maxWebHeader) + "\r\n", "HTTP/1.1 431 "},
			{"slow", "GET / HTTP/1.1\r\n", ""},
			{"any path", "GET /a/b HTTP/1.1\r\n" + upgrade + "\r\n", "HTTP/1.1 101 "},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				nc, err := net.Dial("tcp", n.WebSocketAddr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(patience))
				io.WriteString(nc, test.send) // fails if the answer comes first
				line, err := bufio.NewReader(nc).ReadString('\n')
				if !strings.HasPrefix(line, test.want) || test.want != "" && err != nil {
					t.Errorf("the answer is %q (%v), want %s", line, err, test.want)
				}
				if isTimeout(err) {
					t.Error("the connection stays")
				}
			})
		}
	})
	others.sync()
}

// TestWebSocketBadFrames sends what is no WebSocket protocol.
func TestWebSocketBadFrames(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	others := webPeer(t, n, nil, quiet)
	for name, frame := range map[string][]byte{
		"unmasked":               []byte("\x82\x06PING\r\n"),
		"reserved bits":          maskedFrame(0xf2, "PING\r\n"),
		"compressed":             maskedFrame(0xc2, "PING\r\n"),
		"unknown type":           maskedFrame(0x83, "PING\r\n"),
		"a message in another":   append(maskedFrame(0x02, "PI"), maskedFrame(0x82, "NG\r\n")...),
		"the rest of no message": maskedFrame(0x80, "PING\r\n"),
		"long control":           maskedFrame(0x89, strings.Repeat("x", 126)),
		"fragmented control":     maskedFrame(0x09, "x"),
		"negative length":        append([]byte("\x82\xff"), bytes.Repeat([]byte{0xff}, 12)...),
	} {
		t.Run(name, func(t *testing.T) {
			raw := rawWeb(t, n)
			raw.readUntil("\r\n") // INFO, which a frame of the library might overtake
			raw.write(frame)
			rest, _ := io.ReadAll(raw.r)
			if len(rest) < 4 || rest[0] != 0x88 || len(rest) != 2+int(rest[1]) || string(rest[2:4]) != "\x03\xea" {
				t.Errorf("got %q, want one frame that closes with status 1002", rest)
			}
		})
	}
	eventually(t, "only the other client is left", func() bool { return n.clients.count() == 1 })
	others.sync()
}

// TestWebSocketSlowConsumer checks that a client that does not read is cut.
func TestWebSocketSlowConsumer(t *testing.T) {
	n := startWeb(t, Options{MaxPending: 2 << 20}, nil)
	ws := dialWeb(t, n, nil)
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte(quiet+"SUB a 1\r\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is interest", func() bool { return n.Stats().Subscriptions == 1 })
	p := dial(t, n, quiet)
	text := fmt.Sprintf("PUB a %d\r\n%s\r\n", 1<<19, strings.Repeat("x", 1<<19))
	eventually(t, "the client is cut", func() bool {
		p.send(text)
		p.sync()
		return n.Stats().SlowConsumers == 1
	})
}

func TestWebSocketLibrary(t *testing.T) {
	for _, compress := range []bool{false, true} {
		n := startWeb(t, Options{}, func(o *WebSocketOptions) { o.Compression = true })
		options := []nats.Option{nats.Timeout(patience)}
		if compress {
			options = append(options, nats.Compression(true))
		}
		nc, err := nats.Connect(n.WebSocketURL(), options...)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Subscribe("echo", func(m *nats.Msg) { m.Respond(m.Data) }); err != nil {
			t.Fatal(err)
		}
		for size := 1; size < 1<<20; size *= 3 {
			data := bytes.Repeat([]byte("z"), size)
			m, err := nc.Request("echo", data, patience)
			if err != nil || !bytes.Equal(m.Data, data) {
				t.Fatalf("compress %v: a request of %d bytes: %v", compress, size, err)
			}
		}
	}
}

// TestWebSocketLameDuck checks that the port is closed, and clients are told.
func TestWebSocketLameDuck(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	setLameDuck(n, time.Second, 500*time.Millisecond)
	hello := quiet[:len(quiet)-len("}\r\n")] + `,"protocol":1}` + "\r\nPING\r\n"
	p := webPeer(t, n, nil, hello)
	p.want("PONG\r\n")
	go n.LameDuck(t.Context())
	p.wantInfo(func(_ []string, lame bool) bool { return lame })
	if nc, err := net.Dial("tcp", n.WebSocketAddr().String()); err == nil {
		nc.Close()
		t.Error("the port is open")
	}
	<-n.Done()
}

// FuzzWebSocket feeds a connection with bytes in place of frames.
func FuzzWebSocket(f *testing.F) {
	n := startWeb(f, Options{}, func(o *WebSocketOptions) { o.Compression = true })
	f.Add([]byte("\x82\x06PING\r\n"))
	f.Add(maskedFrame(0x82, quiet+"SUB a 1\r\nPUB a 1\r\n1\r\n"))
	f.Add(maskedFrame(0xc2, "\xca\x48\xcd\xc9\xc9\x07\x00"))
	f.Add(append(maskedFrame(0x02, "PI"), maskedFrame(0x80, "NG\r\n")...))
	f.Add(maskedFrame(0x88, "\x03\xe8"))
	f.Fuzz(func(t *testing.T, b []byte) {
		raw := rawWeb(t, n)
		raw.write(b)
		raw.nc.(*net.TCPConn).CloseWrite()
		raw.nc.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, raw.r); isTimeout(err) {
			t.Error("the connection stays")
		}
	})
}

// rawPeer is a WebSocket client that speaks in bytes.
type rawPeer struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

// rawWeb opens a WebSocket connection, with compression if it can be had.
func rawWeb(t testing.TB, n *Node) *rawPeer {
	t.Helper()
	nc, err := net.Dial("tcp", n.WebSocketAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	p := &rawPeer{t, nc, bufio.NewReader(nc)}
	p.write([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	p.readUntil("\r\n\r\n")
	return p
}

func (p *rawPeer) write(b []byte) {
	p.nc.SetWriteDeadline(time.Now().Add(patience))
	_, _ = p.nc.Write(b) // fails when the node has closed, which readUntil notices
}

// readUntil reads up to, and with, what is given.
func (p *rawPeer) readUntil(end string) {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for !bytes.HasSuffix(got, []byte(end)) {
		b, err := p.r.ReadByte()
		if err != nil {
			p.t.Fatalf("got %q (%v), want it to end with %q", got, err, end)
		}
		got = append(got, b)
	}
}

// maskedFrame returns a frame of a client, whose first byte is given.
func maskedFrame(first byte, payload string) []byte {
	b := []byte{first, 0x80 | 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	key := []byte{1, 2, 3, 4}
	b = append(b, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// TestWebSocketReload changes what can change while clients are connected, and what cannot.
func TestWebSocketReload(t *testing.T) {
	n := startWeb(t, Options{}, nil)
	p := webPeer(t, n, nil, quiet+"SUB a 1\r\n")
	p.sync()
	page := &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://example.com"}}}
	change := func(f func(*Options)) error {
		o := *n.options()
		w := *o.WebSocket
		o.WebSocket = &w
		f(&o)
		return n.Reload(t.Context(), o)
	}
	if err := change(func(o *Options) { o.WebSocket.AllowedOrigins = []string{"https://other.example"} }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := websocket.Dial(t.Context(), n.WebSocketURL(), page); err == nil {
		t.Error("the page of another origin is let in")
	}
	if err := change(func(o *Options) { o.WebSocket.AllowedOrigins = []string{"https://example.com"} }); err != nil {
		t.Fatal(err)
	}
	webPeer(t, n, page, quiet+"PUB a 1\r\n1\r\n")
	p.want(message("a", "1", "1"))
	for want, f := range map[string]func(*Options){
		"websocket port: it cannot be opened or closed":          func(o *Options) { o.WebSocket = nil },
		"websocket port: it cannot change":                       func(o *Options) { o.WebSocket.Port = 8080 },
		"websocket handshake_timeout: it cannot change":          func(o *Options) { o.WebSocket.HandshakeTimeout = time.Hour },
		`websocket allowed_origins: "x" is not an origin, write`: func(o *Options) { o.WebSocket.AllowedOrigins = []string{"x"} },
	} {
		if err := change(f); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}

// TestWebSocketIdle has many connections that never become those of clients. Nobody notices them, and a node
// does not wait for them when it stops.
func TestWebSocketIdle(t *testing.T) {
	p := newPKI(t)
	for name, tune := range map[string]func(*WebSocketOptions){
		"clear": func(o *WebSocketOptions) { o.HandshakeTimeout = time.Hour },
		"TLS":   func(o *WebSocketOptions) { o.TLS, o.HandshakeTimeout = p.options(nil), time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			n := startWeb(t, Options{MaxConnections: 1}, tune)
			for i := range 300 {
				nc, err := net.Dial("tcp", n.WebSocketAddr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				io.WriteString(nc, []string{"", "GET / HT", "\x16\x03\x01"}[i%3])
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.client("")}}
			defer client.CloseIdleConnections()
			webPeer(t, n, &websocket.DialOptions{HTTPClient: client}, quiet).sync()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := n.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
