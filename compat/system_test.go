package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// systemConfig has a user of the system account, one of another, and whoever has no name.
const systemConfig = `
server_tags: ["blue"]
server_metadata { owner: "ops" }
no_auth_user: b
accounts {
  A { users: [{user: a, password: a}] }
  B { users: [{user: b, password: b}] }
  $SYS { users: [{user: sys, password: sys}] }
}
`

// observed is a mesh with a client of the system account at each node.
type observed struct {
	*mesh.Mesh
	clients []*nats.Conn // of the system, by node
}

func startObserved(t *testing.T, kinds string) *observed {
	t.Helper()
	m := &observed{Mesh: startMesh(t, mesh.Options{Kinds: kinds, Shoal: subject(), SharedConfig: systemConfig})}
	for _, n := range m.Nodes {
		m.clients = append(m.clients, connectNode(t, n, nats.UserInfo("sys", "sys")))
	}
	for _, nc := range m.clients {
		m.awaitAnswers(t, nc)
	}
	return m
}

// awaitAnswers waits until a client gets answers of all servers, which then know also what else it has
// subscribed to.
func (m *observed) awaitAnswers(t *testing.T, nc *nats.Conn) {
	t.Helper()
	awaitTrue(t, "all servers answer", func() bool {
		replies := m.collect(t, nc, "$SYS.REQ.SERVER.PING.IDZ", "", len(m.Nodes), 200*time.Millisecond)
		return len(replies) == len(m.Nodes)
	})
}

// collect returns so many answers to a request, or those that come before none has come for a while.
func (m *observed) collect(t *testing.T, nc *nats.Conn, subject, body string, count int, patience time.Duration) []map[string]any {
	t.Helper()
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	must(t, err)
	defer func() { must(t, sub.Unsubscribe()) }()
	must(t, nc.PublishRequest(subject, inbox, []byte(body)))
	var answers []map[string]any
	for len(answers) < count {
		message, err := sub.NextMsg(patience)
		if err != nil {
			break
		}
		var v map[string]any
		if err := json.Unmarshal(message.Data, &v); err != nil {
			t.Fatalf("%s: %v: %v %q", subject, err, message.Header, message.Data)
		}
		answers = append(answers, v)
	}
	return answers
}

// compare compares the answers or events of both servers, in any order. Fields that are exempt, and what is
// in them, may differ.
func (m *observed) compare(t *testing.T, what string, answers []map[string]any, exempt ...string) {
	t.Helper()
	byNode := make(map[string]map[string]string)
	for _, a := range answers {
		name := fmt.Sprint(a["name"])
		if server, ok := a["server"].(map[string]any); ok {
			name = fmt.Sprint(server["name"])
		}
		fields := make(map[string]string)
		note(fields, "", a)
		for _, path := range append(exempt, "server.feature_flags") {
			maps.DeleteFunc(fields, func(field, _ string) bool { return field == path || strings.HasPrefix(field, path+".") })
		}
		byNode[name] = fields
	}
	want, got := byNode["node0"], byNode["node1"]
	if want == nil || got == nil {
		t.Errorf("%s: answered only by %v: %v", what, slices.Collect(maps.Keys(byNode)), answers)
		return
	}
	for field, kind := range want {
		if got[field] != kind {
			t.Errorf("%s: %s is %q, want %q", what, field, got[field], kind)
		}
	}
	for field, kind := range got {
		if want[field] == "" {
			t.Errorf("%s: %s (%s) is not in what nats-server says", what, field, kind)
		}
	}
}

