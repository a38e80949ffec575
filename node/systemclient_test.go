package node

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shoal/node/auth"
)

// parrot is a service of the system that answers every request with its payload, or what else a test wants.
type parrot struct {
	client *SystemClient
	heard  atomic.Int64
	block  chan struct{} // holds up the answers if it is not nil

	mu     sync.Mutex
	noted  []string // of what it was told
	traced []*MessageTrace
}

func (e *parrot) Serve(ctx context.Context) {
	answer := func(m *SystemMessage) {
		e.heard.Add(1)
		if e.block != nil {
			<-e.block
		}
		e.client.Publish(m.Reply, m.Header, func() []byte { return m.Payload })
	}
	e.client.Subscribe("$SYS.REQ.ECHO", false, answer)
	e.client.Subscribe("$SYS.REQ.ACCOUNT.*.*", false, answer)
	e.client.Subscribe("$SYS.REQ.HERE", true, answer)
	<-ctx.Done()
	e.client.Publish("$SYS.LAST", nil, func() []byte { return []byte("bye") })
}

func (e *parrot) UserInfo(a Asker) []byte { return fmt.Appendf(nil, "%s of %s", a.User, a.Account) }

func (e *parrot) Connected(account string, about func() Connection)    { e.note("+", about()) }
func (e *parrot) Disconnected(account string, about func() Connection) { e.note("-", about()) }
func (e *parrot) Refused(about func() Connection)                      { e.note("!", about()) }
func (e *parrot) LeavesSoon()                                          { e.note("lame", Connection{}) }
func (e *parrot) Leaves()                                              { e.note("end", Connection{}) }

func (e *parrot) Traced(account, subject string, t *MessageTrace) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.traced = append(e.traced, t)
}

func (e *parrot) note(what string, c Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noted = append(e.noted, strings.TrimSpace(what+" "+c.User+" "+c.Account+" "+c.Reason))
}

// withParrot attaches the service.
func withParrot(e *parrot) func(*Node) {
	return func(n *Node) { e.client = n.Attach(e) }
}

func (e *parrot) ready(t *testing.T) {
	eventually(t, "the service subscribes", func() bool { return e.client.subs.len() == 3 })
}

func TestSystemRequests(t *testing.T) {
	e := new(parrot)
	n := startNode(t, Options{Authenticator: byName{}, Accounts: tenants()}, withParrot(e))
	e.ready(t)
	for _, tt := range []struct{ user, send, want string }{
		{"$SYS", "PUB $SYS.REQ.ECHO in 2\r\nhi\r\n", "MSG in 1 2\r\nhi\r\n"},
		{"$SYS", "PUB $SYS.REQ.ECHO in 0\r\n\r\n", "MSG in 1 0\r\n\r\n"},
		{"$SYS", "HPUB $SYS.REQ.ECHO in 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n", "HMSG in 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n"},
		{"$SYS", "PUB $SYS.REQ.HERE in 2\r\nhi\r\n", "MSG in 1 2\r\nhi\r\n"},
		{"$SYS", "PUB $SYS.REQ.USER.INFO in 0\r\n\r\n", message("in", "1", "$SYS of $SYS")},
		{"A", "PUB $SYS.REQ.USER.INFO in 0\r\n\r\n", message("in", "1", "A of A")},
		{"$G", "PUB $SYS.REQ.USER.INFO in 0\r\n\r\n", message("in", "1", "$G of $G")},
		{"A", "PUB $SYS.REQ.ECHO in 2\r\nhi\r\n", "HMSG in 1 45 45\r\nNATS/1.0 503\r\nNats-Subject: $SYS.REQ.ECHO\r\n\r\n\r\n"},
		{"A", "PUB $SYS.REQ.USER.INFO 0\r\n\r\n", ""},
	} {
		p := dial(t, n, as(tt.user)+"SUB in 1\r\n"+tt.send)
		p.want(tt.want)
		p.sync()
	}
	if got := n.Stats().Subscriptions; got != 9 {
		t.Errorf("%d subscriptions are counted, want those of the 9 clients", got)
	}
}

