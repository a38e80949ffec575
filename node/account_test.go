package node

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"shoal/node/auth"
	"shoal/subjects"
)

// tenants are the accounts of the tests: A exports to B, of which C knows nothing.
func tenants() []AccountOptions {
	return []AccountOptions{
		{
			Name: "A",
			Exports: []Export{
				{Subject: "news.>"},
				{Subject: "price.*.*"},
				{Subject: "help", Service: true},
				{Subject: "list.*", Service: true, Response: ResponseStream},
			},
		},
		{
			Name: "B",
			Imports: []Import{
				{Account: "A", Subject: "news.>", To: "from.a.news.>"},
				{Account: "A", Subject: "price.*.*", To: "cost.$2.$1"},
				{Account: "A", Subject: "help", Service: true, To: "a.help"},
				{Account: "A", Subject: "list.*", Service: true},
			},
			Mappings: []Mapping{
				{Subject: "old.*", Destinations: []MappedTo{{Subject: "new.$1", Weight: 100}}},
				{Subject: "gone", Destinations: []MappedTo{{Subject: "a.help", Weight: 100}}},
			},
			Limits: AccountLimits{MaxConnections: 5, MaxSubscriptions: 3, MaxPayload: 1000},
		},
		{Name: "C"},
	}
}

// byName lets users in by their names, which are those of their accounts.
type byName struct{}

func (byName) Authenticate(c auth.Credentials) (*auth.Identity, error) {
	return &auth.Identity{User: c.User, Account: c.User}, nil
}
func (byName) Expensive(auth.Credentials) bool        { return false }
func (byName) Anonymous(string) *auth.Identity        { return nil }
func (byName) Challenges() bool                       { return false }
func (byName) Renew(id *auth.Identity) *auth.Identity { return id }

// as is the CONNECT line of a user.
func as(user string) string {
	return fmt.Sprintf(`CONNECT {"verbose":false,"pedantic":false,"user":%q,"pass":"p","headers":true,"no_responders":true}`+"\r\n", user)
}

func startTenants(t *testing.T) *Node {
	return startNode(t, Options{Authenticator: byName{}, Accounts: tenants()})
}

var roundTrip = regexp.MustCompile(`,"rtt":[0-9]+`)

// requested reads a request of account B and returns the subject that is to be replied to.
func (p *peer) requested(subject, sid, payload string) (reply string) {
	p.t.Helper()
	return p.requestedWith(subject, sid, `NATS/1.0|Nats-Request-Info: {"acc":"B"}||`+payload)
}

// requestedWith is requested for a message with headers, whose lines end with | instead of CRLF.
func (p *peer) requestedWith(subject, sid, want string) (reply string) {
	p.t.Helper()
	var header, size int
	line := p.line()
	if _, err := fmt.Sscanf(line, "HMSG "+subject+" "+sid+" %s %d %d", &reply, &header, &size); err != nil {
		p.t.Fatalf("got %q", line)
	}
	got := p.read(size + 2)
	if end := strings.Index(got, "\r\n\r\n") + 4; end != header {
		p.t.Fatalf("the headers are said to end at %d in %q", header, got)
	}
	got = strings.TrimSuffix(strings.ReplaceAll(roundTrip.ReplaceAllString(got, ""), "\r\n", "|"), "|")
	if got != want {
		p.t.Fatalf("got %q, want %q", got, want)
	}
	return reply
}

func TestAccountsAreApart(t *testing.T) {
	n := startTenants(t)
	for _, user := range []string{"B", "C", "$G"} {
		s := dial(t, n, as(user)+"SUB > 1\r\n")
		s.sync()
		p := dial(t, n, as("A")+"PUB x 2\r\nhi\r\n")
		p.sync()
		s.sync()
	}
}

