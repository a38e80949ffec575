package compat

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

// monitoredConfig is a server with accounts that share something, as one of a cluster.
const monitoredConfig = `
http: "127.0.0.1:-1"
server_name: %s
server_tags: ["blue"]
server_metadata { owner: "ops", "rack": "7" }
ping_interval: "1s"
cluster { name: east, listen: "127.0.0.1:%s", routes: ["nats://127.0.0.1:%s"], pool_size: -1, write_deadline: "5s", ping_max: 4,
  permissions { import: ">", export: { allow: ">", deny: "private.>" } } }
accounts {
  A {
    users: [{user: a, password: a}]
    exports: [{stream: "s.>"}, {service: "q.*", accounts: [B]}]
    mappings: {"m.1": "m.2", "w.*": [{destination: "v.$1", weight: 50%%}]}
  }
  B {
    users: [{user: b, password: b}]
    imports: [{stream: {account: A, subject: "s.x"}, prefix: "p"}, {service: {account: A, subject: "q.1"}, to: "qq"}]
  }
}
`

// TestMonitoring compares the documents of both servers: they have the same fields, of the same types.
// exempt are those that may be missing, or may be there in addition, for which docs/differences.md has the
// reasons.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	oracle, shoal := startMonitored(t, broker.Oracle), startMonitored(t, subject())
	jetStream := []string{"feature_flags", "disk_io_wait_stats"}
	for _, c := range []struct {
		path   string
		exempt []string
	}{
		// Both had time to send a message only if somebody was there.
		{"/varz", append(jetStream, "shoal_version", "git_commit", "http_req_stats", "connect_urls", "cluster.pool_size",
			"gateway.write_deadline", "leaf.write_deadline")}, // in nats-server, those of routes
		{"/connz", nil},
		{"/connz?subs=1", nil},
		{"/connz?subs=detail&auth=1", nil},
		{"/connz?acc=A&auth=1&sort=msgs_to", nil},
		{"/connz?state=closed&auth=1&sort=stop", nil},
		{"/connz?state=any&limit=2&offset=1", []string{"connections"}}, // in another order
		{"/connz?cid=99999", nil},
		{"/routez", []string{"routes.shoal", "routes.synchronized"}},
		{"/routez?subs=1", []string{"routes.shoal", "routes.synchronized"}},
		{"/routez?subs=detail", []string{"routes.shoal", "routes.synchronized", "routes.subscriptions_list_detail.qgroup"}},
		{"/subsz", nil},
		{"/subsz?subs=1&acc=A", nil},
		{"/subsz?subs=1&acc=A&test=work", nil},
		{"/accountz", nil},
		{"/accountz?acc=A", []string{"account_detail.imports"}},
		{"/accountz?acc=B", nil},
		{"/accstatz", nil},
		{"/accstatz?unused=1", nil},
		{"/leafz", nil},
		{"/gatewayz", nil},
		{"/jsz", nil},
		{"/ipqueuesz", nil},
		{"/healthz", nil},
		{"/healthz?js-enabled-only=true", nil},
		{"/healthz?js-server-only=true", nil},
		{"/healthz?account=A&stream=&details=1", nil},
		{"/debug/vars", []string{"memstats.BySize"}},
	} {
		want, got := oracle.fields(t, c.path), shoal.fields(t, c.path)
		for _, path := range c.exempt {
			for _, fields := range []map[string]string{want, got} {
				maps.DeleteFunc(fields, func(field, _ string) bool { return field == path || strings.HasPrefix(field, path+".") })
			}
		}
		for field, kind := range want {
			if got[field] != kind {
				t.Errorf("%s: %s is %q, want %q", c.path, field, got[field], kind)
			}
		}
		for field, kind := range got {
			if want[field] == "" {
				t.Errorf("%s: %s (%s) is not in what nats-server answers", c.path, field, kind)
			}
		}
	}
}