// TestLongAnswersCutNoRoute has the service say more than a peer takes in one message.
func TestLongAnswersCutNoRoute(t *testing.T) {
	e := new(parrot)
	n := startPeer(t, "n", ClusterOptions{Name: "C"}, nil, withParrot(e))
	e.ready(t)
	p := dialRoute(t, n, aRoute("X")+"PONG\r\nRS+ $SYS long\r\nPING\r\n")
	for p.line() != "PONG" {
	}
	if e.client.Publish("long", nil, func() []byte { return make([]byte, maxRoutedPayload+1) }) {
		t.Error("it is sent")
	}
	if !e.client.Publish("long", nil, func() []byte { return []byte("hi") }) {
		t.Error("nobody listens")
	}
	for line := p.line(); line != "RMSG $SYS long 2"; line = p.line() {
		if strings.HasPrefix(line, "RMSG $SYS long") {
			t.Fatalf("got %q", line)
		}
	}
}

// An account asks about itself alone, and the service learns which one it is by the subject.
func TestSystemImports(t *testing.T) {
	var subjects atomic.Value
	e := new(parrot)
	n := startNode(t, Options{Authenticator: byName{}, Accounts: tenants()}, withParrot(e))
	e.ready(t)
	e.client.Subscribe("$SYS.REQ.ACCOUNT.>", true, func(m *SystemMessage) { subjects.Store(m.Subject) })
	for subject, want := range map[string]string{
		"$SYS.REQ.ACCOUNT.PING.CONNZ": "$SYS.REQ.ACCOUNT.A.CONNZ",
		"$SYS.REQ.SERVER.PING.CONNZ":  "$SYS.REQ.ACCOUNT.A.CONNZ",
		"$SYS.REQ.ACCOUNT.PING.STATZ": "$SYS.REQ.ACCOUNT.A.STATZ",
	} {
		p := dial(t, n, as("A")+"SUB in 1\r\nPUB "+subject+" in 2\r\nhi\r\n")
		if line := p.line(); !strings.HasPrefix(line, "HMSG in 1 ") {
			t.Errorf("%s: got %q", subject, line)
		}
		eventually(t, subject, func() bool { return subjects.Load() == want })
	}
}

func TestSystemAcrossNodes(t *testing.T) {
	e, f := new(parrot), new(parrot)
	opts := Options{Authenticator: byName{}, Accounts: tenants()}
	opts.Cluster = ClusterOptions{Name: "C", Host: "127.0.0.1", Port: RandomPort, NoGossip: true}
	n := startNode(t, opts, withParrot(e))
	opts.Cluster.Routes = []*url.URL{{Scheme: "nats", Host: n.ClusterAddr().String()}}
	m := startNode(t, opts, withParrot(f))
	e.ready(t)
	f.ready(t)
	p := dial(t, n, as("$SYS")+"SUB in.* 1\r\nSUB $SYS.LAST 2\r\n")
	eventually(t, "both answer", func() bool {
		p.send("PUB $SYS.REQ.ECHO in.x 1\r\n.\r\nPING\r\n")
		for p.line() != "PONG" {
		}
		return e.heard.Load() > 0 && f.heard.Load() > 0
	})
	if sids := n.accounts.system.index.Len(); sids != 3+2+2 { // here, the peer's, and those of p
		t.Errorf("%d subscriptions are known, a local one was told to a peer", sids)
	}
	p = dial(t, n, as("$SYS")+"SUB at 1\r\nSUB $SYS.LAST 2\r\nPUB $SYS.REQ.HERE at 1\r\n.\r\n")
	p.want("MSG at 1 1\r\n.\r\n")
	eventually(t, "the peer knows of the interest", func() bool { return f.client.Wanted("$SYS.LAST") })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	p.want("MSG $SYS.LAST 2 3\r\nbye\r\n")
}

// Requests that nobody takes in time are dropped. They hold up neither the publisher nor others.
func TestSystemOverload(t *testing.T) {
	e := &parrot{block: make(chan struct{})}
	n := startNode(t, Options{Authenticator: byName{}, MaxPending: 1 << 20}, withParrot(e))
	e.ready(t)
	p := dial(t, n, as("$SYS"))
	payload := strings.Repeat("x", 1000)
	start := time.Now()
	for range 100 {
		p.send(strings.Repeat("PUB $SYS.REQ.ECHO nobody 1000\r\n"+payload+"\r\n", 100))
	}
	p.sync()
	if waiting := e.client.out.waiting(); waiting > 2<<20 {
		t.Errorf("%d bytes wait", waiting)
	}
	if n.Stats().StalledClients > 0 || n.Stats().SlowConsumers > 0 {
		t.Errorf("after %v: %+v", time.Since(start), n.Stats())
	}
	close(e.block)
	eventually(t, "those that fit are heard", func() bool { return e.heard.Load() > 0 && e.client.out.waiting() == 0 })
	if e.heard.Load() == 10000 {
		t.Error("nothing was dropped")
	}
}