func TestStreamImport(t *testing.T) {
	n := startTenants(t)
	p := dial(t, n, as("A"))
	for _, tt := range []struct{ sub, pub, want string }{
		{"from.a.news.>", "news.x.y", "from.a.news.x.y"},
		{"from.a.news.x", "news.x", "from.a.news.x"},
		{"from.*.news.*", "news.x", "from.a.news.x"},
		{">", "news.x", "from.a.news.x"},
		{"cost.eur.*", "price.tea.eur", "cost.eur.tea"},
		{"cost.usd.*", "price.tea.eur", ""},
		{"news.x", "news.x", ""},
	} {
		t.Run(tt.sub, func(t *testing.T) {
			s := dial(t, n, as("B")+"SUB "+tt.sub+" 7\r\n")
			s.sync()
			for range 3 { // the later ones are remembered
				p.send("PUB " + tt.pub + " 2\r\nhi\r\n")
				p.sync()
				if tt.want != "" {
					s.want(message(tt.want, "7", "hi"))
				}
			}
			s.send("UNSUB 7\r\n")
			s.sync()
			p.send("PUB " + tt.pub + " 2\r\nhi\r\n")
			p.sync()
			s.sync()
		})
	}
	if left := n.accounts.len(); left != 0 {
		eventually(t, "nothing is left", func() bool { return n.accounts.len() == 0 })
	}
}

func TestStreamImportLimit(t *testing.T) {
	n := startTenants(t)
	s := dial(t, n, as("B")+"SUB from.a.news.x q 7\r\nUNSUB 7 2\r\n")
	s.sync()
	p := dial(t, n, as("A")+strings.Repeat("PUB news.x 2\r\nhi\r\n", 5))
	p.sync()
	s.want(message("from.a.news.x", "7", "hi") + message("from.a.news.x", "7", "hi"))
	s.sync()
	eventually(t, "the subscription has ended", func() bool { return n.accounts.len() == 0 })
}

func TestServiceImport(t *testing.T) {
	n := startTenants(t)
	service := dial(t, n, as("A")+"SUB help 1\r\nSUB list.* 2\r\n")
	service.sync()
	client := dial(t, n, as("B")+"SUB inbox.* 9\r\n")
	client.sync()
	for i := range 3 {
		client.send(fmt.Sprintf("PUB a.help inbox.%d 2\r\nhi\r\n", i))
		reply := service.requested("help", "1", "hi")
		if !strings.HasPrefix(reply, "_R_.") {
			t.Fatalf("the service is to reply to %q", reply)
		}
		service.send("PUB " + reply + " 2\r\nok\r\n")
		client.want(message(fmt.Sprintf("inbox.%d", i), "9", "ok"))
		service.send("PUB " + reply + " 2\r\nno\r\n") // one is enough
		service.sync()
		client.sync()
	}
	client.send("PUB list.x inbox.s 2\r\nhi\r\n")
	reply := service.requested("list.x", "2", "hi")
	for range 3 {
		service.send("PUB " + reply + " 2\r\nok\r\n")
		client.want(message("inbox.s", "9", "ok"))
	}
	client.send("PUB gone inbox.m 2\r\nhi\r\n")
	service.send("PUB " + service.requested("help", "1", "hi") + " 2\r\nok\r\n")
	client.want(message("inbox.m", "9", "ok"))
}

// TestRequestInfo sends headers along, of which those must not reach the service that only a server may
// write.
func TestRequestInfo(t *testing.T) {
	n := startTenants(t)
	service := dial(t, n, as("A")+"SUB help 1\r\n")
	service.sync()
	plain := dial(t, n, `CONNECT {"verbose":false,"user":"A"}`+"\r\nSUB help 1\r\n")
	plain.sync()
	client := dial(t, n, as("B"))
	for _, tt := range []struct{ sent, want string }{
		{"NATS/1.0||", ""},
		{"NATS/1.0|a: b||", "a: b|"},
		{"NATS/1.0|a: b|Nats-Request-Info: {}|c: d||", "a: b|c: d|"},
		{"NATS/1.0|nats-request-info : {}|NATS-REQUEST-INFO:{}||", ""},
		{"NATS/1.0", ""},
		{"", ""},
	} {
		header := strings.ReplaceAll(tt.sent, "|", "\r\n")
		client.send(fmt.Sprintf("HPUB a.help r %d %d\r\n%shi\r\n", len(header), len(header)+2, header))
		service.requestedWith("help", "1", "NATS/1.0|"+tt.want+`Nats-Request-Info: {"acc":"B"}||hi`)
		if line := plain.line(); !strings.HasPrefix(line, "MSG help 1 _R_.") || !strings.HasSuffix(line, " 2") {
			t.Errorf("without headers, the request is %q", line)
		}
		plain.want("hi\r\n")
	}
}