// TestSystemRequests asks a nats-server and a shoal node at once, through each of them, and compares the
// fields of their answers.
func TestSystemRequests(t *testing.T) {
	t.Parallel()
	m := startObserved(t, "ns")
	for _, n := range m.Nodes {
		a := connectNode(t, n, nats.UserInfo("a", "a"), nats.Name("client"))
		_, err := a.Subscribe("x.*", func(*nats.Msg) {})
		must(t, err)
		must(t, a.Flush())
		must(t, a.Publish("x.y", []byte("hello")))
		must(t, a.Flush())
		gone := connectNode(t, n, nats.UserInfo("a", "a"))
		gone.Close()
	}
	// There are none of these in a node that has not done something with JetStream, or they are in
	// docs/differences.md.
	varz := []string{"data.feature_flags", "data.disk_io_wait_stats", "data.shoal_version", "data.git_commit", "data.http_req_stats",
		"data.cluster", "data.connect_urls"}
	for _, c := range []struct {
		subject, body string
		exempt        []string
	}{
		{"SERVER.PING", "", nil},
		{"SERVER.PING.STATSZ", "{}", nil},
		{"SERVER.PING.IDZ", "", nil},
		{"SERVER.PING.VARZ", "", varz},
		{"SERVER.PING.CONNZ", "", nil},
		{"SERVER.PING.CONNZ", `{"auth":true,"subscriptions_detail":true,"sort":"msgs_to","limit":5}`, nil},
		{"SERVER.PING.CONNZ", `{"state":1,"auth":true,"acc":"A"}`, nil},
		{"SERVER.PING.CONNZ", `{"sort":"speed"}`, []string{"data"}},
		{"SERVER.PING.CONNZ", `{"limit":"x"}`, nil},
		{"SERVER.PING.CONNZ", `{`, nil},
		{"SERVER.PING.ROUTEZ", "", []string{"data.routes.shoal", "data.routes.synchronized", "data.routes.account",
			"data.routes.rtt"}}, // which is not measured at once
		{"SERVER.PING.SUBSZ", "", nil},
		{"SERVER.PING.GATEWAYZ", "", nil},
		{"SERVER.PING.LEAFZ", "", nil},
		{"SERVER.PING.ACCOUNTZ", "", nil},
		{"SERVER.PING.ACCOUNTZ", `{"account":"A"}`, []string{"data.account_detail.imports"}},
		{"SERVER.PING.ACCOUNTZ", `{"account":"nobody"}`, []string{"data"}},
		{"SERVER.PING.JSZ", "", nil},
		{"SERVER.PING.HEALTHZ", "", nil},
		{"SERVER.PING.IPQUEUESZ", "", []string{"data"}},
		{"SERVER.PING.RAFTZ", "", []string{"data"}},
		{"SERVER.PING.PROFILEZ", `{"name":"goroutine"}`, nil},
		{"SERVER.PING.PROFILEZ", `{"name":"nothing"}`, nil},
		{"SERVER.PING.EXPVARZ", "", []string{"data.memstats.BySize", "data.cmdline", "data.memstats"}},
		{"SERVER.PING.VARZ", `{"server_name":"node","cluster":"C","tags":["blue"]}`, varz},
		{"ACCOUNT.A.CONNZ", "", nil},
		{"ACCOUNT.A.CONNZ", `{"auth":true}`, nil},
		{"ACCOUNT.A.SUBSZ", "", nil},
		{"ACCOUNT.A.INFO", "", []string{"data.imports", "data.exports", "data.responses"}},
		{"ACCOUNT.A.STATZ", "", nil},
		{"ACCOUNT.PING.STATZ", "", nil},
		{"ACCOUNT.A.LEAFZ", "", nil},
		{"ACCOUNT.A.JSZ", "", []string{"data"}},
		{"ACCOUNT.A.CONNS", "", nil},
		{"ACCOUNT.A.CONNS", `{"acc":"A"}`, nil},
		{"ACCOUNT.nobody.INFO", "", []string{"data"}},
	} {
		for i, nc := range m.clients {
			what := fmt.Sprintf("%s %s, through %s", c.subject, c.body, m.Nodes[i])
			m.compare(t, what, m.collect(t, nc, "$SYS.REQ."+c.subject, c.body, 2, patience), c.exempt...)
		}
	}
	for i, nc := range m.clients {
		for j, n := range m.Nodes {
			for _, what := range []string{"VARZ", "STATSZ", "IDZ"} {
				answers := m.collect(t, nc, "$SYS.REQ.SERVER."+n.ID()+"."+what, "", 1, patience)
				if text := fmt.Sprint(answers); len(answers) != 1 || !strings.Contains(text, "name:"+n.Name) {
					t.Errorf("%s of node %d through node %d: %v", what, j, i, answers)
				}
			}
		}
		for _, body := range []string{`{"server_name":"other"}`, `{"tags":["red"]}`, `{"server_name":"node","exact_match":true}`} {
			if answers := m.collect(t, nc, "$SYS.REQ.SERVER.PING.VARZ", body, 1, 300*time.Millisecond); len(answers) > 0 {
				t.Errorf("%s is answered by %v", body, answers)
			}
		}
	}
	var infos []map[string]any
	for i, n := range m.Nodes {
		a := connectNode(t, n, nats.UserInfo("a", "a"))
		info := m.collect(t, a, "$SYS.REQ.USER.INFO", "", 1, patience)
		for _, v := range info {
			v["name"] = n.Name
			delete(v, "server") // nats-server leaves it empty
		}
		infos = append(infos, info...)
		for _, subject := range []string{"SERVER.PING.CONNZ", "ACCOUNT.PING.CONNZ", "ACCOUNT.PING.STATZ"} {
			m.compare(t, fmt.Sprintf("%s of a client of node %d", subject, i), m.collect(t, a, "$SYS.REQ."+subject, "", 2, patience))
		}
	}
	m.compare(t, "USER.INFO", infos)
}

