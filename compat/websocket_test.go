package compat

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/browser"
)

// pagePatience bounds what happens in a browser, which takes a few seconds.
const pagePatience = 2 * time.Minute

// webSocket has a server serve WebSocket clients, with more settings in the block.
func webSocket(more string) broker.Settings {
	settings := broker.Settings{}
	settings.AddConfig("websocket { port: -1, no_tls: true, " + more + " }\n")
	return settings
}

// TestWebSocketClients runs some of the programs written with nats.go over WebSocket.
func TestWebSocketClients(t *testing.T) {
	for name, more := range map[string]string{"plain": "", "compressed": "compression: true"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareRuns(t, webSocket(more), func(t *testing.T, server *broker.Server, note func(string, ...any)) {
				options := []nats.Option{nats.Timeout(patience), nats.Compression(more != "")}
				nc, err := nats.Connect(server.WebSocket, options...)
				must(t, err)
				defer nc.Close()
				note("TLS %v, %d discovered", nc.TLSRequired(), len(nc.DiscoveredServers()))
				sub := subscribe(t, nc, "a.>")
				data := make([]byte, 1<<18) // nats-server takes no more in a message that is compressed
				for size := 1; size <= len(data); size *= 4 {
					must(t, nc.Publish("a.b", data[:size]))
				}
				for size := 1; size <= len(data); size *= 4 {
					note("%d", len(next(t, sub).Data))
				}
				_, err = nc.Request("nobody", nil, patience)
				note("%v", err)
			})
		})
	}
}

// TestNodeWebSocket runs the programs for Node.js over WebSocket.
func TestNodeWebSocket(t *testing.T) {
	installNodeLibraries(t)
	for name, more := range map[string]string{"plain": "", "compressed": "compression: true"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareRuns(t, webSocket(more), func(t *testing.T, server *broker.Server, note func(string, ...any)) {
				runNode(t, note, "@nats-io/nats-core", server.WebSocket)
			})
		})
	}
}

// newBrowser runs a browser until the end of the test. Without one the test is skipped, but not where CI
// runs.
func newBrowser(t *testing.T) *browser.Browser {
	t.Helper()
	if _, err := browser.Find(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI needs a browser: %v", err)
		}
		t.Skip(err)
	}
	b, err := browser.Start()
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

// startBrowser runs a browser until the end of the test, and a site that has the programs for JavaScript.
// The site gives every visitor the cookies.
func startBrowser(t *testing.T, cookies ...*http.Cookie) (*browser.Browser, *httptest.Server) {
	t.Helper()
	b := newBrowser(t)
	installNodeLibraries(t)
	files := http.FileServer(http.Dir("nodejs"))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range cookies {
			http.SetCookie(w, c)
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	return b, site
}

// evaluate evaluates an expression in a new tab with the page that has the programs.
func evaluate(t *testing.T, b *browser.Browser, site *httptest.Server, expression string, result any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
	defer cancel()
	page, err := b.Open(ctx, site.URL+"/browser.html")
	must(t, err)
	if err := page.Evaluate(ctx, expression, result); err != nil {
		return fmt.Errorf("%w, the page says %q", err, page.Complaints())
	}
	return nil
}

// TestBrowser runs the programs in Chromium.
func TestBrowser(t *testing.T) {
	b, site := startBrowser(t)
	programs := func(t *testing.T, server *broker.Server, note func(string, ...any)) {
		var notes []string
		must(t, evaluate(t, b, site, fmt.Sprintf("run(%q)", server.WebSocket), &notes))
		for _, n := range notes {
			note("%s", n)
		}
	}
	compareRuns(t, webSocket(""), programs)
	// nats-server closes the connection when a compressed message has one of max_payload in it.
	plain := observe(t, subject(), webSocket(""), programs)
	if got := observe(t, subject(), webSocket("compression: true"), programs); !slices.Equal(got, plain) {
		t.Errorf("with compression the program observed\n%s\ninstead of\n%s", lines(got), lines(plain))
	}
}

// TestBrowserIsKnown checks who may connect from a page: one that has cookies with a user and password, and
// none of another origin.
func TestBrowserIsKnown(t *testing.T) {
	b, site := startBrowser(t, &http.Cookie{Name: "u", Value: "page", HttpOnly: true}, &http.Cookie{Name: "p", Value: "s3cret", HttpOnly: true})
	const connect = "nats.wsconnect({ servers: %q, reconnect: false }).then((c) => c.close()).then(() => 'connected', (e) => e.name)"
	users := "authorization { users: [ { user: page, password: s3cret, allowed_connection_types: [WEBSOCKET] } ] }\n"
	for name, more := range map[string]string{
		"cookies":        "user_cookie: u, pass_cookie: p",
		"no cookies":     "",
		"another cookie": "user_cookie: x, pass_cookie: p",
		"this origin":    fmt.Sprintf("user_cookie: u, pass_cookie: p, allowed_origins: [ %q ]", site.URL),
		"another origin": `user_cookie: u, pass_cookie: p, allowed_origins: [ "https://example.com" ]`,
		"same origin":    "user_cookie: u, pass_cookie: p, same_origin: true",
	} {
		t.Run(name, func(t *testing.T) {
			settings := webSocket(more)
			settings.AddConfig(users)
			compareRuns(t, settings, func(t *testing.T, server *broker.Server, note func(string, ...any)) {
				var got string
				must(t, evaluate(t, b, site, fmt.Sprintf(connect, server.WebSocket), &got))
				note("%s", got)
			})
		})
	}
}

// TestWebSocketMesh has WebSocket clients of a mixed cluster find the ports for them, and only those.
func TestWebSocketMesh(t *testing.T) {
	t.Parallel()
	start := func(kind broker.Kind, arguments ...string) *broker.Server {
		t.Helper()
		config := "websocket { listen: \"127.0.0.1:-1\", no_tls: true }\n"
		server, err := broker.Launch(kind, config, append([]string{"-a", "127.0.0.1", "-p", "-1", "--cluster_name", "C"}, arguments...)...)
		must(t, err)
		t.Cleanup(func() { must(t, server.Stop()) })
		must(t, server.WaitReady())
		return server
	}
	port, err := broker.FreePort()
	must(t, err)
	routes := "nats://127.0.0.1:" + port
	oracle := start(broker.Oracle, "--cluster", routes)
	one := start(subject(), "--cluster", "nats://127.0.0.1:-1", "--routes", routes)
	two := start(subject(), "--cluster", "nats://127.0.0.1:-1", "--routes", routes)
	all := []*broker.Server{oracle, one, two}
	for _, server := range all {
		nc, err := nats.Connect(server.WebSocket, nats.Timeout(patience))
		must(t, err)
		defer nc.Close()
		var want []string
		for _, other := range all {
			u, err := url.Parse(other.WebSocket)
			must(t, err)
			want = append(want, u.Host)
		}
		slices.Sort(want)
		eventually(t, "a WebSocket client of "+server.Kind.Name+" knows all", func() bool {
			var got []string
			for _, s := range nc.Servers() {
				got = append(got, strings.TrimPrefix(s, "ws://"))
			}
			slices.Sort(got)
			return slices.Equal(got, want)
		})
	}
}