func TestRequestInfoThroughAccounts(t *testing.T) {
	n := startNode(t, Options{Authenticator: byName{}, Accounts: []AccountOptions{
		{Name: "A", Exports: []Export{{Subject: "a", Service: true}}},
		{Name: "B", Exports: []Export{{Subject: "b", Service: true}}, Imports: []Import{{Account: "A", Subject: "a", Service: true, To: "b"}}},
		{Name: "C", Imports: []Import{{Account: "B", Subject: "b", Service: true}}},
	}})
	service := dial(t, n, as("A")+"SUB a 1\r\n")
	service.sync()
	dial(t, n, as("C")+"PUB b r 2\r\nhi\r\n").sync()
	service.requestedWith("a", "1", `NATS/1.0|Nats-Request-Info: {"acc":"C","svc":"B"}||hi`)
}

// TestAnswersThatEnd has services answer in several parts, of which an empty one is the last.
func TestAnswersThatEnd(t *testing.T) {
	n := startTenants(t)
	service := dial(t, n, as("A")+"SUB list.* 1\r\n")
	service.sync()
	client := dial(t, n, as("B")+"SUB r 9\r\nPUB list.x r 2\r\nhi\r\n")
	reply := service.requested("list.x", "1", "hi")
	service.send(fmt.Sprintf("PUB %[1]s 2\r\n1 \r\nPUB %[1]s 2\r\n2 \r\nPUB %[1]s 0\r\n\r\nPUB %[1]s 2\r\nno\r\n", reply))
	client.want(message("r", "9", "1 ") + message("r", "9", "2 ") + message("r", "9", ""))
	service.sync()
	client.sync()

	client.send("UNSUB 9\r\nPUB list.x r 2\r\nhi\r\n")
	reply = service.requested("list.x", "1", "hi")
	service.send(fmt.Sprintf("PUB %s 2\r\nno\r\n", reply)) // reaches nobody, so that is the end as well
	service.sync()
	client.send("SUB r 9\r\n")
	client.sync()
	service.send(fmt.Sprintf("PUB %s 2\r\nno\r\n", reply))
	service.sync()
	client.sync()
}

// TestAnswerThatAsks has a service ask back.
func TestAnswerThatAsks(t *testing.T) {
	n := startTenants(t)
	service := dial(t, n, as("A")+"SUB help 1\r\nSUB more 2\r\n")
	service.sync()
	client := dial(t, n, as("B")+"SUB r 9\r\nPUB a.help r 2\r\nhi\r\n")
	service.send("PUB " + service.requested("help", "1", "hi") + " more 5\r\nwhat?\r\n")
	var back string
	if _, err := fmt.Sscanf(client.line(), "MSG r 9 %s 5", &back); err != nil || !strings.HasPrefix(back, "_R_.") {
		t.Fatalf("who asks is to answer to %q", back)
	}
	client.want("what?\r\n")
	client.send(fmt.Sprintf("PUB %[1]s 4\r\nthat\r\nPUB %[1]s 2\r\nno\r\n", back))
	service.want(message("more", "2", "that"))
	client.sync()
	service.sync()
	dial(t, n, as("B")+"PUB more 2\r\nno\r\n").sync()
	service.sync()
}

