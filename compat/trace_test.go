package compat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// traceConfig has accounts that share subjects, and a user who may not do everything.
const traceConfig = `
accounts {
  A {
    users: [
      {user: a, password: a}
      {user: p, password: p, permissions: {publish: {deny: ["no.>"]}, subscribe: {deny: ["x.secret"]}}}
    ]
    mappings { "map.a": "x.mapped" }
    exports: [{stream: "s.>"}, {stream: "open.>"}, {service: "svc"}, {service: "open.svc.*", allow_trace: true, response: stream}]
  }
  B {
    users: [{user: b, password: b}]
    imports: [
      {stream: {account: A, subject: "s.>"}, prefix: "from"}
      {stream: {account: A, subject: "open.>"}, prefix: "from", allow_trace: true}
      {service: {account: A, subject: "svc"}, to: "help"}
      {service: {account: A, subject: "open.svc.*"}, to: "open.help.*"}
    ]
  }
  C { users: [{user: c, password: c}], msg_trace: {dest: trace.parent, sampling: "100%"} }
  D { users: [{user: d, password: d}], msg_trace: trace.parent }
}
no_auth_user: a
`

// TestMessageTrace has messages traced, and compares what is told, and who gets them, with what a mesh of
// nats-servers does.
func TestMessageTrace(t *testing.T) {
	t.Parallel()
	want := allTraces(t, "nn")
	forKinds(t, []string{"ss", "ns", "sn"}, func(t *testing.T, kinds string) {
		got := allTraces(t, kinds)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s\nwant\n%s", got[i], want[i])
			}
		}
	})
}

// allTraces returns what becomes of messages that are published at the first of two servers. A nats-server
// loses a trace now and then, one of several ten thousand, so there is another try.
func allTraces(t *testing.T, kinds string) []string {
	t.Helper()
	for range 3 {
		if notes, ok := traceMessages(t, kinds); ok {
			return notes
		}
		if !strings.Contains(kinds, "n") {
			break
		}
	}
	t.Fatal("a trace is missing")
	return nil
}

