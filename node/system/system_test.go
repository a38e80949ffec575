package system_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"shoal/node"
	"shoal/node/auth"
	"shoal/node/monitor"
	"shoal/node/system"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source shows a node to its monitor.
type source struct {
	monitor.Source
	node *node.Node
}

func (s source) Node() *node.Node       { return s.node }
func (s source) Started() bool          { return true }
func (s source) Healthy() error         { return nil }
func (s source) Complete(*monitor.Varz) {}

// start runs a node of account A, with a user of the system, and peers of the one given.
func start(t *testing.T, name string, peer *node.Node, reload func(context.Context) error) *node.Node {
	t.Helper()
	users, err := auth.New(auth.Config{Users: []auth.User{
		{Name: "sys", Password: "s", Account: node.SystemAccount},
		{Name: "a", Password: "p", Account: "A", Permissions: &auth.Permissions{
			Publish: auth.SubjectRules{Allow: []string{">"}, Deny: []string{"no"}}, Responses: &auth.ResponseRule{Max: 2},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	opts := node.Options{
		ServerName: name, Host: "127.0.0.1", Port: node.RandomPort, Authenticator: users, Tags: []string{"blue"}, Metadata: map[string]string{"owner": "ops"},
		Accounts: []node.AccountOptions{{Name: "A", Imports: []node.Import{
			{Account: node.SystemAccount, Subject: "$SYS.DEBUG.SUBSCRIBERS", Service: true, To: "count"},
			{Account: node.SystemAccount, Subject: "$SYS.REQ.ACCOUNT.A.STATZ", Service: true, To: "stats"},
		}}},
		Cluster: node.ClusterOptions{Name: "C", Host: "127.0.0.1", Port: node.RandomPort, NoGossip: true},
	}
	if peer != nil {
		opts.Cluster.Routes = []*url.URL{{Scheme: "nats", Host: peer.ClusterAddr().String()}}
	}
	n, err := node.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	system.New(n, monitor.New(source{node: n}), reload, slog.New(slog.DiscardHandler))
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

func connect(t *testing.T, n *node.Node, user, password string, more ...nats.Option) *nats.Conn {
	t.Helper()
	options := append(more, nats.UserInfo(user, password), nats.Name("test"), nats.NoReconnect(), nats.Timeout(patience))
	nc, err := nats.Connect(n.ClientURL(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// answer is what requests are answered with.
type answer struct {
	Server struct {
		Name, ID string
		Tags     []string
		Metadata map[string]string
		Seq      uint64
	}
	Data  json.RawMessage
	Error *struct {
		Code        int
		Description string
	}
}

// ask returns what so many servers answer, by their names.
func ask(t *testing.T, nc *nats.Conn, subject, body string, servers int) map[string]answer {
	t.Helper()
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := nc.PublishRequest(subject, inbox, []byte(body)); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]answer)
	for len(got) < servers {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("%s %s: %v after %v", subject, body, err, got)
		}
		var a answer
		if err := json.Unmarshal(m.Data, &a); err != nil {
			t.Fatalf("%s %s: %v in %q %v", subject, body, err, m.Data, m.Header)
		}
		got[a.Server.Name] = a
	}
	return got
}

// eventually polls until ok or until patience is at its end.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

// pair is two nodes whose services hear of each other.
func pair(t *testing.T) (one, two *node.Node, nc *nats.Conn) {
	t.Helper()
	one = start(t, "one", nil, nil)
	two = start(t, "two", one, nil)
	nc = connect(t, one, "sys", "s")
	eventually(t, "both answer", func() bool {
		inbox := nats.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Unsubscribe()
		nc.PublishRequest("$SYS.REQ.SERVER.PING.IDZ", inbox, nil)
		if _, err := sub.NextMsg(time.Second); err != nil {
			return false
		}
		_, err = sub.NextMsg(100 * time.Millisecond)
		return err == nil
	})
	return one, two, nc
}

func TestServerRequests(t *testing.T) {
	one, two, nc := pair(t)
	for name, key := range map[string]string{
		"VARZ": "server_id", "SUBSZ": "num_subscriptions", "CONNZ": "connections", "ROUTEZ": "routes", "GATEWAYZ": "outbound_gateways",
		"LEAFZ": "leafs", "ACCOUNTZ": "accounts", "JSZ": "disabled", "HEALTHZ": "status_code", "EXPVARZ": "memstats",
		"IPQUEUESZ": "", "RAFTZ": "",
	} {
		all := ask(t, nc, "$SYS.REQ.SERVER.PING."+name, "", 2)
		single := ask(t, nc, "$SYS.REQ.SERVER."+two.ID()+"."+name, "{}", 1)
		for _, a := range []answer{all["one"], all["two"], single["two"]} {
			var data map[string]any
			if err := json.Unmarshal(a.Data, &data); err != nil || a.Error != nil {
				t.Errorf("%s: %v, %v", name, err, a.Error)
			} else if _, ok := data[key]; key != "" && !ok {
				t.Errorf("%s has no %s: %s", name, key, a.Data)
			}
			if a.Server.Seq == 0 || a.Server.Tags[0] != "blue" || a.Server.Metadata["owner"] != "ops" {
				t.Errorf("%s: comes from %+v", name, a.Server)
			}
		}
	}
	for _, tt := range []struct {
		subject, body string
		code          int
		text          string
	}{
		{"PING.CONNZ", "{", 400, "unexpected end of JSON input"},
		{"PING.CONNZ", `{"limit":"x"}`, 400, "cannot unmarshal string"},
		{"PING.CONNZ", `{"sort":"x"}`, 500, "sort"},
		{"PING.ACCOUNTZ", `{"account":"x"}`, 500, "there is no account"},
		{"PING.NOTHING", "", 404, "does not answer"},
		{"PING.KICK", `{"cid":1}`, 404, "does not answer"},
		{"PING.RELOAD", "", 404, "does not answer"},
		{one.ID() + ".RELOAD", "", 501, "no configuration file"},
		{one.ID() + ".KICK", `{"cid":4711}`, 500, "there is no client 4711"},
		{one.ID() + ".LDM", `{"cid":4711}`, 500, "there is no client 4711"},
	} {
		a := ask(t, nc, "$SYS.REQ.SERVER."+tt.subject, tt.body, 1)
		for _, a := range a {
			if a.Error == nil || a.Error.Code != tt.code || !strings.Contains(a.Error.Description, tt.text) {
				t.Errorf("%s %s: %+v %s", tt.subject, tt.body, a.Error, a.Data)
			}
		}
	}
}

func TestFilters(t *testing.T) {
	_, _, nc := pair(t)
	for _, tt := range []struct {
		body string
		want string // of the servers that answer
	}{
		{`{"server_name":"one"}`, "one"},
		{`{"server_name":"o"}`, "one two"},
		{`{"server_name":"o","exact_match":true}`, ""},
		{`{"server_name":"two","exact_match":true,"cluster":"C","host":"127.0.0.1"}`, "two"},
		{`{"cluster":"D"}`, ""},
		{`{"host":"10"}`, ""},
		{`{"tags":["Blue"],"server_name":"one"}`, "one"},
		{`{"tags":["blue","red"]}`, ""},
		{`{"domain":"d"}`, ""},
	} {
		names := strings.Fields(tt.want)
		// Requests are answered in turn, so an answer to the next one says that there is none to this.
		inbox := nats.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"", ".STATSZ", ".VARZ"} {
			nc.PublishRequest("$SYS.REQ.SERVER.PING"+what, inbox, []byte(tt.body))
			nc.PublishRequest("$SYS.REQ.SERVER.PING.IDZ", inbox, nil)
			got, ids := make(map[string]bool), 0
			for ids < 2 {
				m, err := sub.NextMsg(patience)
				if err != nil {
					t.Fatal(err)
				}
				var a answer
				if err := json.Unmarshal(m.Data, &a); err != nil {
					t.Fatal(err)
				}
				if a.Server.Name == "" {
					ids++
				} else {
					got[a.Server.Name] = true
				}
			}
			if len(got) != len(names) {
				t.Errorf("%s of %s: %v answer", what, tt.body, got)
			}
			for _, name := range names {
				if !got[name] {
					t.Errorf("%s of %s: %s does not answer", what, tt.body, name)
				}
			}
		}
		sub.Unsubscribe()
	}
}

func TestEncodings(t *testing.T) {
	n := start(t, "one", nil, nil)
	nc := connect(t, n, "sys", "s")
	for _, tt := range []struct {
		accept, want string
		decode       func(io.Reader) (io.Reader, error)
	}{
		{"s2", "snappy", func(r io.Reader) (io.Reader, error) { return s2.NewReader(r), nil }},
		{"gzip, snappy", "snappy", func(r io.Reader) (io.Reader, error) { return s2.NewReader(r), nil }},
		{"GZIP", "gzip", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"br", "identity", func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"", "", func(r io.Reader) (io.Reader, error) { return r, nil }},
	} {
		m := nats.NewMsg("$SYS.REQ.SERVER.PING.VARZ")
		if tt.accept != "" {
			m.Header.Set("Accept-Encoding", tt.accept)
		}
		got, err := nc.RequestMsg(m, patience)
		if err != nil {
			t.Fatal(err)
		}
		if e := got.Header.Get("Content-Encoding"); e != tt.want {
			t.Errorf("%s: answered in %q", tt.accept, e)
		}
		r, err := tt.decode(bytes.NewReader(got.Data))
		if err != nil {
			t.Fatalf("%s: %v", tt.accept, err)
		}
		var a answer
		if err := json.NewDecoder(r).Decode(&a); err != nil || a.Server.Name != "one" {
			t.Errorf("%s: %v, %v", tt.accept, err, a)
		}
	}
}

func TestAccountRequests(t *testing.T) {
	_, two, nc := pair(t)
	a := connect(t, two, "a", "p")
	if _, err := a.SubscribeSync("x.*"); err != nil {
		t.Fatal(err)
	}
	a.Flush()
	check := func(nc *nats.Conn, subject, body string, servers int, want string) {
		t.Helper()
		var all []string
		for _, a := range ask(t, nc, subject, body, servers) {
			all = append(all, string(a.Data))
			if a.Error != nil {
				all = append(all, a.Error.Description)
			}
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, want) {
			t.Errorf("%s %s: %s is not in %s", subject, body, want, text)
		}
	}
	check(nc, "$SYS.REQ.ACCOUNT.A.CONNZ", "", 2, `"num_connections":1`)
	check(nc, "$SYS.REQ.ACCOUNT.A.CONNZ", `{"subscriptions":true}`, 2, `"subscriptions_list":["x.*"]`)
	check(nc, "$SYS.REQ.ACCOUNT.A.SUBSZ", "", 2, `"subject":"x.*"`)
	check(nc, "$SYS.REQ.ACCOUNT.A.INFO", "", 2, `"account_name":"A"`)
	check(nc, "$SYS.REQ.ACCOUNT.B.INFO", "", 2, "there is no account")
	check(nc, "$SYS.REQ.ACCOUNT.A.STATZ", "", 1, `"acc":"A"`)
	check(nc, "$SYS.REQ.ACCOUNT.PING.STATZ", "", 2, `"acc":"A"`)
	check(nc, "$SYS.REQ.ACCOUNT.PING.CONNZ", "", 2, `"num_connections":1`)
	check(nc, "$SYS.REQ.ACCOUNT.A.LEAFZ", "", 2, `"leafs":[]`)
	check(nc, "$SYS.REQ.ACCOUNT.A.JSZ", "", 2, "no JetStream")
	check(nc, "$SYS.REQ.ACCOUNT.A.NOTHING", "", 2, "does not answer")
	check(nc, "$SYS.REQ.ACCOUNT.A.CONNS", `{"acc":"A"}`, 1, "")
	// An account learns of itself, on all servers, and of nothing else.
	check(a, "$SYS.REQ.SERVER.PING.CONNZ", `{"acc":"$SYS"}`, 2, `"num_connections":1`)
	check(a, "$SYS.REQ.ACCOUNT.PING.CONNZ", `{"auth":true}`, 2, `"authorized_user":"a"`)
	check(a, "$SYS.REQ.ACCOUNT.PING.STATZ", `{"accounts":["$SYS"]}`, 1, `"acc":"A"`)
	check(a, "$SYS.REQ.USER.INFO", "", 1, `{"user":"a","account":"A","account_name":"A","permissions":{"publish":{"allow":["\u003e"],"deny":["no"]},`+
		`"subscribe":{},"responses":{"max":2,"ttl":0}}}`)
	check(nc, "$SYS.REQ.USER.INFO", "", 1, `{"user":"sys","account":"$SYS","account_name":"$SYS"}`)
	for _, subject := range []string{"$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.ACCOUNT.$SYS.CONNZ"} {
		if _, err := a.Request(subject, nil, patience); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%s of an account: %v", subject, err)
		}
	}
}

func TestCounts(t *testing.T) {
	_, two, nc := pair(t)
	other := connect(t, two, "sys", "s")
	for range 2 {
		if _, err := other.SubscribeSync("count.me"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.QueueSubscribeSync("count.*", "q"); err != nil {
		t.Fatal(err)
	}
	other.Flush()
	for body, want := range map[string]string{"count.me": "3", "count.you": "1", "count.me q": "1", "none": "0"} {
		m, err := nc.Request("$SYS.DEBUG.SUBSCRIBERS", []byte(body), patience)
		if err != nil || string(m.Data) != want {
			t.Errorf("%s: %v, %v", body, m, err)
		}
	}
	one, _, _ := pair(t)
	a := connect(t, one, "a", "p")
	if _, err := a.SubscribeSync("count.a"); err != nil {
		t.Fatal(err)
	}
	a.Flush()
	// An account that imports it counts its own. What the client claims to be makes no difference.
	for body, want := range map[string]string{"count.a": "1", "count.me": "0"} {
		q := nats.NewMsg("count")
		q.Data = []byte(body)
		q.Header.Set("Nats-Request-Info", `{"acc":"$SYS"}`)
		if m, err := a.RequestMsg(q, patience); err != nil || string(m.Data) != want {
			t.Errorf("%s of an account: %v, %v", body, m, err)
		}
	}
	if m, err := a.Request("stats", nil, patience); err != nil || !strings.Contains(string(m.Data), `"acc":"A"`) {
		t.Errorf("statistics of an account: %v, %v", m, err)
	}
	m, err := nc.Request("$SYS.REQ.ACCOUNT.NSUBS", []byte(`{"acc":"$SYS","subject":"count.>"}`), patience)
	if err != nil || string(m.Data) != "3" && string(m.Data) != "0" { // of the one that was first
		t.Errorf("%v, %v", m, err)
	}
}

func TestKick(t *testing.T) {
	_, two, nc := pair(t)
	lame := make(chan struct{})
	a := connect(t, two, "a", "p", nats.LameDuckModeHandler(func(*nats.Conn) { close(lame) }))
	a.Flush() // until then it does not take such news
	id, err := a.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"LDM", "KICK"} {
		for _, got := range ask(t, nc, "$SYS.REQ.SERVER."+two.ID()+"."+what, fmt.Sprintf(`{"cid":%d}`, id), 1) {
			if got.Error != nil || got.Data != nil {
				t.Errorf("%s: %+v", what, got)
			}
		}
	}
	eventually(t, "the client is cut", func() bool { return a.IsClosed() })
	select {
	case <-lame:
	case <-time.After(patience):
		t.Error("the client was not sent away before")
	}
}

func TestReload(t *testing.T) {
	result := make(chan error, 1)
	n := start(t, "one", nil, func(context.Context) error { return <-result })
	nc := connect(t, n, "sys", "s")
	for _, want := range []error{nil, errors.New("shoal.conf:1:2: no")} {
		result <- want
		got := ask(t, nc, "$SYS.REQ.SERVER."+n.ID()+".RELOAD", "", 1)["one"]
		if want == nil && got.Error != nil || want != nil && (got.Error == nil || got.Error.Description != want.Error()) {
			t.Errorf("%v: %+v", want, got.Error)
		}
	}
}

func TestProfilez(t *testing.T) {
	n := start(t, "one", nil, nil)
	nc := connect(t, n, "sys", "s")
	for body, want := range map[string]string{
		`{"name":"goroutine"}`:                   "",
		`{"name":"cpu","duration":1000000}`:      "",
		`{"name":"cpu"}`:                         "duration",
		`{"name":"cpu","duration":900000000000}`: "duration",
		`{"name":"nothing"}`:                     "no profile",
		``:                                       "has to be named",
	} {
		var p struct {
			Profile []byte
			Error   string
		}
		got := ask(t, nc, "$SYS.REQ.SERVER.PING.PROFILEZ", body, 1)["one"]
		if err := json.Unmarshal(got.Data, &p); err != nil {
			t.Fatalf("%s: %v %+v", body, err, got)
		}
		if want == "" && len(p.Profile) == 0 || !strings.Contains(p.Error, want) {
			t.Errorf("%s: %d bytes, %q", body, len(p.Profile), p.Error)
		}
	}
}

func TestEvents(t *testing.T) {
	_, two, nc := pair(t)
	heard := make(chan *nats.Msg, 1000)
	if _, err := nc.ChanSubscribe("$SYS.>", heard); err != nil {
		t.Fatal(err)
	}
	// The other server knows who listens when it knows of this, which is subscribed to later. No client of an account may
	// come and go until then: what is told of it might be taken for what follows.
	if _, err := nc.Subscribe("ready", func(m *nats.Msg) { m.Respond(nil) }); err != nil {
		t.Fatal(err)
	}
	other := connect(t, two, "sys", "s")
	eventually(t, "the other server knows who listens", func() bool {
		_, err := other.Request("ready", nil, time.Second)
		return err == nil
	})
	next := func(subject string) (event struct {
		Type   string
		ID     string
		Server struct{ Name string }
		Name   string
		Client struct {
			ID                          uint64
			Acc, User, Name, Host, Kind string
			ClientType                  string `json:"client_type"`
			Start, Stop                 time.Time
		}
		Sent, Received struct{ Msgs, Bytes uint64 }
		Reason         string
		Conns          int
		Statsz         struct{ Connections int }
	}) {
		t.Helper()
		for deadline := time.After(patience); ; {
			select {
			case m := <-heard:
				if m.Subject != subject {
					continue
				}
				if err := json.Unmarshal(m.Data, &event); err != nil {
					t.Fatal(err)
				}
				return event
			case <-deadline:
				t.Fatalf("%s was not heard", subject)
			}
		}
	}
	for _, n := range []*node.Node{two} {
		next("$SYS.SERVER." + n.ID() + ".STATSZ")
	}
	a := connect(t, two, "a", "p")
	e := next("$SYS.ACCOUNT.A.CONNECT")
	if c := e.Client; e.Type != "io.nats.server.advisory.v1.client_connect" || c.User != "a" || c.Acc != "A" || c.Name != "test" ||
		c.Kind != "Client" || c.ClientType != "nats" || c.Start.IsZero() || !c.Stop.IsZero() || e.Server.Name != "two" {
		t.Errorf("connected: %+v", e)
	}
	if got := next("$SYS.ACCOUNT.A.SERVER.CONNS"); got.Conns != 1 || got.Type != "io.nats.server.advisory.v1.account_connections" {
		t.Errorf("number of clients: %+v", got)
	}
	a.Publish("x", []byte("hello"))
	a.Close()
	e = next("$SYS.ACCOUNT.A.DISCONNECT")
	if e.Type != "io.nats.server.advisory.v1.client_disconnect" || e.Sent.Msgs != 1 || e.Sent.Bytes != 5 || e.Reason != "Client Closed" ||
		e.Client.Stop.IsZero() {
		t.Errorf("disconnected: %+v", e)
	}
	if got := next("$SYS.ACCOUNT.A.SERVER.CONNS"); got.Conns != 0 {
		t.Errorf("number of clients: %+v", got)
	}
	if _, err := nats.Connect(two.ClientURL(), nats.UserInfo("eve", "x"), nats.Timeout(patience)); err == nil {
		t.Error("eve was let in")
	}
	e = next("$SYS.SERVER." + two.ID() + ".CLIENT.AUTH.ERR")
	if e.Client.User != "eve" || e.Reason != "Authentication Failure" {
		t.Errorf("refused: %+v", e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := two.LameDuck(ctx); err != nil {
		t.Fatal(err)
	}
	if got := next("$SYS.SERVER." + two.ID() + ".LAMEDUCK"); got.Name != "two" {
		t.Errorf("lame duck: %+v", got)
	}
	if got := next("$SYS.SERVER." + two.ID() + ".SHUTDOWN"); got.Name != "two" {
		t.Errorf("shutdown: %+v", got)
	}
}

// TestMessageTrace has a message traced that crosses a route.
func TestMessageTrace(t *testing.T) {
	one, two, _ := pair(t)
	receiver, sender := connect(t, one, "a", "p"), connect(t, two, "a", "p")
	if _, err := receiver.Subscribe("x.*", func(m *nats.Msg) { t.Errorf("%s is delivered", m.Subject) }); err != nil {
		t.Fatal(err)
	}
	traces, err := sender.SubscribeSync("to")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Subscribe("ready", func(m *nats.Msg) { m.Respond(nil) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other server knows of the subscriptions", func() bool {
		_, err := sender.Request("ready", nil, time.Second)
		return err == nil
	})
	for encoding, decode := range map[string]func(io.Reader) (io.Reader, error){
		"":     func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"s2":   func(r io.Reader) (io.Reader, error) { return s2.NewReader(r), nil },
	} {
		message := &nats.Msg{Subject: "x.y", Header: nats.Header{"Nats-Trace-Dest": {"to"}, "Nats-Trace-Only": {"true"}}}
		if encoding != "" {
			message.Header.Set("Accept-Encoding", encoding)
		}
		if err := sender.PublishMsg(message); err != nil {
			t.Fatal(err)
		}
		told := make(map[string]string)
		for range 2 {
			m, err := traces.NextMsg(patience)
			if err != nil {
				t.Fatal(err)
			}
			r, err := decode(bytes.NewReader(m.Data))
			if err != nil {
				t.Fatal(err)
			}
			var trace struct {
				Server struct{ Name string }
				Hops   int
				Events []struct{ Type, Name, Hop, Sub string }
			}
			if err := json.NewDecoder(r).Decode(&trace); err != nil {
				t.Fatalf("%q: %v", encoding, err)
			}
			told[trace.Server.Name] = fmt.Sprint(trace.Hops, trace.Events)
		}
		if told["two"] != "1 [{in test  } {eg one 1 }]" || told["one"] != "0 [{in two  } {eg test  x.*}]" {
			t.Errorf("%q: the servers tell %v", encoding, told)
		}
	}
}