// TestMappingOfExporter has a service under a subject that its account replaces.
func TestMappingOfExporter(t *testing.T) {
	n := startNode(t, Options{Authenticator: byName{}, Accounts: []AccountOptions{
		{
			Name:     "A",
			Exports:  []Export{{Subject: "old.*", Service: true}},
			Mappings: []Mapping{{Subject: "old.*", Destinations: []MappedTo{{Subject: "new.$1", Weight: 100}}}},
		},
		{Name: "B", Imports: []Import{{Account: "A", Subject: "old.*", Service: true}}},
	}})
	service := dial(t, n, as("A")+"SUB > 1\r\n")
	service.sync()
	dial(t, n, as("B")+"PUB old.x r 2\r\nhi\r\n").sync()
	service.requested("new.x", "1", "hi")
	service.sync()
}

func TestServiceImportWithoutService(t *testing.T) {
	n := startTenants(t)
	client := dial(t, n, as("B")+"SUB inbox.* 9\r\nPUB a.help inbox.1 2\r\nhi\r\n")
	header := "NATS/1.0 503\r\nNats-Subject: a.help\r\n\r\n"
	client.want(fmt.Sprintf("HMSG inbox.1 9 %d %d\r\n%s\r\n", len(header), len(header), header))
	replies := &n.accounts.get("A").replies
	replies.mu.Lock()
	defer replies.mu.Unlock()
	if owed := len(replies.owed); owed != 0 {
		t.Errorf("%d replies are still awaited", owed)
	}
}

// TestRepliesAreBounded has an account ask without end, which costs no other account its replies.
func TestRepliesAreBounded(t *testing.T) {
	n := startTenants(t)
	r := &n.accounts.get("A").replies
	ask := func(account string) string {
		subject, _ := r.expect(&owed{to: n.accounts.get(account), once: true, threshold: time.Hour})
		return subject
	}
	other, first, second := ask("C"), ask("B"), ask("B")
	var last string
	for range maxOwed - 1 {
		last = ask("B")
	}
	if r.take(first) != nil {
		t.Error("the oldest reply is still awaited")
	}
	for _, subject := range []string{other, second, last} {
		if r.take(subject) == nil {
			t.Errorf("%s is not awaited any more", subject)
		}
	}
	if owed, waiting := len(r.owed), r.waiting[n.accounts.get("B")].Len(); owed != maxOwed-2 || waiting != owed || len(r.waiting) != 1 {
		t.Errorf("%d replies are awaited, %d in B, of %d accounts", owed, waiting, len(r.waiting))
	}
}

func TestMapping(t *testing.T) {
	n := startTenants(t)
	s := dial(t, n, as("B")+"SUB new.* 1\r\nSUB old.* 2\r\nPUB old.x 2\r\nhi\r\n")
	s.want(message("new.x", "1", "hi"))
	s.sync()
	header := "NATS/1.0 503\r\nNats-Subject: new.y\r\n\r\n"
	s.send("UNSUB 1\r\nSUB r 3\r\nPUB old.y r 2\r\nhi\r\n")
	s.want(fmt.Sprintf("HMSG r 3 %d %d\r\n%s\r\n", len(header), len(header), header))
}

// TestMappingAndPermissions has users publish by way of a mapping who may publish to its one end only.
func TestMappingAndPermissions(t *testing.T) {
	n := startNode(t, Options{
		Authenticator: users(t,
			auth.User{Name: "from", Permissions: only([]string{"old"}, nil)},
			auth.User{Name: "to", Permissions: only([]string{"new"}, nil)}),
		Accounts: []AccountOptions{
			{Name: GlobalAccount, Mappings: []Mapping{{Subject: "old", Destinations: []MappedTo{{Subject: "new", Weight: 100}}}}},
		},
	})
	s := dial(t, n, as("to")+"SUB new 1\r\n")
	s.sync()
	dial(t, n, as("from")+"PUB old 2\r\nhi\r\n").want("-ERR 'Permissions Violation for Publish to \"new\"'\r\n")
	s.send("PUB old 2\r\nho\r\n")
	s.want(message("new", "1", "ho"))
}

