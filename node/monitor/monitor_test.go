package monitor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"shoal/node"
	"shoal/node/auth"
	"shoal/node/certs"
	"shoal/node/certs/certtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what normally takes microseconds.
const patience = 30 * time.Second

// watched is a node that a test looks at.
type watched struct {
	t       *testing.T
	node    *node.Node
	cluster Clusterz
	waiting bool  // it has not started
	err     error // why it is not healthy
	// published is the number of messages that clients have sent.
	published uint64
}

func (w *watched) Node() *node.Node   { return w.node }
func (w *watched) Started() bool      { return !w.waiting }
func (w *watched) Healthy() error     { return w.err }
func (w *watched) Clusterz() Clusterz { return w.cluster }
func (w *watched) Complete(v *Varz)   { v.HTTPHost, v.HTTPPort = "127.0.0.1", 8222 }

// watch runs a node until the test ends.
func watch(t *testing.T, opts node.Options) *watched {
	t.Helper()
	opts.Host, opts.Port = "127.0.0.1", node.RandomPort
	n, err := node.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &watched{t: t, node: n}
}

var errStarting = errors.New("it is starting")

// peerOf is the options of a node that has others as routes.
func peerOf(name string, others ...*watched) node.Options {
	o := node.Options{ServerName: name, Cluster: node.ClusterOptions{
		Name: "east", Host: "127.0.0.1", Port: node.RandomPort, NoGossip: true,
	}}
	for _, other := range others {
		o.Cluster.Routes = append(o.Cluster.Routes, &url.URL{Scheme: "nats", Host: other.node.ClusterAddr().String()})
	}
	return o
}

// TestWebSocket checks what is told of a WebSocket port and a client there.
func TestWebSocket(t *testing.T) {
	n := watch(t, node.Options{WebSocket: &node.WebSocketOptions{Port: node.RandomPort, NoTLS: true, Compression: true}})
	nc, err := nats.Connect(n.node.WebSocketURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	n.want(n.get("/varz"), map[string]any{"websocket.host": "127.0.0.1", "websocket.no_tls": true, "websocket.compression": true,
		"websocket.handshake_timeout": 5e9, "websocket.auth_timeout": 2})
	n.want(n.get("/connz"), map[string]any{"connections.0.kind": "Client", "connections.0.type": "websocket",
		"connections.0.lang": "go", "connections.0.ip": "127.0.0.1"})
}

// client connects and sends what is given, which ends with a PING, and waits for the answer.
func (w *watched) client(send string) net.Conn {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.node.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	w.greet(nc, send)
	return nc
}

// greet sends what is given, which ends with a PING, and waits for the answer.
func (w *watched) greet(nc net.Conn, send string) {
	w.t.Helper()
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write([]byte(send)); err != nil {
		w.t.Fatal(err)
	}
	var got []byte
	for b := make([]byte, 4096); !bytes.HasSuffix(got, []byte("PONG\r\n")); {
		n, err := nc.Read(b)
		if err != nil {
			w.t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, b[:n]...)
	}
	w.published += uint64(strings.Count(send, "PUB "))
	w.eventually("what was sent is counted", func() bool { return w.node.Stats().InMsgs == w.published })
}

func (w *watched) handler() *Handler { return NewHandler(New(w)) }

// get asks for a page and decodes the answer.
func (w *watched) get(target string) map[string]any {
	w.t.Helper()
	r := get(w.handler(), "GET", target)
	if r.Code != http.StatusOK {
		w.t.Fatalf("%s: status %d, %s", target, r.Code, r.Body)
	}
	var got map[string]any
	if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil {
		w.t.Fatalf("%s: %v", target, err)
	}
	return got
}

// want compares fields of an answer. A path such as "a.0.b" leads into lists and objects.
func (w *watched) want(answer map[string]any, fields map[string]any) {
	w.t.Helper()
	for path, want := range fields {
		var at any = answer
		for _, key := range strings.Split(path, ".") {
			switch v := at.(type) {
			case map[string]any:
				at = v[key]
			case []any:
				var i int
				if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
					w.t.Errorf("%s: there is no %s", path, key)
					at = nil
				} else {
					at = v[i]
				}
			default:
				at = nil
			}
		}
		if fmt.Sprint(at) != fmt.Sprint(want) {
			w.t.Errorf("%s is %v, want %v", path, at, want)
		}
	}
}

