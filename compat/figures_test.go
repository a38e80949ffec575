package compat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// figuresConfig has accounts that share something, limits, and a user for whoever has no name.
const figuresConfig = `
max_pending: 1MB
max_payload: 64KB
max_subs: 50
no_auth_user: c
accounts {
  A {
    users: [{user: a, password: a}, {user: limited, password: l, permissions: {publish: "ok.>", subscribe: "ok.>"}}]
    exports: [{stream: "s.>"}, {service: "q.*", accounts: [B]}]
    mappings: {"m.1": "m.2"}
  }
  B {
    users: [{user: b, password: b}]
    imports: [{stream: {account: A, subject: "s.x"}, prefix: "p"}, {service: {account: A, subject: "q.1"}, to: "qq"}]
  }
  C { users: [{user: c, password: c}] }
}
`

// TestFigures has clients do the same on a mesh of nats-servers and on one of shoal nodes, and compares the
// figures that both show then.
func TestFigures(t *testing.T) {
	t.Parallel()
	var shown [2]map[string]string
	t.Run("meshes", func(t *testing.T) {
		for i, kinds := range []string{"nn", "ss"} {
			t.Run(kinds, func(t *testing.T) {
				t.Parallel()
				shown[i] = figures(t, kinds)
			})
		}
	})
	for _, name := range slices.Sorted(maps.Keys(shown[0])) {
		if want, got := shown[0][name], shown[1][name]; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, got := range shown[1] {
		if _, ok := shown[0][name]; !ok {
			t.Errorf("%s: %s is not shown by nats-server", name, got)
		}
	}
}

// figures returns what a mesh shows after some work.
func figures(t *testing.T, kinds string) map[string]string {
	m := startMesh(t, mesh.Options{Kinds: kinds, SharedConfig: figuresConfig, Config: "cluster { pool_size: -1 }"})
	heard := make(chan *nats.Msg, 10_000)
	come := func(i int, user, name string, options ...nats.Option) *nats.Conn {
		return connectNode(t, m.Nodes[i], append(options, nats.UserInfo(user, user), nats.Name(name))...)
	}
	hear := func(nc *nats.Conn, queue string, subjects ...string) {
		for _, subject := range subjects {
			_, err := nc.ChanQueueSubscribe(subject, queue, heard)
			must(t, err)
		}
	}
	a0, a1, b0, b1 := come(0, "a", "a0"), come(1, "a", "a1"), come(0, "b", "b0", nats.NoEcho()), come(1, "b", "b1")
	hear(a0, "", "x.*", "q.1")
	hear(a0, "workers", "work")
	hear(a1, "", "x.*", "x.>")
	hear(a1, "workers", "far")
	hear(b0, "", "p.s.x", "few")
	hear(b1, "", "p.s.x")
	few, err := b0.ChanSubscribe("few", heard)
	must(t, err)
	must(t, few.AutoUnsubscribe(5))
	settle(t, m, a0, a1, b0, b1)

	const rounds = 100
	publisher := come(0, "a", "publisher")
	for range rounds {
		for subject, size := range map[string]int{"x.y": 64, "work": 10, "far": 20, "s.x": 30, "nobody": 5, "m.1": 5} {
			must(t, publisher.Publish(subject, make([]byte, size)))
		}
		must(t, publisher.PublishMsg(&nats.Msg{Subject: "x.h", Header: nats.Header{"A": {"bbb"}}, Data: []byte("hello")}))
	}
	const asked = 10
	for range asked {
		must(t, b0.PublishRequest("qq", "reply", []byte("request")))
		must(t, b0.Publish("few", []byte("not echoed")))
		must(t, b1.Publish("few", []byte("abc")))
	}
	flushAll(t, publisher, b0, b1)
	for range rounds*(1+2+1+1+2+1+2) + asked + asked + 5 {
		select {
		case <-heard:
		case <-time.After(patience):
			t.Fatal("a message is missing")
		}
	}
	limited := rawConnect(t, m.Nodes[0].Addr(), `CONNECT {"user":"limited","pass":"l","verbose":false,"name":"limited"}`+
		"\r\nPING\r\n", "PONG\r\n")
	_, err = io.WriteString(limited, "SUB no 1\r\nPUB no 2\r\nhi\r\nPUB ok.1 2\r\nhi\r\n")
	must(t, err)
	for i, send := range []string{
		`CONNECT {"user":"a","pass":"wrong","name":"x"}` + "\r\n",
		`CONNECT {"user":"eve","pass":"wrong"}` + "\r\n",
		`CONNECT {"auth_token":"secret"}` + "\r\n",
		`CONNECT {"user":"a","pass":"a","verbose":false}` + "\r\nPUB x.y 100000\r\n",
		`CONNECT {"user":"a","pass":"a","verbose":false}` + "\r\nSUB a 1\r\nWHAT\r\n",
	} {
		socket, err := net.Dial("tcp", m.Nodes[0].Addr())
		must(t, err)
		must(t, socket.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(socket, send)
		must(t, err)
		_, _ = io.Copy(io.Discard, socket) // it may be reset
		must(t, socket.Close())
		awaitTrue(t, fmt.Sprintf("client %d is gone", i), func() bool {
			v, err := m.Nodes[0].Varz()
			return err == nil && v.Connections == 4
		})
	}
	shown := make(map[string]string)
	for _, n := range m.Nodes {
		for _, path := range []string{
			"/varz", "/connz?auth=1", "/connz?auth=1&state=closed", "/connz?acc=A&sort=msgs_to", "/connz?acc=A&subs=detail",
			"/connz?state=closed&acc=C", "/accstatz", "/subsz?subs=1&test=x.y",
		} {
			response, err := http.Get(n.MonitorURL() + path)
			must(t, err)
			var document any
			must(t, json.NewDecoder(response.Body).Decode(&document))
			must(t, response.Body.Close())
			addFigures(shown, n.Name+" "+path+" ", document)
		}
	}
	return shown
}

// incomparable are figures that differ from run to run, also those of clients by which the test waits, and what
// a0 is told of the round trip of who asks it; those of what servers tell each other; and those for which
// docs/differences.md has the reasons.
var incomparable = regexp.MustCompile(`/(varz|subsz)\S* .*\.(cluster|feature_flags|disk_io_wait_stats|http_req_stats|num_|total|cache|max_fanout|avg_fanout|` +
	`(in|out)_.*(msgs|bytes)$|config_digest|git_commit|shoal_version|subscriptions$|routes$|connect_urls|http_port|mem|cpu|port)|` +
	`\.(now|start|stop|uptime|idle|rtt|last_activity|config_load_time|server_id|cid|port)$|` +
	`/accstatz .*(num_subscriptions|sent\..*)$|a0.out_bytes$|state=closed.*(bytes|msgs)$`)

// addFigures adds what is in a document. Elements of lists have the names that they bear, or numbers.
func addFigures(shown map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, field := range v {
			addFigures(shown, path+"."+key, field)
		}
	case []any:
		for i, element := range v {
			key := fmt.Sprint(i)
			if fields, ok := element.(map[string]any); ok {
				if name := cmp.Or(fields["name"], fields["acc"], fields["sid"]); name != nil {
					key = fmt.Sprint(name)
				}
			}
			addFigures(shown, path+"."+key, element)
		}
	default:
		if !incomparable.MatchString(path) {
			shown[path] = fmt.Sprint(v)
		}
	}
}