func TestAccountLimits(t *testing.T) {
	n := startTenants(t)
	s := dial(t, n, as("B")+"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n")
	s.sync()
	s.send("SUB d 4\r\n")
	s.want("-ERR 'maximum subscriptions exceeded'\r\n")
	for range 4 {
		dial(t, n, as("B")+"SUB a 1\r\n").sync() // the limit is one of each
	}
	dial(t, n, as("B")).want("-ERR 'maximum account active connections exceeded'\r\n")
	s.send("PUB x 1001\r\n")
	s.want("-ERR 'Maximum Payload Violation'\r\n")
}

// TestTrafficStaysWithItsAccount has a client log in a second time, to another account.
func TestTrafficStaysWithItsAccount(t *testing.T) {
	n := startTenants(t)
	p := dial(t, n, as("A")+"SUB x 1\r\nPUB x 3\r\nabc\r\n"+as("C")+"PUB y 1\r\n1\r\nPUB y 1\r\n2\r\n"+as("A")+"PUB x 2\r\nab\r\n")
	p.want(message("x", "1", "abc"))
	p.sync()
	want := map[string][2]uint64{"A": {2, 5}, "B": {}, "C": {2, 2}}
	check := func(when string) {
		t.Helper()
		for _, a := range n.Accounts() {
			if counted, ok := want[a.Name]; ok && counted != [2]uint64{a.InMsgs, a.InBytes} {
				t.Errorf("%s, %s has %d messages with %d bytes, want %d", when, a.Name, a.InMsgs, a.InBytes, counted)
			}
		}
		if s := n.Stats(); s.InMsgs != 4 || s.InBytes != 7 {
			t.Errorf("%s, there are %d messages with %d bytes, want 4 with 7", when, s.InMsgs, s.InBytes)
		}
	}
	check("connected")
	p.nc.Close()
	eventually(t, "the client is gone", func() bool { return n.Stats().Connections == 0 })
	check("gone")
}