// TestSystemEvents has each server tell what happens on it, and listens at both.
func TestSystemEvents(t *testing.T) {
	t.Parallel()
	m := startObserved(t, "ns")
	heard := make([]chan *nats.Msg, len(m.Nodes))
	for i, nc := range m.clients {
		heard[i] = make(chan *nats.Msg, 10000)
		_, err := nc.ChanSubscribe("$SYS.>", heard[i])
		must(t, err)
		must(t, nc.Flush())
	}
	// next returns what was told at a node under a subject, of each server.
	next := func(at int, match func(subject, server string) bool) map[string]any {
		t.Helper()
		for deadline := time.After(patience); ; {
			select {
			case message := <-heard[at]:
				var v map[string]any
				if json.Unmarshal(message.Data, &v) != nil {
					continue
				}
				name := fmt.Sprint(v["name"])
				if server, ok := v["server"].(map[string]any); ok {
					name = fmt.Sprint(server["name"])
				}
				if match(message.Subject, name) {
					return v
				}
			case <-deadline:
				t.Fatalf("not told at node %d", at)
			}
		}
	}
	both := func(what string, do func(n *mesh.Node), subject func(n *mesh.Node) string, exempt ...string) {
		t.Helper()
		for at := range heard {
			var events []map[string]any
			for _, n := range m.Nodes {
				do(n)
				events = append(events, next(at, func(s, server string) bool { return s == subject(n) && server == n.Name }))
			}
			m.compare(t, fmt.Sprintf("%s, told at %s", what, m.Nodes[at]), events, exempt...)
		}
	}
	come := func(n *mesh.Node) {
		a := connectNode(t, n, nats.UserInfo("a", "a"), nats.Name("client"))
		must(t, a.Publish("x", []byte("hello")))
		must(t, a.Flush())
		a.Close()
	}
	both("CONNECT", come, func(*mesh.Node) string { return "$SYS.ACCOUNT.A.CONNECT" })
	both("DISCONNECT", come, func(*mesh.Node) string { return "$SYS.ACCOUNT.A.DISCONNECT" }, "client.rtt")
	both("CONNS", come, func(*mesh.Node) string { return "$SYS.ACCOUNT.A.SERVER.CONNS" })
	both("old CONNS", come, func(*mesh.Node) string { return "$SYS.SERVER.ACCOUNT.A.CONNS" })
	both("AUTH.ERR", func(n *mesh.Node) {
		if _, err := nats.Connect(n.URL(), nats.UserInfo("eve", "x")); err == nil {
			t.Errorf("%s lets eve in", n)
		}
	}, func(n *mesh.Node) string { return "$SYS.SERVER." + n.ID() + ".CLIENT.AUTH.ERR" }, "client.rtt")
	both("STATSZ", func(*mesh.Node) {}, func(n *mesh.Node) string { return "$SYS.SERVER." + n.ID() + ".STATSZ" })
	// What a node tells when it ends is heard at the other one.
	for at, n := range []*mesh.Node{m.Nodes[1], m.Nodes[0]} {
		if at == 1 {
			must(t, m.Nodes[1].Start())
			must(t, m.Await(patience))
			m.clients[1] = connectNode(t, m.Nodes[1], nats.UserInfo("sys", "sys"))
			_, err := m.clients[1].ChanSubscribe("$SYS.>", heard[1])
			must(t, err)
			m.awaitAnswers(t, m.clients[1])
		}
		id := n.ID()
		must(t, n.Term())
		next(at, func(s, server string) bool { return s == "$SYS.SERVER."+id+".SHUTDOWN" && server == n.Name })
	}
}
