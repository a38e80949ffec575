package node

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shoal/membership"
	"shoal/node/auth"
	"shoal/wire"
)

// reload changes the options of a node.
func reload(t testing.TB, n *Node, change func(*Options)) {
	t.Helper()
	o := *n.options()
	change(&o)
	if err := n.Reload(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// users returns who may connect, each with the password "p".
func users(t testing.TB, list ...auth.User) Authenticator {
	t.Helper()
	for i := range list {
		if list[i].Password == "" {
			list[i].Password = "p"
		}
	}
	return mustUsers(t, auth.Config{Users: list})
}

// only allows some subjects for publishing, and others for subscribing.
func only(publish, subscribe []string) *auth.Permissions {
	return &auth.Permissions{
		Publish:   auth.SubjectRules{Allow: publish},
		Subscribe: auth.SubjectRules{Allow: subscribe},
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	n := startNode(t, Options{Cluster: ClusterOptions{Host: "127.0.0.1", Port: RandomPort, Name: "C"}})
	before := n.options()
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"port", func(o *Options) { o.Port = 4223 }, `port: it cannot change from "-1" to "4223" while the server runs, restart it`},
		{"host", func(o *Options) { o.Host = "localhost" }, "addr: it cannot change"},
		{"name", func(o *Options) { o.ServerName = "other" }, "name: it cannot change"},
		{"cluster", func(o *Options) { o.Cluster.Name = "D" }, `cluster_name: it cannot change from "C" to "D"`},
		{"no cluster", func(o *Options) { o.Cluster = ClusterOptions{} }, "cluster "},
		{"gossip", func(o *Options) { o.Cluster.NoGossip = true }, "no_gossip: it cannot change"},
		{"key", func(o *Options) { o.Cluster.GossipKeys = [][]byte{make([]byte, 16)} }, "gossip_key: encryption cannot be"},
		{"invalid", func(o *Options) { o.MaxPayload = -1 }, "max_payload: -1 is negative"},
		{"account", func(o *Options) {
			o.Accounts = []AccountOptions{{Name: "A", Imports: []Import{{Account: "B", Subject: "x"}}}}
		}, `account "A": import of "x": there is no account "B"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := *n.options()
			o.MaxConnections = 1
			tt.change(&o)
			if err := n.Reload(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
			if n.options() != before {
				t.Error("the options have changed")
			}
		})
	}
	c := dial(t, n, quiet)
	dial(t, n, quiet).sync()
	c.sync()
}

func TestReloadOfANodeThatWasNotStarted(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Reload(t.Context(), Options{}); err == nil {
		t.Error("no error")
	}
}

func TestReloadOfLimits(t *testing.T) {
	n := startNode(t, Options{MaxPayload: 4})
	c := dial(t, n, `CONNECT {"verbose":false,"protocol":1}`+"\r\nSUB x 1\r\n")
	c.sync()
	wantMaxPayload := func(want int) {
		t.Helper()
		info, err := wire.ParseInfo([]byte(strings.TrimPrefix(c.line(), "INFO ")))
		if err != nil || info.MaxPayload != want {
			t.Fatalf("got INFO with max_payload %d (%v), want %d", info.MaxPayload, err, want)
		}
	}
	wantMaxPayload(4)
	last := dial(t, n, quiet)
	last.sync()
	reload(t, n, func(o *Options) { o.MaxPayload = 8; o.MaxConnections = 1; o.MaxSubscriptions = 1 })
	last.wantEnd("-ERR 'maximum connections exceeded'\r\n")
	wantMaxPayload(8)
	c.send("PUB x 8\r\n12345678\r\nSUB y 2\r\n")
	c.want(message("x", "1", "12345678"))
	c.want("-ERR 'maximum subscriptions exceeded'\r\n")
	dial(t, n, "").wantEnd("-ERR 'maximum connections exceeded'\r\n")
	reload(t, n, func(o *Options) { o.MaxPayload = 7; o.MaxConnections = 2 })
	wantMaxPayload(7)
	c.send("PUB x 8\r\n12345678\r\n")
	c.wantEnd("-ERR 'Maximum Payload Violation'\r\n")
}

func TestReloadOfUsers(t *testing.T) {
	accounts := []AccountOptions{{Name: "A"}, {Name: "B"}}
	who := []auth.User{
		{Name: "stays", Account: "A"},
		{Name: "goes", Account: "A"},
		{Name: "new secret", Account: "A"},
		{Name: "moves", Account: "A"},
		{Name: "loses", Account: "B"},
	}
	n := startNode(t, Options{Accounts: accounts, Authenticator: users(t, who...)})
	clients := make(map[string]*peer)
	for _, u := range who {
		c := dial(t, n, as(u.Name)+"SUB x 1\r\n")
		c.sync()
		clients[u.Name] = c
	}
	reload(t, n, func(o *Options) {
		o.Accounts = accounts[:1]
		o.Authenticator = users(t, auth.User{Name: "stays", Account: "A"}, auth.User{Name: "new secret", Account: "A", Password: "q"},
			auth.User{Name: "moves"}, auth.User{Name: "fresh", Account: "A"})
	})
	for name, c := range clients {
		if name != "stays" {
			c.wantEnd("")
		}
	}
	dial(t, n, as("fresh")+"PUB x 2\r\nhi\r\n").sync()
	clients["stays"].want(message("x", "1", "hi"))
	dial(t, n, as("goes")).wantEnd("-ERR 'Authorization Violation'\r\n")

	t.Run("nobody has to log in", func(t *testing.T) {
		g := dial(t, n, as("moves"))
		g.sync()
		reload(t, n, func(o *Options) { o.Authenticator = nil; o.Accounts = nil })
		clients["stays"].wantEnd("") // has an account of which nothing is left
		g.sync()
		reload(t, n, func(o *Options) { o.Authenticator = users(t, auth.User{Name: "moves"}) })
		g.wantEnd("")
	})
}

func TestReloadOfPermissions(t *testing.T) {
	mayAll := auth.User{Name: "all"}
	n := startNode(t, Options{Authenticator: users(t, mayAll, auth.User{Name: "u", Permissions: only([]string{"p"}, []string{"a", "b", "c.>"})})})
	c := dial(t, n, as("u")+"SUB a 1\r\nSUB b q 2\r\nSUB c.> 3\r\n")
	c.sync()
	c.send("PUB s 0\r\n\r\nPUB s 0\r\n\r\nPUB p 0\r\n\r\n") // what may be published is remembered
	for range 2 {
		c.want("-ERR 'Permissions Violation for Publish to \"s\"'\r\n")
	}
	c.sync()
	narrowed := only([]string{"s"}, []string{"c.>"})
	narrowed.Subscribe.Deny = []string{"c.d"}
	reload(t, n, func(o *Options) {
		o.Authenticator = users(t, mayAll, auth.User{Name: "u", Permissions: narrowed})
	})
	lines := []string{c.line(), c.line()}
	slices.Sort(lines)
	want := []string{
		`-ERR 'Permissions Violation for Subscription to "a" (sid "1")'`,
		`-ERR 'Permissions Violation for Subscription to "b" using queue "q" (sid "2")'`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	dial(t, n, as("all")+"PUB a 0\r\n\r\nPUB b 0\r\n\r\nPUB c.d 0\r\n\r\nPUB c.e 2\r\nhi\r\n").sync()
	c.want(message("c.e", "3", "hi"))
	c.send("PUB s 0\r\n\r\nPUB p 0\r\n\r\n")
	c.want("-ERR 'Permissions Violation for Publish to \"p\"'\r\n")
	c.sync()
	reload(t, n, func(o *Options) { o.Authenticator = users(t, mayAll, auth.User{Name: "u"}) })
	dial(t, n, as("all")+"PUB c.d 2\r\nhi\r\n").sync()
	c.want(message("c.d", "3", "hi"))
	c.send("SUB a 1\r\nPUB a 1\r\nx\r\n")
	c.want(message("a", "1", "x"))
	if got := n.accounts.len(); got != 2 {
		t.Errorf("there are %d subscriptions, want 2", got)
	}
}

func TestReloadOfImports(t *testing.T) {
	n := startTenants(t)
	b := dial(t, n, as("B")+"SUB from.a.> 1\r\nSUB > 2\r\n")
	b.sync()
	a := dial(t, n, as("A"))
	heard := func(subject string, sids ...string) {
		t.Helper()
		a.send("PUB news.x 2\r\nhi\r\n")
		a.sync()
		var got []string
		for range sids {
			line := b.line()
			b.want("hi\r\n")
			got = append(got, line)
		}
		slices.Sort(got)
		for i, sid := range sids {
			if want := "MSG " + subject + " " + sid + " 2"; got[i] != want {
				t.Errorf("got %q, want %q", got[i], want)
			}
		}
		b.sync()
	}
	heard("from.a.news.x", "1", "2")
	withImports := func(list ...Import) {
		t.Helper()
		reload(t, n, func(o *Options) {
			o.Accounts = slices.Clone(o.Accounts)
			o.Accounts[1].Imports = list
		})
	}
	withImports()
	heard("")
	withImports(Import{Account: "A", Subject: "news.>"})
	heard("news.x", "2")
	withImports(Import{Account: "A", Subject: "news.*", To: "from.a.$1"})
	heard("from.a.x", "1", "2")
	b.send("UNSUB 1\r\nUNSUB 2\r\n")
	b.sync()
	if got := n.accounts.len(); got != 0 {
		t.Errorf("%d subscriptions are left", got)
	}
}

// TestReloadKeepsOtherImports has what comes by an import that stays not be missed because of others.
func TestReloadKeepsOtherImports(t *testing.T) {
	n := startTenants(t)
	dial(t, n, as("B")+"SUB > 1\r\n").sync()
	for i, step := range []struct {
		imports           []Import
		inserted, removed uint64
	}{
		{[]Import{{Account: "A", Subject: "news.>"}, {Account: "A", Subject: "price.*.*"}}, 2, 2},
		{[]Import{{Account: "A", Subject: "price.*.*"}, {Account: "A", Subject: "news.x"}, {Account: "A", Subject: "news.>"}}, 1, 0},
		{[]Import{{Account: "A", Subject: "news.x"}, {Account: "A", Subject: "price.*.*", To: "cost.$2.$1"}}, 1, 2},
	} {
		before := n.Index("A")
		reload(t, n, func(o *Options) {
			o.Accounts = slices.Clone(o.Accounts)
			o.Accounts[1].Imports = step.imports
		})
		after := n.Index("A")
		if in, out := after.Inserted-before.Inserted, after.Removed-before.Removed; in != step.inserted || out != step.removed {
			t.Errorf("step %d: %d subscriptions came and %d went, want %d and %d", i, in, out, step.inserted, step.removed)
		}
	}
}

func TestReloadLosesNothing(t *testing.T) {
	n := startNode(t, Options{Authenticator: users(t, auth.User{Name: "A", Account: "A"}, auth.User{Name: "B", Account: "B"}), Accounts: tenants()})
	b := dial(t, n, as("B")+"SUB from.a.news.> 1\r\n")
	b.sync()
	const messages = 2000
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			accounts := tenants()
			if i%2 == 0 {
				accounts[1].Imports = append(accounts[1].Imports, Import{Account: "A", Subject: "price.a.b", To: "other"})
			}
			reload(t, n, func(o *Options) {
				o.Authenticator = users(t, auth.User{Name: "A", Account: "A"}, auth.User{Name: "B", Account: "B", Permissions: only(nil, []string{"from.>"})})
				o.Accounts = accounts
			})
		}
	})
	a := dial(t, n, as("A"))
	for i := range messages {
		text := fmt.Sprint(i)
		a.send(fmt.Sprintf("PUB news.x %d\r\n%s\r\n", len(text), text))
		b.want(message("from.a.news.x", "1", text))
	}
	close(stop)
}

// TestReloadWhileClientsComeAndGo has what remains be as if the last options had held from the start.
func TestReloadWhileClientsComeAndGo(t *testing.T) {
	accounts := tenants()
	accounts[1].Limits = AccountLimits{}
	n := startNode(t, Options{Authenticator: users(t, auth.User{Name: "B", Account: "B"}), Accounts: accounts})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				nc, err := n.InProcessConn()
				if err != nil {
					t.Error(err)
					return
				}
				go func() { _, _ = io.Copy(io.Discard, nc) }() // ends with nc
				nc.SetWriteDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(nc, as("B")+"SUB > 1\r\nSUB from.> q 2\r\nSUB x 3\r\nUNSUB 3\r\n")
				nc.Close()
			}
		})
	}
	for i := range 100 {
		reload(t, n, func(o *Options) {
			o.Accounts = slices.Clone(accounts)
			var p *auth.Permissions
			if i%2 == 0 {
				o.Accounts[1].Imports = nil
				p = only(nil, []string{"from.>"})
			}
			o.Authenticator = users(t, auth.User{Name: "B", Account: "B", Permissions: p})
		})
	}
	wg.Wait()
	eventually(t, "no client is left", func() bool { return len(n.clients.all()) == 0 })
	eventually(t, "no subscription is left", func() bool { return n.accounts.len() == 0 })
	for name, a := range n.accounts.all() {
		eventually(t, "account "+name+" counts no clients", func() bool { return a.clients.Load() == 0 })
	}
}

// TestReloadEqualsRestart compares a node that was reloaded, and a client of it that was there before, with
// one that was started with the same options.
func TestReloadEqualsRestart(t *testing.T) {
	names := []string{"A", "B", "C"}
	subjectList := []string{"x", "news.x", "news.y", "from.a.news.x", "price.1.2", "cost.2.1", "old.1", "new.1"}
	patterns := append([]string{">", "news.*", "from.>"}, subjectList...)
	draw := func(t *rapid.T, label string) func(*Options) {
		some := func(what string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 0, 3, rapid.ID).Draw(t, label+" "+what)
		}
		var list []auth.User
		for _, name := range names {
			u := auth.User{Name: name, Account: name, Password: "p"}
			if rapid.Bool().Draw(t, label+" has permissions "+name) {
				u.Permissions = &auth.Permissions{
					Publish:   auth.SubjectRules{Allow: some("publish"), Deny: some("deny publish")},
					Subscribe: auth.SubjectRules{Allow: some("subscribe"), Deny: some("deny subscribe")},
				}
			}
			list = append(list, u)
		}
		accounts := tenants()
		accounts[1].Limits = AccountLimits{}
		accounts[1].Imports = rapid.Permutation(accounts[1].Imports).Draw(t, label+" imports")[:rapid.IntRange(0, 4).Draw(t, label+" number")]
		if rapid.Bool().Draw(t, label+" no mappings") {
			accounts[1].Mappings = nil
		}
		authenticator, err := auth.New(auth.Config{Users: list})
		if err != nil {
			t.Fatal(err)
		}
		return func(o *Options) { o.Authenticator, o.Accounts = authenticator, accounts }
	}
	subscribing := func(user string) string {
		b := as(user)
		for i, p := range patterns {
			b += fmt.Sprintf("SUB %s %d\r\n", p, i+1)
		}
		return b
	}
	// start runs a node with a client of each user, who subscribes to everything.
	start := func(configure func(*Options)) (*Node, map[string]*peer) {
		var o Options
		configure(&o)
		n := startNode(t, o)
		clients := make(map[string]*peer)
		for _, name := range names {
			clients[name] = dial(t, n, subscribing(name)+"PING\r\n")
			clients[name].until("PONG")
		}
		return n, clients
	}
	// behaviour is what clients get when each user publishes to every subject.
	behaviour := func(t testing.TB, n *Node, clients map[string]*peer) string {
		var b strings.Builder
		for _, from := range names {
			p := dial(t, n, as(from))
			p.sync()
			for _, s := range subjectList {
				p.send("PUB " + s + " 0\r\n\r\n")
				p.send("PING\r\n")
				fmt.Fprintln(&b, from, s, p.until("PONG"))
				for _, to := range names {
					clients[to].send("PING\r\n")
					got := clients[to].until("PONG")
					slices.Sort(got)
					fmt.Fprintln(&b, to, got)
				}
			}
			p.nc.Close()
		}
		return b.String()
	}
	rapid.Check(t, func(rt *rapid.T) {
		first, second := draw(rt, "first"), draw(rt, "second")
		var got [2]string
		func() {
			n, clients := start(first)
			defer n.Shutdown(context.Background())
			behaviour(t, n, clients) // fills what is remembered
			reload(t, n, second)
			// A client that was there has lost what it may not have any more, and asks for what it may.
			for name, c := range clients {
				c.send(strings.TrimPrefix(subscribing(name), as(name)) + "PING\r\n")
				c.until("PONG")
			}
			got[0] = behaviour(t, n, clients)
		}()
		func() {
			n, clients := start(second)
			defer n.Shutdown(context.Background())
			got[1] = behaviour(t, n, clients)
		}()
		if got[0] != got[1] {
			rt.Fatalf("after a reload:\n%s\nafter a start:\n%s", got[0], got[1])
		}
	})
}

// until returns the lines before one.
func (p *peer) until(last string) (lines []string) {
	p.t.Helper()
	for {
		line := p.line()
		if line == last {
			return lines
		}
		if line != "" { // an empty payload
			lines = append(lines, line)
		}
	}
}

func TestReloadOfRoutes(t *testing.T) {
	lone := func(name string) *Node {
		return startPeer(t, name, ClusterOptions{Name: "C", NoGossip: true}, nil)
	}
	a, b, c := lone("a"), lone("b"), lone("c")
	reload(t, a, func(o *Options) { o.Cluster.Routes = []*url.URL{routeURL(b)} })
	waitForMesh(t, []*Node{a, b})
	first := a.Routes()[0].ID
	reload(t, a, func(o *Options) { o.Cluster.Routes = []*url.URL{routeURL(c)} })
	eventually(t, "the configured route leads to c instead of b", func() bool {
		// They know each other by now, so they may have another route, as servers of any mesh.
		r := a.Routes()
		return slices.ContainsFunc(r, func(r RouteInfo) bool { return r.RemoteName == "c" && r.Configured }) &&
			!slices.ContainsFunc(r, func(r RouteInfo) bool { return r.ID == first })
	})
}

func TestReloadOfClusterPassword(t *testing.T) {
	secret := secretCluster()
	a := startPeer(t, "a", secret, nil)
	b := startPeer(t, "b", secret, []*Node{a})
	waitForMesh(t, []*Node{a, b})
	first := a.Routes()[0].ID
	changed := func(o *Options) { o.Cluster.Password = "changed" }
	reload(t, a, changed)
	reload(t, b, changed)
	eventually(t, "there is another route", func() bool {
		r := a.Routes()
		return len(r) == 1 && r[0].ID != first
	})
	waitForMesh(t, []*Node{a, b})
}

func TestReloadOfJoinAndKeys(t *testing.T) {
	key := func(b byte) []byte { return []byte(strings.Repeat(string(b), 16)) }
	alone := func(name string) *Node {
		return startPeer(t, name, ClusterOptions{Name: "C", GossipProfile: membership.Local, GossipKeys: [][]byte{key('a')}}, nil)
	}
	a, b := alone("a"), alone("b")
	reload(t, b, func(o *Options) { o.Cluster.Join = []string{a.ClusterAddr().String()} })
	waitForMesh(t, []*Node{a, b})
	reload(t, a, func(o *Options) { o.Cluster.GossipKeys = [][]byte{key('b'), key('a')} })
	eventually(t, "b seals with the new key", func() bool { return string(b.Membership().Keyring().Keys()[0]) == string(key('b')) })
	reload(t, b, func(o *Options) { o.Cluster.GossipKeys = [][]byte{key('b')} })
	eventually(t, "a has forgotten the old key", func() bool { return len(a.Membership().Keyring().Keys()) == 1 })
}
