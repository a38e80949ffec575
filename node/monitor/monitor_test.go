package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type fakeNode struct {
	varz    Varz
	routez  Routez
	cluster Clusterz
	err     error
}

func (f fakeNode) Varz() Varz         { return f.varz }
func (f fakeNode) Routez() Routez     { return f.routez }
func (f fakeNode) Clusterz() Clusterz { return f.cluster }
func (f fakeNode) Healthy() error     { return f.err }

func get(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestVarz(t *testing.T) {
	h := New(fakeNode{varz: Varz{
		ServerID: "ID", ServerName: "n1", Version: "2.0.0", Proto: 1, Port: 4222, Host: "0.0.0.0",
		PingInterval: 2 * time.Minute, AuthTimeout: 2, Start: time.Now().Add(-65 * time.Second),
		Connections: 3, InMsgs: 7, OutBytes: 9, Subscriptions: 2,
	}})
	get(h, "GET", "/varz")
	w := get(h, "GET", "/varz")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q", got)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if !strings.HasPrefix(w.Body.String(), "{\n  \"server_id\": \"ID\",\n") {
		t.Errorf("not indented by two spaces:\n%s", w.Body)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"server_name": "n1", "proto": 1.0, "ping_interval": 120e9, "auth_timeout": 2.0,
		"connections": 3.0, "in_msgs": 7.0, "out_bytes": 9.0, "subscriptions": 2.0,
		"routes": 0.0, "remotes": 0.0, "uptime": "1m5s", "slow_consumers": 0.0,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"cluster", "jetstream", "gateway", "leaf", "mqtt", "websocket"} {
		if object, ok := got[key].(map[string]any); !ok || len(object) > 0 {
			t.Errorf("%s is %v, want {}", key, got[key])
		}
	}
	for _, key := range []string{"mem", "cores", "gomaxprocs"} {
		if n, _ := got[key].(float64); n <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	if requests := got["http_req_stats"].(map[string]any); requests["/varz"] != 2.0 || requests["/"] != 0.0 {
		t.Errorf("http_req_stats are %v", requests)
	}
	if _, ok := got["auth_required"]; ok {
		t.Error("auth_required is there on an open server")
	}
}

func TestVarzOfCluster(t *testing.T) {
	w := get(New(fakeNode{varz: Varz{
		ConnectURLs: []string{"10.0.0.1:4222", "10.0.0.2:4222"}, Routes: 1, Remotes: 1,
		Cluster: ClusterVarz{Name: "east", Host: "0.0.0.0", Port: 6222, AuthTimeout: 2, URLs: []string{"b:6222"}},
	}}), "GET", "/varz")
	for _, want := range []string{
		`"connect_urls":["10.0.0.1:4222","10.0.0.2:4222"]`, `"routes":1,"remotes":1`, `"uptime":"0s"`,
		`"cluster":{"name":"east","addr":"0.0.0.0","cluster_port":6222,"auth_timeout":2,"urls":["b:6222"]}`,
	} {
		if !strings.Contains(compact(t, w.Body.Bytes()), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

func TestRoutez(t *testing.T) {
	now := time.Now().UTC()
	start, last := now.Add(-65*time.Second), now.Add(-1500*time.Millisecond)
	w := get(New(fakeNode{routez: Routez{ServerID: "ID", ServerName: "n1", Routes: []Route{{
		ID: 7, RemoteID: "PEER", RemoteName: "n2", Solicited: true, IP: "10.0.0.2", Port: 6222,
		Start: start, LastActivity: last, RoundTrip: 123456, Pending: 1, InMsgs: 2, OutMsgs: 3, InBytes: 4,
		OutBytes: 5, Subscriptions: 6, Account: "A", Compression: "off", Shoal: true, Synchronized: true,
	}}}}), "GET", "/routez")
	at := func(when time.Time) string {
		text, _ := json.Marshal(when)
		return string(text)
	}
	want := `"num_routes":1,"routes":[{"rid":7,"remote_id":"PEER","remote_name":"n2","did_solicit":true,` +
		`"is_configured":false,"ip":"10.0.0.2","port":6222,"start":` + at(start) + `,"last_activity":` + at(last) +
		`,"rtt":"123.456µs","uptime":"1m5s","idle":"1s","pending_size":1,"in_msgs":2,"out_msgs":3,"in_bytes":4,` +
		`"out_bytes":5,"subscriptions":6,"account":"A","compression":"off","shoal":true,"synchronized":true}]}`
	if got := compact(t, w.Body.Bytes()); !strings.HasPrefix(got, `{"server_id":"ID","server_name":"n1","now":"`) ||
		!strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant the end\n%s", got, want)
	}
	if w := get(New(fakeNode{routez: Routez{Routes: []Route{}}}), "GET", "/routez"); !strings.Contains(w.Body.String(),
		"\"num_routes\": 0,\n  \"routes\": []\n}") {
		t.Errorf("a node without peers says\n%s", w.Body)
	}
}

func TestClusterz(t *testing.T) {
	since := time.Now().UTC()
	w := get(New(fakeNode{cluster: Clusterz{ServerID: "ID", ServerName: "n1", Cluster: "east",
		Gossip:   &Gossip{Joined: true, Alive: 2},
		Members:  []Member{{ID: "PEER", Name: "n2", State: "active", Liveness: "alive", Since: since, HasRoute: true}},
		Degraded: []Pair{{From: "n1", To: "n2", Since: since}},
	}}), "GET", "/clusterz")
	got := compact(t, w.Body.Bytes())
	for _, want := range []string{
		`{"server_id":"ID","server_name":"n1","cluster":"east","now":"`,
		`"gossip":{"health_score":0,"joined":true,"alive":2,`,
		`"members":[{"id":"PEER","name":"n2","state":"active","liveness":"alive",`, `"has_route":true`,
		`"degraded":[{"from":"n1","to":"n2","since":"`, `"drift":[]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if w := get(New(fakeNode{}), "GET", "/clusterz"); !strings.Contains(compact(t, w.Body.Bytes()), `"gossip":null,"members":[],"degraded":[],"drift":[]}`) {
		t.Errorf("a node that does not gossip says\n%s", w.Body)
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHealthz(t *testing.T) {
	w := get(New(fakeNode{}), "GET", "/healthz?js-enabled-only=true")
	if w.Code != http.StatusOK || w.Body.String() != `{"status":"ok"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	w = get(New(fakeNode{err: errors.New("shutting down")}), "GET", "/healthz")
	if want := `{"status":"unavailable","error":"shutting down"}`; w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
		t.Errorf("got %d %s, want 503 %s", w.Code, w.Body, want)
	}
}

func TestPages(t *testing.T) {
	h := New(fakeNode{varz: Varz{ServerName: "<b>", ShoalVersion: "1", Start: time.Now()}})
	tests := []struct {
		method, target string
		status         int
		contains       string
	}{
		{"GET", "/", 200, "<h1>&lt;b&gt;</h1>\n<p>shoal 1, up 0s, 0 connections, 0 routes</p>"},
		{"HEAD", "/varz", 200, ""},
		{"POST", "/varz", 405, "only GET"},
		{"GET", "/routez?subs=1", 200, "\"num_routes\": 0"},
		{"GET", "/nope", 404, ""},
		{"GET", "/varz/", 404, ""},
		{"GET", "/healthz?callback=show", 200, `show({"status":"ok"})`},
		{"GET", "/healthz?callback=a.b.$c", 200, `a.b.$c({"status":"ok"})`},
		{"GET", "/healthz?callback=alert(1)//", 400, "callback"},
		{"GET", "/healthz?callback=a..b", 400, "callback"},
		{"GET", "/varz?callback=%3Cscript%3E", 400, "callback"},
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