func (w *watched) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not reached: %s", what)
		}
	}
}

func get(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

const hello = `CONNECT {"verbose":false,"name":"one","lang":"test","version":"1.2"}` + "\r\n"

func TestVarz(t *testing.T) {
	n := watch(t, node.Options{ServerName: "n1", Tags: []string{"blue"}, PingInterval: time.Minute})
	n.client(hello + "SUB x 1\r\nPUB x 2\r\nhi\r\nPING\r\n")
	h := n.handler()
	get(h, "GET", "/varz")
	w := get(h, "GET", "/varz")
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q", got)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if !strings.HasPrefix(w.Body.String(), "{\n  \"server_id\": \"") {
		t.Errorf("not indented by two spaces:\n%s", w.Body)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	n.want(got, map[string]any{
		"server_id": n.node.ID(), "server_name": "n1", "version": node.ProtocolVersion, "proto": 1,
		"host": "127.0.0.1", "http_port": 8222, "ping_interval": 60e9, "auth_timeout": 2, "tls_timeout": 2,
		"connections": 1, "total_connections": 1, "in_msgs": 1, "in_client_bytes": 2, "out_msgs": 1,
		"out_client_bytes": 2, "subscriptions": 1, "routes": 0, "remotes": 0, "uptime": "0s",
		"tags.0": "blue", "slow_consumer_stats.clients": 0, "system_account": "$SYS",
		"http_req_stats./varz": 2, "http_req_stats./": 0, "config_load_time": got["start"], "config_digest": "",
	})
	for _, key := range []string{"cluster", "jetstream", "gateway", "leaf", "mqtt", "websocket"} {
		if object, ok := got[key].(map[string]any); !ok || len(object) > 0 {
			t.Errorf("%s is %v, want {}", key, got[key])
		}
	}
	for _, key := range []string{"mem", "cores", "gomaxprocs", "port"} {
		if n, _ := got[key].(float64); n <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	if _, ok := got["auth_required"]; ok {
		t.Error("auth_required is there on an open server")
	}
}

// TestAuthRequired asks servers that let in different people.
func TestAuthRequired(t *testing.T) {
	users := func(c auth.Config) *auth.Users {
		t.Helper()
		u, err := auth.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	system := users(auth.Config{Users: []auth.User{{Name: "admin", Password: "a", Account: node.SystemAccount}}})
	list := []auth.User{{Name: "u", Password: "p"}}
	for _, tt := range []struct {
		name          string
		authenticator node.Authenticator
		want          string
	}{
		{"a user", users(auth.Config{User: "u", Password: "p"}), "true"},
		{"users, who are one of them otherwise", users(auth.Config{Users: list, NoAuthUser: "u"}), "true"},
		{"a system user, and everybody", auth.NewBesides(system, nil), "<nil>"},
		{"a system user, and guests", users(auth.Config{Users: []auth.User{
			{Name: "admin", Password: "a", Account: node.SystemAccount}, {Name: node.GlobalAccount},
		}, NoAuthUser: node.GlobalAccount}), "<nil>"},
		{"a system user, and users", auth.NewBesides(system, users(auth.Config{Users: list})), "true"},
	} {
		w := watch(t, node.Options{Authenticator: tt.authenticator})
		if got := fmt.Sprint(w.get("/varz")["auth_required"]); got != tt.want {
			t.Errorf("%s: auth_required is %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestNotStarted(t *testing.T) {
	n, err := node.New(node.Options{Port: node.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, node: n, waiting: true, err: errStarting}
	varz := w.get("/varz")
	w.want(varz, map[string]any{"connections": 0})
	if start, err := time.Parse(time.RFC3339Nano, fmt.Sprint(varz["start"])); err != nil || time.Since(start) > time.Hour {
		t.Errorf("start is %v", varz["start"])
	}
	for _, path := range []string{"/connz", "/routez", "/subsz?subs=1", "/accountz", "/accstatz?unused=1"} {
		w.get(path)
	}
}

func TestMesh(t *testing.T) {
	a := watch(t, peerOf("a"))
	b := watch(t, peerOf("b", a))
	b.client(hello + "SUB x.* 1\r\nSUB work q 2\r\nPING\r\n")
	a.eventually("a knows what b subscribes to", func() bool {
		r := a.node.Routes()
		return len(r) == 1 && r[0].Synchronized && r[0].Subscriptions == 2
	})
	a.client(hello + "PUB x.1 3\r\nyou\r\nPING\r\n")
	a.eventually("the message was sent", func() bool { return b.node.Stats().RouteInMsgs == 1 })
	a.want(a.get("/varz"), map[string]any{
		"cluster.name": "east", "cluster.addr": "127.0.0.1", "routes": 1, "remotes": 1, "out_msgs": 1, "out_bytes": 3,
		"out_client_msgs": 0, "in_msgs": 1,
	})
	b.want(b.get("/varz"), map[string]any{
		"cluster.urls.0": a.node.ClusterAddr().String(), "in_msgs": 1, "in_client_msgs": 0, "out_client_msgs": 1,
	})
	a.want(a.get("/accstatz"), map[string]any{
		"account_statz.0.sent.msgs": 1, "account_statz.0.sent.routes.msgs": 1, "account_statz.0.sent.routes.bytes": 3,
	})
	b.want(b.get("/accstatz"), map[string]any{
		"account_statz.0.received.msgs": 1, "account_statz.0.received.routes.bytes": 3, "account_statz.0.sent.routes.msgs": 0,
	})
	b.want(b.get("/routez"), map[string]any{
		"server_name": "b", "num_routes": 1, "routes.0.remote_name": "a", "routes.0.did_solicit": true,
		"routes.0.is_configured": true, "routes.0.in_msgs": 1, "routes.0.in_bytes": 3, "routes.0.shoal": true,
		"routes.0.compression": "off", "routes.0.subscriptions_list": "<nil>",
	})
	got := a.get("/routez?subs=1")
	if list := fmt.Sprint(got["routes"].([]any)[0].(map[string]any)["subscriptions_list"]); list != "[x.* work]" && list != "[work x.*]" {
		t.Errorf("the interest is %s", list)
	}
	a.want(a.get("/routez?subs=detail"), map[string]any{"routes.0.subscriptions_list_detail.0.max": "<nil>"})
	for target, want := range map[string]int{
		"/healthz?min-peers=1": 200, "/healthz?min-peers=2": 503, "/healthz?min-peers=-1": 400, "/healthz?min-peers=x": 400,
	} {
		if r := get(a.handler(), "GET", target); r.Code != want {
			t.Errorf("%s: %d %s, want %d", target, r.Code, r.Body, want)
		}
	}
}

func TestConnz(t *testing.T) {
	n := watch(t, node.Options{})
	n.client(hello + "SUB x.* 7\r\nSUB work q 8\r\nUNSUB 8 5\r\nPUB x.1 2\r\nhi\r\nPING\r\n")
	gone := n.client("PING\r\n")
	gone.Close()
	n.eventually("one has gone", func() bool { return n.node.Stats().Connections == 1 })
	n.want(n.get("/connz"), map[string]any{
		"server_id": n.node.ID(), "num_connections": 1, "total": 1, "offset": 0, "limit": 1024,
		"connections.0.kind": "Client", "connections.0.type": "nats", "connections.0.ip": "127.0.0.1",
		"connections.0.uptime": "0s", "connections.0.idle": "0s", "connections.0.in_msgs": 1, "connections.0.in_bytes": 2,
		"connections.0.out_msgs": 1, "connections.0.subscriptions": 2, "connections.0.name": "one",
		"connections.0.lang": "test", "connections.0.version": "1.2", "connections.0.pending_bytes": 0,
		"connections.0.stop": "<nil>", "connections.0.subscriptions_list": "<nil>",
	})
	n.want(n.get("/connz?subs=1"), map[string]any{"connections.0.subscriptions_list": "[x.* work]"})
	n.want(n.get("/connz?subs=detail&auth=true"), map[string]any{
		"connections.0.subscriptions_list_detail.0.subject": "x.*", "connections.0.subscriptions_list_detail.0.msgs": 1,
		"connections.0.subscriptions_list_detail.1.qgroup": "q", "connections.0.subscriptions_list_detail.1.max": 5,
		"connections.0.subscriptions_list_detail.1.sid": "8", "connections.0.account": "<nil>",
	})
	n.want(n.get("/connz?state=closed&sort=stop"), map[string]any{"total": 1, "connections.0.reason": "Client Closed"})
	n.want(n.get("/connz?state=any&limit=1&offset=1"), map[string]any{
		"num_connections": 1, "total": 2, "offset": 1, "limit": 1, "connections.0.reason": "Client Closed",
	})
	n.want(n.get("/connz?cid=999"), map[string]any{"num_connections": 0, "connections": "[]", "limit": 1})
	n.want(n.get("/connz?acc=$G&filter_subject=x.1"), map[string]any{"num_connections": 1})
	n.want(n.get("/connz?acc=$G&filter_subject=y.1"), map[string]any{"num_connections": 0})
	n.want(n.get("/connz?mqtt_client=a"), map[string]any{"num_connections": 0})
	for _, sort := range node.ConnectionOrders() {
		n.get("/connz?state=closed&sort=" + sort)
	}
}

func TestTLS(t *testing.T) {
	authority, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Issue("server", nil)
	if err != nil {
		t.Fatal(err)
	}
	source, err := certs.Load(certs.Files{CertFile: server.CertFile, KeyFile: server.KeyFile, CAFile: authority.CAFile, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	n := watch(t, node.Options{TLS: &node.TLSOptions{Config: source.Config, HandshakeFirst: true}})
	pair, err := tls.LoadX509KeyPair(server.CertFile, server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := tls.Dial("tcp", n.node.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	n.greet(nc, hello+"PING\r\n")
	n.want(n.get("/varz"), map[string]any{
		"tls_required": true, "tls_verify": true, "tls_cert_not_after": pair.Leaf.NotAfter.Format(time.RFC3339),
	})
	n.want(n.get("/connz?auth=1"), map[string]any{
		"connections.0.tls_version": "1.3", "connections.0.tls_first": true,
		"connections.0.tls_cipher_suite":         tls.CipherSuiteName(nc.ConnectionState().CipherSuite),
		"connections.0.tls_peer_certs.0.subject": pair.Leaf.Subject.String(),
	})
	n.want(n.get("/connz"), map[string]any{"connections.0.tls_version": "1.3", "connections.0.tls_peer_certs": "<nil>"})
}

func TestSubsz(t *testing.T) {
	n := watch(t, node.Options{})
	n.client(hello + "SUB x.* 7\r\nSUB work q 8\r\nPUB x.1 2\r\nhi\r\nPUB x.1 2\r\nhi\r\nPUB x.1 2\r\nhi\r\nPING\r\n")
	n.want(n.get("/subsz"), map[string]any{
		"num_subscriptions": 2, "num_inserts": 2, "num_removes": 0, "num_matches": 3, "max_fanout": 1, "avg_fanout": 1,
		"num_cache": 1, "total": 0, "offset": 0, "limit": 1024, "subscriptions_list": "<nil>",
	})
	n.want(n.get("/subscriptionsz?subs=1&limit=1&offset=1"), map[string]any{
		"total": 2, "limit": 1, "subscriptions_list.0.account": "$G", "subscriptions_list.0.subject": "work",
		"subscriptions_list.0.qgroup": "q", "subscriptions_list.0.sid": "8",
	})
	n.want(n.get("/subsz?subs=1&test=x.9&acc=$G"), map[string]any{"total": 1, "subscriptions_list.0.subject": "x.*"})
	n.want(n.get("/subsz?subs=1&acc=other"), map[string]any{"total": 0, "num_subscriptions": 0})
}

func TestAccounts(t *testing.T) {
	n := watch(t, node.Options{Accounts: []node.AccountOptions{
		{
			Name:     "A",
			Exports:  []node.Export{{Subject: "s.>"}, {Subject: "q.*", Service: true, Accounts: []string{"B"}}},
			Mappings: []node.Mapping{{Subject: "m.1", Destinations: []node.MappedTo{{Subject: "m.2", Weight: 100}}}},
		},
		{
			Name: "B",
			Imports: []node.Import{
				{Account: "A", Subject: "s.x", To: "p.s.x"}, {Account: "A", Subject: "q.1", To: "qq", Service: true},
			},
		},
	}})
	n.client(hello + "PUB x 5\r\nhello\r\nPING\r\n")
	n.want(n.get("/accountz"), map[string]any{"system_account": "$SYS", "accounts": "[$G $SYS A B]", "account_detail": "<nil>"})
	n.want(n.get("/accountz?acc=A"), map[string]any{
		"account_detail.account_name": "A", "account_detail.complete": true, "account_detail.expired": false,
		"account_detail.exports.0.type": "stream", "account_detail.exports.1.response_type": "Singleton",
		"account_detail.exports.1.approved_accounts": "[B]", "account_detail.mappings": "map[m.1:[map[subject:m.2 weight:100]]]",
		"account_detail.sublist_stats.num_subscriptions": 0,
	})
	n.want(n.get("/accountz?acc=B"), map[string]any{
		"account_detail.imports.0":    "map[account:A invalid:false local_subject:p.s.x share:false subject:s.x tracking:false type:stream]",
		"account_detail.imports.1.to": "qq", "account_detail.imports.1.type": "service",
	})
	n.want(n.get("/accountz?acc=$SYS"), map[string]any{"account_detail.is_system": true})
	n.want(n.get("/accstatz"), map[string]any{
		"account_statz.0.acc": "$G", "account_statz.0.conns": 1, "account_statz.0.received.bytes": 5, "account_statz.0.received.msgs": 1,
		"account_statz.0.sent.msgs": 0, "account_statz.0.slow_consumers": 0,
	})
	if list := n.get("/accstatz?unused=1")["account_statz"].([]any); len(list) != 4 {
		t.Errorf("unused accounts included, there are %d", len(list))
	}
}

func TestClusterz(t *testing.T) {
	n := watch(t, node.Options{})
	n.want(n.get("/clusterz"), map[string]any{"gossip": "<nil>", "members": "[]", "degraded": "[]", "drift": "[]"})
	n.cluster = Clusterz{ServerID: "ID", Gossip: &Gossip{Joined: true, Alive: 2}, Members: []Member{{ID: "PEER", Name: "n2"}}}
	n.want(n.get("/clusterz"), map[string]any{"server_id": "ID", "gossip.alive": 2, "members.0.name": "n2", "members.0.has_route": false})
}

func TestAbsent(t *testing.T) {
	n := watch(t, node.Options{})
	n.want(n.get("/leafz"), map[string]any{"leafnodes": 0, "leafs": "[]", "server_id": n.node.ID()})
	n.want(n.get("/gatewayz"), map[string]any{"outbound_gateways": "map[]", "inbound_gateways": "map[]"})
	n.want(n.get("/jsz"), map[string]any{"disabled": true, "api.total": 0, "streams": 0, "server_id": n.node.ID()})
	n.want(n.get("/ipqueuesz?all=1"), map[string]any{})
	for _, path := range []string{"/debug/vars", "/expvarz"} {
		if got := n.get(path); len(got["cmdline"].([]any)) != 1 || got["memstats"].(map[string]any)["HeapAlloc"] == 0.0 {
			t.Errorf("%s says %v", path, got)
		}
	}
}

func TestHealthz(t *testing.T) {
	n := watch(t, node.Options{})
	sick := watched{t: t, node: n.node, err: errors.New("shutting down")}
	for _, c := range []struct {
		of     *watched
		target string
		status int
		body   string
	}{
		{n, "/healthz", 200, `{"status":"ok"}`},
		{n, "/healthz?js-server-only=true", 200, `{"status":"ok"}`},
		{n, "/healthz?js-enabled-only=1", 200, `{"status":"ok"}`},
		{n, "/healthz?js-enabled=1&js-meta-only=1&account=A&details=1", 200, `{"status":"ok"}`},
		{n, "/healthz?min-peers=0", 200, `{"status":"ok"}`},
		{n, "/healthz?details=perhaps", 400, `details: "perhaps" is not true or false, 1 or 0` + "\n"},
		{n, "/healthz?stream=S", 400, `{"status":"error","error":"stream: needs account as well"}`},
		{n, "/healthz?account=A&consumer=C", 400, `{"status":"error","error":"consumer: needs stream as well"}`},
		{&sick, "/healthz", 503, `{"status":"unavailable","error":"shutting down"}`},
		{&sick, "/healthz?js-server-only=true", 503, `{"status":"unavailable","error":"shutting down"}`},
		{&sick, "/healthz?js-enabled-only=true", 200, `{"status":"ok"}`},
		{&sick, "/healthz?details=1", 503, `{"status":"unavailable","errors":[{"type":"CONNECTION","error":"shutting down"}]}`},
	} {
		if r := get(c.of.handler(), "GET", c.target); r.Code != c.status || r.Body.String() != c.body {
			t.Errorf("%s: got %d %s, want %d %s", c.target, r.Code, r.Body, c.status, c.body)
		}
	}
}

func TestPages(t *testing.T) {
	n := watch(t, node.Options{ServerName: "<b>"})
	h := n.handler()
	tests := []struct {
		method, target string
		status         int
		contains       string
	}{
		{"GET", "/", 200, "<title>shoal</title>"},
		{"HEAD", "/varz", 200, ""},
		{"POST", "/varz", 405, "only GET"},
		{"GET", "/nope", 404, ""},
		{"GET", "/varz/", 404, ""},
		{"GET", "/raftz", 404, "no Raft groups"},
		{"GET", "/stacksz", 200, "TestPages"},
		{"GET", "/healthz?callback=show", 200, `show({"status":"ok"})`},
		{"GET", "/healthz?callback=a.b.$c", 200, `a.b.$c({"status":"ok"})`},
		{"GET", "/healthz?callback=alert(1)//", 400, "callback"},
		{"GET", "/healthz?callback=a..b", 400, "callback"},
		{"GET", "/varz?callback=%3Cscript%3E", 400, "callback"},
		{"GET", "/connz?sort=speed", 400, `sort: "speed" is none of bytes_from, bytes_to, cid,`},
		{"GET", "/connz?sort=stop", 400, "sort: stop is only for connections that have ended"},
		{"GET", "/connz?sort=reason&state=any", 400, "sort: reason is only for"},
		{"GET", "/connz?filter_subject=x", 400, "filter_subject: needs acc"},
		{"GET", "/connz?auth=perhaps", 400, `auth: "perhaps" is not true or false`},
		{"GET", "/connz?subs=x", 400, `subs: "x" is not`},
		{"GET", "/connz?offset=x", 400, `offset: "x" is not a whole number`},
		{"GET", "/connz?limit=1e3", 400, `limit: "1e3" is not a whole number`},
		{"GET", "/connz?cid=-1", 400, `cid: "-1" is not the number of a connection`},
		{"GET", "/connz?state=ajar", 400, `state: "ajar" is not open, closed or any`},
		{"GET", "/routez?subs=x", 400, `subs: "x" is not`},
		{"GET", "/subsz?test=a.*", 400, `test: "a.*" is not a subject to publish to`},
		{"GET", "/subsz?subs=detail", 400, `subs: "detail" is not`},
		{"GET", "/accountz?acc=nobody", 400, `acc: there is no account "nobody"`},
		{"GET", "/accstatz?unused=2", 400, `unused: "2" is not`},
	}
	for _, tt := range tests {
		w := get(h, tt.method, tt.target)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.contains) {
			t.Errorf("%s %s: got %d %q, want %d with %q", tt.method, tt.target, w.Code, w.Body, tt.status, tt.contains)
		}
	}
}

func TestUptime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0s",
		5900 * time.Millisecond: "5s",
		182 * time.Second:       "3m2s",
		time.Hour:               "1h0m0s",
		181*time.Hour + 49*time.Minute + 13*time.Second: "7d13h49m13s",
		(367*24 + 1) * time.Hour:                        "1y2d1h0m0s",
	} {
		if got := uptime(d); got != want {
			t.Errorf("uptime(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestProcessorLoad(t *testing.T) {
	p := newProcess()
	first := p.cpuPercent(p.wall.Add(sampleInterval / 2))
	if first != 0 {
		t.Errorf("half an interval gave a sample of %v", first)
	}
	for end := processorTime() + 50*time.Millisecond; processorTime() < end; {
		// Burn enough processor time for the sample to show it.
	}
	if load := p.cpuPercent(p.wall.Add(sampleInterval)); load < 4 {
		t.Errorf("50 ms within a second are a load of %v", load)
	}
}