func TestSystemIsTold(t *testing.T) {
	e := new(parrot)
	users, err := auth.New(auth.Config{Users: []auth.User{{Name: "A", Password: "p", Account: "A"}}})
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, Options{Authenticator: users, Accounts: tenants(), LameDuckDuration: 2, LameDuckGrace: 1}, withParrot(e))
	told := func(want string) {
		t.Helper()
		eventually(t, want, func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return len(e.noted) > 0 && e.noted[0] == want
		})
		e.mu.Lock()
		defer e.mu.Unlock()
		e.noted = e.noted[1:]
	}
	p := dial(t, n, as("A"))
	p.sync()
	told("+ A A")
	p.send(as("A")) // once is enough
	p.sync()
	p.nc.Close()
	told("- A A Client Closed")
	dial(t, n, as("B")).wantEnd("-ERR 'Authorization Violation'\r\n")
	told("! B $G Authentication Failure")
	p = dial(t, n, as("A"))
	p.sync()
	told("+ A A")
	kicked := n.clients.all()[0].id
	if n.Disconnect(kicked+1) == nil || n.SendAway(kicked+1) == nil {
		t.Error("a client that is not there")
	}
	if err := n.Disconnect(kicked); err != nil {
		t.Fatal(err)
	}
	told("- A A Kicked")
	p = dial(t, n, strings.Replace(as("A"), "{", `{"protocol":1,`, 1))
	p.sync()
	told("+ A A")
	p.wantInfo(func([]string, bool) bool { return true })
	if err := n.SendAway(n.clients.all()[0].id); err != nil {
		t.Fatal(err)
	}
	p.wantInfo(func(_ []string, lameDuck bool) bool { return lameDuck })
	if err := n.LameDuck(context.Background()); err != nil {
		t.Fatal(err)
	}
	told("lame")
	slices.Sort(e.noted) // the client may go before the node does or after
	if want := []string{"- A A Server Shutdown", "end"}; !slices.Equal(e.noted, want) {
		t.Errorf("told %q, want %q", e.noted, want)
	}
}

func TestSubscribers(t *testing.T) {
	n := startNode(t, Options{Authenticator: byName{}, Accounts: tenants()})
	if _, ok := n.Subscribers("A", "x", ""); ok {
		t.Error("an account without clients")
	}
	dial(t, n, as("A")+"SUB a.* 1\r\nSUB a.b 2\r\nSUB a.b q 3\r\nSUB a.> q 4\r\n").sync()
	dial(t, n, as("B")+"SUB > 1\r\n").sync()
	for _, tt := range []struct {
		subject, queue string
		want           int
	}{
		{"a.b", "", 4}, {"a.c", "", 2}, {"a.b.c", "", 1}, {"x", "", 0}, {"a.b", "q", 2}, {"a.*", "", 3}, {"a.>", "", 4}, {">", "q", 2},
	} {
		if got, ok := n.Subscribers("A", tt.subject, tt.queue); !ok || got != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.subject, tt.queue, got, tt.want)
		}
	}
}

func TestSystemExports(t *testing.T) {
	for subject, ok := range map[string]bool{
		"$SYS.REQ.ACCOUNT.A.CONNZ":   true,
		"$SYS.REQ.ACCOUNT.A.STATZ":   true,
		"$SYS.DEBUG.SUBSCRIBERS":     true,
		"$SYS.REQ.ACCOUNT.B.CONNZ":   false,
		"$SYS.REQ.ACCOUNT.*.STATZ":   false,
		"$SYS.REQ.ACCOUNT.A.INFO":    false,
		"$SYS.REQ.SERVER.PING.VARZ":  false,
		"$SYS.REQ.SERVER.PING.CONNZ": false,
	} {
		im := Import{Account: SystemAccount, Subject: subject, Service: true}
		if _, err := New(Options{Accounts: []AccountOptions{{Name: "A", Imports: []Import{im}}, {Name: "B"}}}); (err == nil) != ok {
			t.Errorf("import of %s: %v", subject, err)
		}
	}
}