// traceMessages returns what becomes of the messages, and whether that is all.
func traceMessages(t *testing.T, kinds string) (notes []string, ok bool) {
	m := startMesh(t, mesh.Options{Kinds: kinds, Shoal: subject(), SharedConfig: traceConfig})
	client := func(server int, user string, more ...nats.Option) *nats.Conn {
		return connectNode(t, m.Nodes[server], append(more, nats.UserInfo(user, user), nats.Name(user))...)
	}
	traces, heard := make(chan *nats.Msg, 100), make(chan string, 100)
	refused := nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { heard <- err.Error() })
	a, p, b, mute := client(0, "a"), client(0, "p", refused), client(0, "b"), client(0, "a", nats.NoEcho())
	far := client(1, "a")
	c, d := client(0, "c"), client(0, "d")
	farC, farD := client(1, "c"), client(1, "d")
	listen := func(nc *nats.Conn, who, subject, queue string) {
		t.Helper()
		_, err := nc.QueueSubscribe(subject, queue, func(m *nats.Msg) {
			hop := m.Header.Get("Nats-Trace-Hop")
			heard <- strings.TrimSpace(fmt.Sprintf("%s gets %s %s %s %s", who, m.Subject, m.Data, m.Header.Get("A"), hop))
		})
		must(t, err)
	}
	for _, nc := range []*nats.Conn{a, b, c, d} {
		_, err := nc.ChanSubscribe("trace.>", traces)
		must(t, err)
	}
	listen(a, "a", "x.*", "")
	listen(p, "p", "x.>", "")
	listen(mute, "mute", "x.mute", "")
	listen(far, "far", "x.*", "")
	listen(far, "far", "x.1", "") // a second one of the same client
	listen(far, "far", "q", "workers")
	listen(far, "far", "svc", "")
	listen(far, "far", "open.svc.*", "")
	listen(a, "a", "open.svc.near", "workers")
	listen(b, "b", "from.s.*", "")
	listen(b, "b", "from.open.*", "")
	for _, nc := range []*nats.Conn{c, d, farC, farD} {
		listen(nc, "c or d", "x.*", "")
	}
	settle(t, m, a, p, b, mute, far, c, d, farC, farD)

	parent := func(name, value, only string) nats.Header {
		return nats.Header{"Nats-Trace-Dest": nil, name: {value}, "Nats-Trace-Only": {only}}
	}
	all := nats.Header{"A": {"1", "2"}, "a": {"3"}}
	for i, test := range []struct {
		from           *nats.Conn
		subject        string
		header         nats.Header
		traces, copies int
	}{
		{a, "x.1", all, 2, 4},
		{a, "x.1", nats.Header{"Nats-Trace-Only": {"true"}}, 2, 0},
		{a, "x.1", nats.Header{"Nats-Trace-Only": {"ON"}, "Accept-Encoding": {"none"}}, 2, 0},
		{a, "x.1", nats.Header{"Nats-Trace-Only": {"no"}}, 2, 4},
		{a, "x.1", nats.Header{"Nats-Trace-Only": {"1"}, "Nats-Trace-Dest": {"a b"}}, 0, 0},
		{a, "x.1", nats.Header{"Nats-Trace-Dest": {"not.*"}}, 0, 4},
		{a, "x.1", nats.Header{"Nats-Trace-Dest": {"trace disabled"}, "Nats-Trace-Only": {"1"}}, 0, 4},
		{a, "x.1", nats.Header{"nats-trace-dest": {"trace.other"}, "Nats-Trace-Dest": nil, "Nats-Trace-Only": {"1"}}, 0, 4},
		{a, "x.1", nats.Header{"Nats-Trace-Hop": {"7"}}, 2, 4},
		{a, "x.secret", nil, 2, 2},
		{a, "nobody", nil, 1, 0},
		{a, "q", nil, 2, 1},
		{a, "q", nats.Header{"Nats-Trace-Only": {"1"}}, 2, 0},
		{a, "map.a", nil, 2, 3},
		{mute, "x.mute", nats.Header{"Nats-Trace-Only": {"1"}}, 2, 0},
		{p, "no.way", nil, 1, 1},
		{p, "x.1", nats.Header{"Nats-Trace-Dest": {"no.trace"}}, 0, 1},
		{a, "s.1", nil, 1, 1},
		{a, "s.1", nats.Header{"Nats-Trace-Only": {"1"}}, 1, 0},
		{far, "s.1", nil, 2, 1},
		{b, "help", nil, 1, 1},
		{b, "help", nats.Header{"Nats-Trace-Only": {"1"}}, 1, 0},
		{a, "open.1", nil, 1, 1},
		{a, "open.1", nats.Header{"Nats-Trace-Only": {"1"}}, 1, 0},
		{far, "open.1", nil, 2, 1},
		{b, "open.help.1", nil, 2, 1},
		{b, "open.help.near", nil, 2, 2},
		{b, "open.help.near", nats.Header{"Nats-Trace-Only": {"1"}}, 2, 0},
		{c, "x.1", parent("traceparent", "00-ab-cd-01", "no"), 2, 2},
		{d, "x.1", parent("TraceParent", "00-ab-cd-03", "1"), 2, 2},
		{d, "x.1", parent("traceparent", "00-ab-cd-02", "1"), 0, 2},
		{d, "x.1", parent("traceparent", "01", "1"), 0, 2},
		{d, "x.1", parent("parent", "00-ab-cd-01", "1"), 0, 2},
		{c, "x.1", nats.Header{"traceparent": {"00-ab-cd-01"}, "Nats-Trace-Only": {"1"}}, 2, 0},
		{c, "x.1", nats.Header{"traceparent": {"00-ab-cd-01"}, "Nats-Trace-Dest": {"trace disabled"}}, 0, 2},
		{a, "x.1", parent("traceparent", "00-ab-cd-01", "1"), 0, 4},
	} {
		message := &nats.Msg{Subject: test.subject, Header: nats.Header{"Nats-Trace-Dest": {fmt.Sprint("trace.", i)}}, Data: []byte("hello")}
		for key, values := range test.header {
			if message.Header[key] = values; values == nil {
				delete(message.Header, key)
			}
		}
		must(t, test.from.PublishMsg(message))
		must(t, test.from.FlushTimeout(patience))
		var note []string
		for range test.traces {
			select {
			case m := <-traces:
				note = append(note, told(t, m)...)
			case <-time.After(10 * time.Second):
				t.Logf("%s: %d: a trace is missing", kinds, i)
				return nil, false
			}
		}
		for range test.copies {
			select {
			case copied := <-heard:
				note = append(note, copied)
			case <-time.After(patience):
				t.Fatalf("%d: %s does not get to everybody", i, test.subject)
			}
		}
		slices.Sort(note)
		notes = append(notes, fmt.Sprintf("%d: %s\n%s", i, test.subject, strings.Join(note, "\n")))
	}
	flushAll(t, a, p, b, mute, far, c, d, farC, farD)
	for len(traces)+len(heard) > 0 {
		select {
		case m := <-traces:
			t.Errorf("one trace too many: %s", m.Data)
		case m := <-heard:
			t.Errorf("one message too many: %s", m)
		}
	}
	return notes, true
}

// told returns what a trace tells, line by line.
func told(t *testing.T, m *nats.Msg) (lines []string) {
	t.Helper()
	var trace struct {
		Server, Request map[string]any
		Hops            any
		Events          []map[string]any
	}
	if err := json.Unmarshal(m.Data, &trace); err != nil {
		t.Fatalf("%v: %s", err, m.Data)
	}
	where := fmt.Sprint(m.Subject, m.Header, trace.Server["name"])
	for _, key := range []string{"name", "id", "cluster", "seq", "time"} {
		if trace.Server[key] == nil {
			t.Errorf("%s: %s is missing", where, key)
		}
		delete(trace.Server, key)
	}
	delete(trace.Server, "feature_flags") // of JetStream
	if header := trace.Request["header"].(map[string]any); strings.HasPrefix(fmt.Sprint(header["Nats-Trace-Dest"]), "[_R_.") {
		// It has come to the account of a service, by subjects and with a round trip that are not always the same.
		header["Nats-Trace-Dest"], header["Nats-Request-Info"], trace.Request["msgsize"] = "a reply subject", "", 0
	}
	lines = append(lines, fmt.Sprint(where, " is ", trace.Server), fmt.Sprint(where, " got ", trace.Request),
		fmt.Sprint(where, " has ", trace.Hops, " hops"))
	for _, e := range trace.Events {
		for _, key := range []string{"ts", "cid"} {
			if e[key] == nil && (key == "ts" || e["kind"] != nil) {
				t.Errorf("%s: %s is missing in %v", where, key, e)
			}
			delete(e, key)
		}
		lines = append(lines, fmt.Sprint(where, " tells ", e))
	}
	if trace.Events[0]["type"] != "in" {
		t.Errorf("%s: the first event is %v", where, trace.Events[0])
	}
	return lines
}