func TestAccountErrors(t *testing.T) {
	for _, tt := range []struct {
		name     string
		accounts []AccountOptions
		want     string
	}{
		{"no name", []AccountOptions{{}}, "no name"},
		{"twice", []AccountOptions{{Name: "A"}, {Name: "A"}}, `two called "A"`},
		{"unknown", []AccountOptions{{Name: "A", Imports: []Import{{Account: "B", Subject: "x"}}}}, `no account "B"`},
		{"not exported", []AccountOptions{{Name: "A", Imports: []Import{{Account: "B", Subject: "x"}}}, {Name: "B"}}, "exports no such stream"},
		{"other kind", []AccountOptions{{Name: "A", Imports: []Import{{Account: "B", Subject: "x", Service: true}}}, {Name: "B", Exports: []Export{{Subject: "x"}}}}, "exports no such service"},
		{"private", []AccountOptions{{Name: "A", Imports: []Import{{Account: "B", Subject: "x"}}}, {Name: "B", Exports: []Export{{Subject: "x", Accounts: []string{}}}}}, "does not export"},
		{"token", []AccountOptions{{Name: "A", Imports: []Import{{Account: "B", Subject: "x.C"}}}, {Name: "B", Exports: []Export{{Subject: "x.*", TokenPosition: 2}}}}, "does not export"},
		{"cycle", []AccountOptions{
			{Name: "A", Imports: []Import{{Account: "B", Subject: "x"}}, Exports: []Export{{Subject: "x"}}},
			{Name: "B", Imports: []Import{{Account: "A", Subject: "x"}}, Exports: []Export{{Subject: "x"}}},
		}, "comes from itself"},
		{"weights", []AccountOptions{{Name: "A", Mappings: []Mapping{{Subject: "x", Destinations: []MappedTo{{Subject: "y", Weight: 60}, {Subject: "z", Weight: 60}}}}}}, "more than 100"},
		{"traced to a pattern", []AccountOptions{{Name: "A", TraceDest: "a.>"}}, `cannot be traced to "a.>"`},
		{"traced too often", []AccountOptions{{Name: "A", TraceDest: "a", TraceSampling: 101}}, "101 percent"},
		{"traced stream", []AccountOptions{{Name: "A", Exports: []Export{{Subject: "x", AllowTrace: true}}}}, "only a service"},
		{"traced service", []AccountOptions{
			{Name: "A", Imports: []Import{{Account: "B", Subject: "x", Service: true, AllowTrace: true}}},
			{Name: "B", Exports: []Export{{Subject: "x", Service: true}}},
		}, "only of a stream"},
		{"stream twice", []AccountOptions{
			{Name: "A", Imports: []Import{{Account: "B", Subject: "x"}, {Account: "B", Subject: "x", To: "y"}}},
			{Name: "B", Exports: []Export{{Subject: "x"}}},
		}, `import of "x": it is there twice`},
		{"services of one subject", []AccountOptions{
			{Name: "A", Imports: []Import{{Account: "B", Subject: "x", Service: true}, {Account: "B", Subject: "y", To: "x", Service: true}}},
			{Name: "B", Exports: []Export{{Subject: "*", Service: true}}},
		}, `import of "y": another service of account "B" has the subject "x" already`},
		{"subject", []AccountOptions{{Name: "A", Exports: []Export{{Subject: "x..y"}}}}, "not a subject"},
	} {
		_, err := New(Options{Accounts: tt.accounts})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestAccountsAcrossMesh has the one who gives, the one who takes and the one who looks on at different nodes.
func TestAccountsAcrossMesh(t *testing.T) {
	var nodes []*Node
	for i := range 3 {
		nodes = append(nodes, startTenantPeer(t, fmt.Sprintf("n%d", i), nodes))
	}
	waitForMesh(t, nodes)
	for i, giver := range nodes {
		for k, taker := range nodes {
			t.Run(fmt.Sprintf("from %d to %d", i, k), func(t *testing.T) {
				service := dial(t, giver, as("A")+"SUB help q 1\r\n")
				service.sync()
				other := dial(t, taker, as("C")+"SUB > 1\r\n")
				other.sync()
				client := dial(t, taker, as("B")+"SUB inbox.* 9\r\nSUB from.a.> 8\r\n")
				client.sync()
				eventually(t, "the giver knows of it", func() bool {
					return matches(giver, "A", "news.x") && matches(taker, "A", "help")
				})
				for n := range 3 {
					service.send("PUB news.x 2\r\nhi\r\n")
					client.want(message("from.a.news.x", "8", "hi"))
					client.send(fmt.Sprintf("PUB a.help inbox.%d 2\r\nhi\r\n", n))
					reply := service.requested("help", "1", "hi")
					service.send("PUB " + reply + " 2\r\nok\r\n")
					client.want(message(fmt.Sprintf("inbox.%d", n), "9", "ok"))
				}
				other.sync()
				for _, p := range []*peer{service, client, other} {
					p.nc.Close()
				}
				eventually(t, "they are gone", func() bool { return !matches(giver, "A", "news.x") && !matches(taker, "A", "help") })
			})
		}
	}
}

// TestAnswersReachOtherNodes has answers awaited at other nodes than the one at which was asked, as by a
// client that has moved meanwhile.
func TestAnswersReachOtherNodes(t *testing.T) {
	var nodes []*Node
	for i := range 3 {
		nodes = append(nodes, startTenantPeer(t, fmt.Sprintf("n%d", i), nodes))
	}
	waitForMesh(t, nodes)
	service := dial(t, nodes[0], as("A")+"SUB list.* 1\r\n")
	service.sync()
	client := dial(t, nodes[1], as("B"))
	client.sync()
	eventually(t, "the service is known", func() bool { return matches(nodes[1], "A", "list.x") })
	known := func(subject string) {
		t.Helper()
		eventually(t, subject+" is known", func() bool { return matches(nodes[1], "B", subject) })
	}
	ask := func(inbox string) (reply string) {
		t.Helper()
		client.send("PUB list.x " + inbox + " 2\r\nhi\r\n")
		return service.requested("list.x", "1", "hi")
	}

	for i, n := range nodes {
		s := dial(t, n, as("B")+fmt.Sprintf("SUB alone.%d 7\r\n", i))
		s.sync()
		known(fmt.Sprintf("alone.%d", i))
		reply := ask(fmt.Sprintf("alone.%d", i))
		for range 3 {
			service.send("PUB " + reply + " 2\r\nok\r\n")
			s.want(message(fmt.Sprintf("alone.%d", i), "7", "ok"))
		}
		s.nc.Close()
	}

	// A client of the same node changes neither that, nor who is chosen of a queue group.
	var all []*peer
	for i, n := range nodes {
		s := dial(t, n, as("B")+fmt.Sprintf("SUB all 7\r\nSUB node.%d 8\r\n", i))
		s.sync()
		known(fmt.Sprintf("node.%d", i))
		all = append(all, s)
	}
	member := dial(t, nodes[2], as("B")+"SUB all q 9\r\nSUB member 8\r\n")
	member.sync()
	known("member")
	reply := ask("all")
	for range 3 {
		service.send("PUB " + reply + " 2\r\nok\r\n")
		for _, s := range all {
			s.want(message("all", "7", "ok"))
		}
		member.want(message("all", "9", "ok"))
	}
	// What a peer sends in the account itself goes no further.
	all[0].send("PUB all 2\r\nho\r\n")
	for _, s := range all {
		s.want(message("all", "7", "ho"))
	}
	for _, s := range append(all, member, service) {
		if s == member {
			s.want(message("all", "9", "ho"))
		}
		s.sync()
	}
}

func startTenantPeer(t *testing.T, name string, others []*Node) *Node {
	cluster := ClusterOptions{Host: "127.0.0.1", Port: RandomPort, NoGossip: true}
	for _, other := range others {
		cluster.Routes = append(cluster.Routes, routeURL(other))
	}
	return startNode(t, Options{
		ServerName:    name,
		Authenticator: byName{},
		Accounts:      tenants(),
		Cluster:       cluster,
	})
}

// matches reports whether a node knows of somebody who gets messages on a subject of an account.
func matches(n *Node, account, subject string) bool {
	var r subjects.Result[*subscription]
	n.accounts.get(account).index.Match([]byte(subject), &r)
	return len(r.Plain)+len(r.Queues) > 0
}

// TestAccountsOfPeersLeaveRoomForOthers has peers name as many accounts as the node remembers. It must get those
// that are configured nevertheless.
func TestAccountsOfPeersLeaveRoomForOthers(t *testing.T) {
	n := startNode(t, Options{})
	names := make([]string, mostAccounts)
	for i := range names {
		names[i] = fmt.Sprint("A", i)
	}
	n.accounts.add(names...)
	if n.accounts.obtainForPeer("OTHER") != nil {
		t.Error("a peer may name any number of accounts")
	}
	if n.accounts.obtainForPeer("A1") == nil {
		t.Error("a peer may not name one that there is")
	}
	reload(t, n, func(o *Options) {
		o.Accounts = []AccountOptions{{Name: "A1"}, {Name: "B", Imports: []Import{{Account: "C", Subject: "x"}}},
			{Name: "C", Exports: []Export{{Subject: "x"}}}}
	})
	for _, name := range []string{"A1", "B", "C"} {
		if !n.accounts.has(name) {
			t.Errorf("account %s is not there", name)
		}
	}
}