// TestMonitoringRefusals compares what is answered to requests that are wrong.
func TestMonitoringRefusals(t *testing.T) {
	t.Parallel()
	oracle, shoal := startMonitored(t, broker.Oracle), startMonitored(t, subject())
	for _, path := range []string{
		"/connz?sort=speed", "/connz?sort=stop", "/connz?sort=reason&state=any", "/connz?limit=x", "/connz?offset=x",
		"/connz?cid=x", "/connz?state=ajar", "/connz?auth=perhaps", "/connz?subs=perhaps", "/connz?limit=-1", "/connz?offset=-1",
		"/connz?acc=nobody", "/subsz?test=a.*", "/subsz?test=a..b", "/subsz?subs=perhaps", "/accountz?acc=nobody",
		"/accstatz?unused=perhaps", "/routez?subs=perhaps", "/healthz?stream=S", "/healthz?account=A&consumer=C",
		"/healthz?details=perhaps", "/raftz", "/nothing", "/varz/",
	} {
		want, _ := oracle.ask(t, path)
		got, body := shoal.ask(t, path)
		if got != want {
			t.Errorf("%s: status %d, want %d: %s", path, got, want, body)
		}
		if got == http.StatusBadRequest && len(body) < 10 {
			t.Errorf("%s: the answer is only %q", path, body)
		}
	}
}

// monitored is a server of a cluster of two, with clients.
type monitored struct{ *broker.Server }

func startMonitored(t *testing.T, kind broker.Kind) monitored {
	t.Helper()
	ports := make([]string, 2)
	for i := range ports {
		var err error
		ports[i], err = broker.FreePort()
		must(t, err)
	}
	servers := make([]*broker.Server, 2)
	for i, name := range []string{"one", "two"} {
		settings := broker.Settings{}
		settings.AddConfig(fmt.Sprintf(monitoredConfig, name, ports[i], ports[1-i]))
		servers[i] = startServer(t, kind, settings)
	}
	m := monitored{servers[0]}
	a := connect(t, servers[0], nats.UserInfo("a", "a"), nats.Name("first"))
	other := connect(t, servers[1], nats.UserInfo("a", "a"))
	for _, nc := range []*nats.Conn{a, other} {
		_, err := nc.QueueSubscribe("work", "workers", func(*nats.Msg) {})
		must(t, err)
		sub, err := nc.Subscribe("s.*", func(*nats.Msg) {})
		must(t, err)
		must(t, sub.AutoUnsubscribe(100))
		must(t, nc.Flush())
	}
	connect(t, servers[0], nats.UserInfo("b", "b"), nats.Name("second"))
	gone := connect(t, servers[0], nats.UserInfo("b", "b"), nats.Name("third"))
	_, err := gone.Subscribe("x", func(*nats.Msg) {})
	must(t, err)
	must(t, gone.Flush())
	gone.Close()
	must(t, a.Publish("s.x", []byte("hello")))
	must(t, a.Flush())
	deadline := time.Now().Add(patience)
	for !m.settled(t) {
		if time.Now().After(deadline) {
			t.Fatalf("the cluster of %s did not come about:\n%s", kind.Name, m.Log())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return m
}

// settled reports whether what is to be compared is there.
func (m monitored) settled(t *testing.T) bool {
	routes := m.fields(t, "/routez?subs=1")
	closed := m.fields(t, "/connz?state=closed")
	return routes["routes.subscriptions_list"] != "" && routes["routes.rtt"] != "" && closed["connections.cid"] != ""
}

// ask returns the status and the body of the answer to a request.
func (m monitored) ask(t *testing.T, path string) (int, []byte) {
	t.Helper()
	r, err := http.Get(m.Monitor + path)
	must(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	must(t, err)
	return r.StatusCode, body
}

// fields returns the types of all fields of an answer, by their names.
func (m monitored) fields(t *testing.T, path string) map[string]string {
	t.Helper()
	status, body := m.ask(t, path)
	if status != http.StatusOK {
		t.Fatalf("%s: %s answers with status %d: %s", path, m.Kind.Name, status, body)
	}
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	fields := make(map[string]string)
	note(fields, "", v)
	return fields
}

// namedByUsers are objects whose fields have names that are data.
var namedByUsers = []string{"http_req_stats", "account_detail.mappings"}

// note notes the types of v and what is in it. The elements of a list share one name.
func note(fields map[string]string, name string, v any) {
	kind := fmt.Sprintf("%T", v)
	switch v := v.(type) {
	case map[string]any:
		kind = "object"
		for key, field := range v {
			if slices.Contains(namedByUsers, name) {
				key = "*"
			}
			note(fields, strings.TrimPrefix(name+"."+key, "."), field)
		}
	case []any:
		kind = "list"
		for _, element := range v {
			note(fields, name, element)
		}
	}
	if name != "" {
		fields[name] = kind
	}
}
