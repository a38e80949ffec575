package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"shoal/wire"
)

// aRoute is what a server that is no shoal node sends when it dials, with its ID and cluster.
func aRoute(id string) string {
	return fmt.Sprintf(`CONNECT {"echo":true,"headers":true,"name":"%[1]s","cluster":"C","lnoc":true,"ln":true}`+"\r\n"+
		`INFO {"server_id":"%[1]s","server_name":"%[1]s","version":"2.15.2","proto":3,"host":"127.0.0.1","port":1,`+
		`"headers":true,"cluster":"C","lnoc":true,"ln":true,"connect_urls":["10.0.0.1:4222"]}`+"\r\n", id)
}

// startLone runs a node of cluster C without peers.
func startLone(t testing.TB, tune ...func(*Node)) *Node {
	return startPeer(t, "n", ClusterOptions{Name: "C"}, nil, tune...)
}

// dialRoute connects to the port for routes, swallows INFO and sends what is given.
func dialRoute(t testing.TB, n *Node, send string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", n.ClusterAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, nc, send)
}

// joinRoute makes a route as a server that is no shoal node does, up to where both are registered,
// and wants the node to announce the lines given.
func joinRoute(t testing.TB, n *Node, id string, interest ...string) *peer {
	t.Helper()
	p := dialRoute(t, n, aRoute(id))
	p.want("PING\r\n")
	p.send("PONG\r\n")
	got := make(map[string]bool)
	for range interest {
		got[p.line()] = true
	}
	for _, line := range interest {
		if !got[line] {
			t.Fatalf("announced %v, want %q", got, line)
		}
	}
	p.sync()
	if r := n.routes.inSlot(id, soleSlot); r != nil {
		r.vigil.armed.Store(true) // or it would ping a peer that does not answer for a moment, which disturbs tests
	}
	return p
}

func TestRouteHandshakeErrors(t *testing.T) {
	for _, tt := range []struct {
		name, send, want string
		cluster          ClusterOptions
	}{
		{name: "INFO first", send: `INFO {"server_id":"X"}` + "\r\n", want: "-ERR 'Authorization Violation'\r\n"},
		{name: "PING first", send: "PING\r\n", want: "-ERR 'Authorization Violation'\r\n"},
		{name: "client", send: `CONNECT {"lang":"go","cluster":"C"}` + "\r\n", want: "-ERR 'attempted to connect to route port'\r\n"},
		{name: "gateway", send: `CONNECT {"gateway":"G","cluster":"C"}` + "\r\n",
			want: "-ERR 'Rejecting connection from gateway \"G\" on the Route port'\r\n"},
		{name: "other cluster", send: `CONNECT {"cluster":"D"}` + "\r\n",
			want: "-ERR 'Rejecting connection, cluster name \"D\" does not match \"C\"'\r\n"},
		{name: "no cluster", send: "CONNECT {}\r\n",
			want: "-ERR 'Rejecting connection, cluster name \"\" does not match \"C\"'\r\n"},
		{name: "other cluster in INFO", send: `CONNECT {"cluster":"C"}` + "\r\n" + `INFO {"server_id":"X","cluster":"D"}` + "\r\n",
			want: "-ERR 'Rejecting connection, cluster name \"D\" does not match \"C\"'\r\n"},
		{name: "not JSON", send: "CONNECT x\r\n"},
		{name: "no ID", send: `CONNECT {"cluster":"C"}` + "\r\n" + `INFO {"cluster":"C"}` + "\r\n"},
		{name: "its own name", send: `CONNECT {"cluster":"C"}` + "\r\n" + `INFO {"server_id":"X","server_name":"n","cluster":"C"}` + "\r\n",
			want: "-ERR 'Duplicate server name \"n\"'\r\n"},
		{name: "unknown verb", send: aRoute("X") + "SUB foo 1\r\n", want: "PING\r\n-ERR 'Unknown Protocol Operation'\r\n"},
		{name: "malformed interest", send: aRoute("X") + "RS+ $G foo q\r\n", want: "PING\r\n"},
		{name: "malformed message", send: aRoute("X") + "RMSG $G foo bar baz 2\r\nhi\r\n", want: "PING\r\n"},
		{name: "no password", send: `CONNECT {"cluster":"C"}` + "\r\n", want: "-ERR 'Authorization Violation'\r\n",
			cluster: ClusterOptions{User: "u", Password: "p"}},
		{name: "wrong password", send: `CONNECT {"cluster":"C","user":"u","pass":"q"}` + "\r\n", want: "-ERR 'Authorization Violation'\r\n",
			cluster: ClusterOptions{User: "u", Password: "p"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cluster.Name = "C"
			n := startPeer(t, "n", tt.cluster, nil)
			p := dialRoute(t, n, tt.send)
			p.wantEnd(tt.want)
			eventually(t, "nothing is left", func() bool { return len(n.routes.everyone()) == 0 && n.accounts.len() == 0 })
		})
	}
}

// TestRouteTakesLongLines has a peer pass on a subject that is as long as those of clients may be, and then
// a message for many queue groups with long names.
func TestRouteTakesLongLines(t *testing.T) {
	n := startNode(t, Options{MaxControlLine: 1 << 20, Cluster: ClusterOptions{
		Name: "C", Host: "127.0.0.1", Port: RandomPort, NoGossip: true}})
	p := dialRoute(t, n, aRoute("X")+"PONG\r\n")
	for p.line() != "PING" {
	}
	p.send("RMSG $G " + strings.Repeat("a", 1<<20) + " 2\r\nhi\r\n" +
		"RMSG $G a |" + strings.Repeat(" "+strings.Repeat("q", 4000), 1000) + " 2\r\nhi\r\nPING\r\n")
	for p.line() != "PONG" {
	}
}

// TestRouteTakesLongMessages has a peer pass on a message that is as long as those of clients may be, with
// headers that it has added.
func TestRouteTakesLongMessages(t *testing.T) {
	const size = maxRoutedPayload + 1<<10
	n := startNode(t, Options{MaxPayload: maxRoutedPayload, MaxPending: 2 * maxRoutedPayload, Cluster: ClusterOptions{
		Name: "C", Host: "127.0.0.1", Port: RandomPort, NoGossip: true}})
	p := joinRoute(t, n, "X")
	p.send(fmt.Sprintf("RMSG $G a %d\r\n", size) + strings.Repeat("x", size) + "\r\n")
	p.sync()
}

func TestRouteToItself(t *testing.T) {
	n := startLone(t)
	n.targets.configure(routeURL(n))
	n.wakeDialer()
	eventually(t, "the route to itself is ignored", func() bool {
		peers := n.Peers()
		return len(peers) == 1 && peers[0].State == string(targetSelf)
	})
	if routes := n.Routes(); len(routes) != 0 {
		t.Errorf("routes: %+v", routes)
	}
}

func TestInterestIsAnnounced(t *testing.T) {
	n := startLone(t)
	c := dial(t, n, quiet+"SUB before 1\r\nSUB before crew 2\r\n")
	c.sync()
	p := joinRoute(t, n, "X", "RS+ $G before", "RS+ $G before crew 1")
	for _, step := range []struct{ send, want string }{
		{"SUB foo 3\r\n", "RS+ $G foo\r\n"},
		{"SUB foo 4\r\n", ""},
		{"UNSUB 3\r\n", ""},
		{"UNSUB 4\r\n", "RS- $G foo\r\n"},
		{"SUB bar q 5\r\n", "RS+ $G bar q 1\r\n"},
		{"SUB bar q 6\r\n", "RS+ $G bar q 2\r\n"},
		{"UNSUB 5\r\n", "RS+ $G bar q 1\r\n"},
		{"UNSUB 6\r\n", "RS- $G bar q\r\n"},
		{"SUB foo 7\r\nUNSUB 7\r\n", ""},
		{"SUB au 8\r\nUNSUB 8 1\r\n", "RS+ $G au\r\n"},
		{"PUB au 0\r\n\r\n", "RS- $G au\r\n"},
	} {
		c.send(step.send + "PING\r\n")
		for c.line() != "PONG" {
		}
		p.want(step.want)
		p.sync()
	}
	c.nc.Close()
	got := []string{p.line(), p.line()}
	for _, want := range []string{"RS- $G before", "RS- $G before crew"} {
		if got[0] != want && got[1] != want {
			t.Errorf("withdrawn %q, want %q", got, want)
		}
	}
}

// TestRoutedMessages sends messages as a peer does, and looks at what clients get.
func TestRoutedMessages(t *testing.T) {
	n := startLone(t)
	c := dial(t, n, quiet+"SUB p 1\r\nSUB p q1 2\r\nSUB p q1 3\r\nSUB p q2 4\r\n")
	c.sync()
	old := dial(t, n, `CONNECT {"verbose":false}`+"\r\nSUB p 9\r\n")
	old.sync()
	p := joinRoute(t, n, "X", "RS+ $G p", "RS+ $G p q1 2", "RS+ $G p q2 1")
	for _, tt := range []struct{ send, want, old string }{
		{"RMSG $G p 2\r\nhi\r\n", "MSG p 1 2\r\nhi\r\n", "MSG p 9 2\r\nhi\r\n"},
		{"RMSG $G p back 2\r\nhi\r\n", "MSG p 1 back 2\r\nhi\r\n", "MSG p 9 back 2\r\nhi\r\n"},
		{"RMSG $G p | q1 2\r\nhi\r\n", "MSG p 1 2\r\nhi\r\nMSG p Q 2\r\nhi\r\n", "MSG p 9 2\r\nhi\r\n"},
		{"RMSG $G p + back q1 q2 2\r\nhi\r\n",
			"MSG p 1 back 2\r\nhi\r\nMSG p Q back 2\r\nhi\r\nMSG p 4 back 2\r\nhi\r\n", "MSG p 9 back 2\r\nhi\r\n"},
		{"RMSG $G p | 2\r\nhi\r\n", "MSG p 1 | 2\r\nhi\r\n", "MSG p 9 | 2\r\nhi\r\n"},
		{"HMSG $G p 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG p 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "MSG p 9 2\r\nhi\r\n"},
		{"HMSG $G p + back q2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
			"HMSG p 1 back 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG p 4 back 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "MSG p 9 back 2\r\nhi\r\n"},
		{"LMSG leaf $G p 0 2\r\nhi\r\n", "MSG p 1 2\r\nhi\r\n", "MSG p 9 2\r\nhi\r\n"},
		{"RMSG OTHER p 2\r\nhi\r\n", "", ""},
		{"RMSG $G p $JS.ACK.S.C.1.1.1.17.4@ev.0 2\r\nhi\r\n",
			"MSG ev.0 1 $JS.ACK.S.C.1.1.1.17.4 2\r\nhi\r\n", "MSG ev.0 9 $JS.ACK.S.C.1.1.1.17.4 2\r\nhi\r\n"},
		{"HMSG $G p + $JS.ACK.S.C.1.1.1.17.4@ev.0 q2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
			"HMSG ev.0 1 $JS.ACK.S.C.1.1.1.17.4 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG ev.0 4 $JS.ACK.S.C.1.1.1.17.4 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
			"MSG ev.0 9 $JS.ACK.S.C.1.1.1.17.4 2\r\nhi\r\n"},
		{"RMSG $G p $JS.ACK.S@ev.0 2\r\nhi\r\n", "MSG p 1 $JS.ACK.S@ev.0 2\r\nhi\r\n", "MSG p 9 $JS.ACK.S@ev.0 2\r\nhi\r\n"},
		{"RMSG $G nobody 2\r\nhi\r\n", "", ""},
	} {
		p.send(tt.send)
		p.sync()
		c.send("PING\r\n")
		want := tt.want + "PONG\r\n"
		if strings.Contains(want, "Q") { // one of two members
			got := c.read(len(want))
			if got != strings.Replace(want, "Q", "2", 1) && got != strings.Replace(want, "Q", "3", 1) {
				t.Fatalf("after %q got %q", tt.send, got)
			}
		} else {
			c.want(want)
		}
		old.send("PING\r\n")
		old.want(tt.old + "PONG\r\n")
	}
}

// TestMessagesToPeer publishes as a client, and looks at what a peer gets.
func TestMessagesToPeer(t *testing.T) {
	for _, tt := range []struct{ name, interest, send, want string }{
		{"plain", "RS+ $G p\r\n", "PUB p 2\r\nhi\r\n", "RMSG $G p 2\r\nhi\r\n"},
		{"reply", "RS+ $G p\r\n", "PUB p back 2\r\nhi\r\n", "RMSG $G p back 2\r\nhi\r\n"},
		{"headers", "RS+ $G p\r\n", "HPUB p 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG $G p 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
		{"written oddly", "RS+ $G p\r\n", "PUB  p\tback  02\r\nhi\r\n", "RMSG $G p back 02\r\nhi\r\n"},
		{"one copy", "RS+ $G p.*\r\nRS+ $G p.>\r\nRS+ $G p.x\r\n", "PUB p.x 0\r\n\r\n", "RMSG $G p.x 0\r\n\r\n"},
		{"queue", "RS+ $G p q1 1\r\n", "PUB p 2\r\nhi\r\n", "RMSG $G p | q1 2\r\nhi\r\n"},
		{"queue and reply", "RS+ $G p q1 1\r\n", "PUB p back 2\r\nhi\r\n", "RMSG $G p + back q1 2\r\nhi\r\n"},
		{"plain and queue", "RS+ $G p\r\nRS+ $G p q1 1\r\n", "PUB p back 2\r\nhi\r\n", "RMSG $G p + back q1 2\r\nhi\r\n"},
		{"queue, headers", "RS+ $G p q1 1\r\n", "HPUB p back 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
			"HMSG $G p + back q1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
		{"queue, written oddly", "RS+ $G p q1 1\r\n", "PUB  p back  2\r\nhi\r\n", "RMSG $G p + back q1 2\r\nhi\r\n"},
		{"one queue by several patterns", "RS+ $G p.* q 1\r\nRS+ $G p.> q 3\r\n", "PUB p.x 0\r\n\r\n", "RMSG $G p.x | q 0\r\n\r\n"},
		{"leaf", "LS+ leaf $G p\r\nLS+ leaf $G p q 1\r\n", "PUB p 0\r\n\r\n", "RMSG $G p | q 0\r\n\r\n"},
		{"withdrawn", "RS+ $G p\r\nRS- $G p\r\nRS+ $G p q 4\r\nRS- $G p q\r\nLS+ l $G p\r\nLS- l $G p\r\n", "PUB p 0\r\n\r\n", ""},
		{"another account", "RS+ A p\r\n", "PUB p 0\r\n\r\n", ""},
		{"invalid", "RS+ $G a..b\r\nRS+ $G p\r\n", "PUB p 0\r\n\r\n", "RMSG $G p 0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := startLone(t)
			p := joinRoute(t, n, "X")
			p.send(tt.interest)
			p.sync()
			c := dial(t, n, quiet+tt.send)
			c.sync()
			p.want(tt.want)
			p.sync()
		})
	}
}

// TestTwoQueuesAtAPeer checks that both are named, in whatever order.
func TestTwoQueuesAtAPeer(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	p.send("RS+ $G p q1 1\r\nRS+ $G p q2 1\r\nRS+ $G p\r\n")
	p.sync()
	c := dial(t, n, quiet+"PUB p 2\r\nhi\r\n")
	c.sync()
	want := "RMSG $G p | q1 q2 2\r\nhi\r\n"
	if got := p.read(len(want)); got != want && got != strings.Replace(want, "q1 q2", "q2 q1", 1) {
		t.Errorf("got %q", got)
	}
}

// TestManyQueuesAtAPeer checks that all are named, but in no longer line than peers take.
func TestManyQueuesAtAPeer(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	const groups = 2500
	name := strings.Repeat("q", 4000)
	for i := range groups {
		p.send(fmt.Sprintf("RS+ $G p %s%d 1\r\n", name, i))
		if i == groups/2 {
			p.sync()
			c := dial(t, n, quiet+"PUB p 0\r\n\r\n")
			c.sync()
			if got := strings.Count(p.line(), name); got != i+1 {
				t.Errorf("%d groups are named, want %d", got, i+1)
			}
			p.line()
		}
	}
	p.sync()
	c := dial(t, n, quiet+"PUB p 0\r\n\r\n")
	c.sync()
	line := p.line()
	if most := maxNamed + len("RMSG $G p |  0"); len(line) > most || len(line) < most-2*len(name) {
		t.Errorf("a line of %d bytes, want hardly less than %d", len(line), most)
	}
}

// TestManyQueuesHere has a peer name so many queue groups that they are found by a map, and some that have
// no member here.
func TestManyQueuesHere(t *testing.T) {
	n := startLone(t)
	const groups = 100
	send, queues := quiet, ""
	for i := range groups {
		send += fmt.Sprintf("SUB p q%d %d\r\n", i, i)
		queues = fmt.Sprintf(" q%d", i) + queues
	}
	c := dial(t, n, send)
	c.sync()
	p := dialRoute(t, n, aRoute("X")+"PONG\r\n")
	for range 3 { // the subject is remembered from the second time on
		p.send("RMSG $G p | other" + queues + " 0\r\n\r\n")
		got := make(map[string]bool)
		for range groups {
			got[c.line()] = true
			c.line()
		}
		for i := range groups {
			if want := fmt.Sprintf("MSG p %d 0", i); !got[want] {
				t.Fatalf("%q is missing", want)
			}
		}
	}
}

func TestWeightsDecide(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	p.send("RS+ $G p q 1\r\nRS+ $G p q 9\r\n") // the second line replaces the first
	p.sync()
	c := dial(t, n, quiet+"SUB p q 1\r\n")
	c.sync()
	p.want("RS+ $G p q 1\r\n")
	const count = 2000
	c.send(strings.Repeat("PUB p 0\r\n\r\n", count) + "PING\r\n")
	local := 0
	for c.line() != "PONG" {
		local++
		c.line()
	}
	if share := float64(local) / count; share < 0.05 || share > 0.2 {
		t.Errorf("the member here got a share of %.3f, want a tenth", share)
	}
	for range count - local {
		p.want("RMSG $G p | q 0\r\n\r\n")
	}
	p.sync()
}

// TestBounce checks what becomes of a message for a queue group whose last member has left: it goes
// to another peer, or back. Before that, the peer is told that there is no member.
func TestBounce(t *testing.T) {
	n := startLone(t)
	c := dial(t, n, quiet+"SUB p q1 1\r\nSUB p 2\r\n")
	c.sync()
	from := joinRoute(t, n, "X", "RS+ $G p q1 1", "RS+ $G p")
	from.send("RS+ $G p q1 1\r\n")
	from.sync()
	c.send("UNSUB 1\r\n")
	c.sync()
	from.want("RS- $G p q1\r\n")
	from.send("RMSG $G p + back q1 2\r\nhi\r\n")
	from.want("RMSG $G p + back q1 2\r\nhi\r\n")
	c.want("MSG p 2 back 2\r\nhi\r\n")

	other := joinRoute(t, n, "Y", "RS+ $G p")
	other.send("RS+ $G p q1 1\r\n")
	other.sync()
	from.line() // news of Y
	from.send("HMSG $G p | q1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
	from.sync()
	other.want("HMSG $G p | q1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
	c.want("HMSG p 2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
}

func TestNoRespondersAcrossMesh(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	c := dial(t, n, quiet+"SUB in 1\r\nPUB svc in 0\r\n\r\n")
	p.want("RS+ $G in\r\n")
	if line := c.line(); !strings.HasPrefix(line, "HMSG in 1 ") {
		t.Fatalf("got %q", line)
	}
	c.read(len("NATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n"))
	p.send("RS+ $G svc\r\n")
	p.sync()
	c.send("PUB svc in 0\r\n\r\n")
	c.sync()
	p.want("RMSG $G svc in 0\r\n\r\n")
}

// TestInterestEndsWithRoute checks that nothing is left of a peer that has gone.
func TestInterestEndsWithRoute(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	c := dial(t, n, `CONNECT {"verbose":false,"protocol":1}`+"\r\nPING\r\n")
	c.want("PONG\r\n")
	c.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 2 && urls[1] == "10.0.0.1:4222" })
	p.send("RS+ $G p\r\nRS+ $G p q 2\r\n")
	p.sync()
	p.nc.Close()
	eventually(t, "interest has ended", func() bool { return n.accounts.len() == 0 })
	c.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 1 })
}

func TestDuplicateRoute(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	// The peer decides. It would close a second connection, or accept it because the first is dead.
	second := dialRoute(t, n, aRoute("X"))
	second.want("PING\r\n")
	second.nc.Close()
	p.sync()
	third := dialRoute(t, n, aRoute("X"))
	third.want("PING\r\n")
	third.send("PONG\r\n")
	third.sync()
	p.wantEnd("")
	if routes := n.Routes(); len(routes) != 1 {
		t.Errorf("routes: %+v", routes)
	}
}

// TestGoodbyeIsFinal has a server that says it stops while another connection to it is in its handshake,
// and has news of it come late.
func TestGoodbyeIsFinal(t *testing.T) {
	n := startLone(t)
	other := joinRoute(t, n, "A")
	p := joinRoute(t, n, "X")
	second := dialRoute(t, n, aRoute("X"))
	second.want("PING\r\n")
	p.send(`INFO {"server_id":"X","server_name":"X","cluster":"C","shoal":{"proto":3,"leaving":true}}` + "\r\n")
	p.sync()
	p.nc.Close()
	eventually(t, "the route is gone", func() bool { return len(n.Routes()) == 1 })
	second.send("PONG\r\n")
	second.wantEnd("")
	other.send(`INFO {"server_id":"X","server_name":"X","cluster":"C","host":"127.0.0.1","port":1}` + "\r\n")
	for other.line() != "PONG" { // which follows news of X from when it was there
		other.send("PING\r\n")
	}
	for _, p := range n.Peers() {
		if p.ID == "X" {
			t.Errorf("it is still looked for: %+v", p)
		}
	}
}

// TestGossip checks how news of servers travels.
func TestGossip(t *testing.T) {
	n := startLone(t)
	a := joinRoute(t, n, "A")
	b := joinRoute(t, n, "B")
	info, err := wire.ParseInfo([]byte(strings.TrimPrefix(a.line(), "INFO ")))
	if err != nil {
		t.Fatal(err)
	}
	if info.ID != "B" || info.GossipMode != gossipStop || info.IP != "nats-route://127.0.0.1:1/" || info.Nonce != "" {
		t.Errorf("A is told %+v", info)
	}
	b.sync() // it is told nothing: A will dial it
	// Who was dialled because of gossip says so, and the news ends here.
	c := dialRoute(t, n, strings.Replace(aRoute("C"), `"server_id"`, `"gossip_mode":1,"server_id"`, 1))
	c.want("PING\r\n")
	c.send("PONG\r\n")
	c.sync()
	a.sync()
	b.sync()
	// The node dials whom it hears of.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a.send(fmt.Sprintf(`INFO {"server_id":"D","cluster":"C","ip":"nats-route://%s/","gossip_mode":1}`+"\r\n", l.Addr()))
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte(`INFO {"server_id":"D","server_name":"D","cluster":"C","headers":true}` + "\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	var got string
	for !strings.Contains(got, "PING\r\n") {
		nc.SetReadDeadline(time.Now().Add(patience))
		n, err := nc.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	if !strings.HasPrefix(got, "CONNECT {") || !strings.Contains(got, `"gossip_mode":1`) {
		t.Errorf("got %q", got)
	}
}

// TestUnnamedClusterGrows checks that nodes which meet under invented names keep their routes.
func TestUnnamedClusterGrows(t *testing.T) {
	var nodes []*Node
	for i := range 4 {
		nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i), ClusterOptions{}, nodes[:min(i, 1)]))
		waitForMesh(t, nodes)
		ids := make(map[uint64]bool)
		for _, r := range nodes[0].Routes() {
			ids[r.ID] = true
		}
		for _, r := range nodes[0].routes.everyone() {
			if !ids[r.id] {
				t.Errorf("connection %d besides the routes", r.id)
			}
		}
	}
	first := nodes[0].Routes()
	named := startPeer(t, "named", ClusterOptions{Name: "C"}, nodes[:1])
	nodes = append(nodes, named)
	waitForMesh(t, nodes)
	for _, n := range nodes {
		eventually(t, "all have the configured name", func() bool {
			name, fixed := n.cluster.get()
			return name == "C" && fixed
		})
	}
	for i, r := range nodes[0].Routes()[:len(first)] {
		if r.ID != first[i].ID {
			t.Errorf("route %d was made anew", i)
		}
	}
}

// TestReady checks that the first message of a new node's first client reaches subscribers elsewhere.
func TestReady(t *testing.T) {
	nodes := startMesh(t, 3)
	var subs []*peer
	for _, n := range nodes {
		s := dial(t, n, quiet+"SUB first 1\r\n")
		s.sync()
		subs = append(subs, s)
	}
	for i := range 20 {
		n := startPeer(t, fmt.Sprintf("late%d", i), ClusterOptions{}, nodes[i%3:i%3+1])
		p := dial(t, n, quiet+"PUB first 2\r\nhi\r\n")
		p.sync()
		for _, s := range subs {
			s.want(message("first", "1", "hi"))
		}
		if err := n.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNotReady checks that a peer which does not answer holds a node up only for so long.
func TestNotReady(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cluster := ClusterOptions{ReadyTimeout: 10 * time.Millisecond}
	cluster.Routes = append(cluster.Routes, mustURL(t, "nats://"+l.Addr().String()))
	n := startPeer(t, "n", cluster, nil)
	if n.Synchronized() {
		t.Error("the node takes itself for synchronized")
	}
	dial(t, n, quiet).sync()
}

// TestLameDuck checks who is told what when a node goes.
func TestLameDuck(t *testing.T) {
	n := startPeer(t, "n", ClusterOptions{Name: "C"}, nil, func(n *Node) {
		setLameDuck(n, 2*time.Second, 2*time.Second)
	})
	c := dial(t, n, `CONNECT {"verbose":false,"protocol":1}`+"\r\nSUB p q 1\r\nSUB p lone 3\r\nSUB p 2\r\nPING\r\n")
	c.want("PONG\r\n")
	c.wantInfo(func([]string, bool) bool { return true })
	p := joinRoute(t, n, "X", "RS+ $G p q 1", "RS+ $G p lone 1", "RS+ $G p")
	p.send("RS+ $G p q 1\r\n")
	p.sync()
	c.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 2 })
	ended := make(chan error)
	go func() { ended <- n.LameDuck(context.Background()) }()
	p.want("RS- $G p q\r\n") // there is another member, but not of the other group
	p.wantInfo(func(_ []string, lame bool) bool { return lame })
	c.wantInfo(func(urls []string, lame bool) bool {
		return lame && len(urls) == 1 && urls[0] == "10.0.0.1:4222"
	})
	p.send("RMSG $G p 2\r\nhi\r\n") // the route still works
	c.want(message("p", "2", "hi"))
	p.send("RS- $G p q\r\n") // now there is none elsewhere
	p.want("RS+ $G p q 1\r\n")
	c.wantEnd("")
	p.nc.Close() // nobody waits for it then
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := n.LameDuck(context.Background()); err == nil {
		t.Error("a second lame duck was accepted")
	}
}

// TestLameDuckWithoutClients checks that nobody waits for clients that have gone.
func TestLameDuckWithoutClients(t *testing.T) {
	n := startPeer(t, "n", ClusterOptions{}, nil, func(n *Node) {
		setLameDuck(n, 2*time.Hour, time.Hour)
	})
	c := dial(t, n, quiet)
	c.sync()
	ended := make(chan error)
	go func() { ended <- n.LameDuck(context.Background()) }()
	eventually(t, "the node is a lame duck", n.state.isLame)
	c.nc.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNothingPublishedIsLost has a node stop before it has read what a client has published, while a peer
// goes on to send to it: all of it arrives elsewhere.
func TestNothingPublishedIsLost(t *testing.T) {
	const count = 100_000 // more than is carried out in the time that a silent client is waited for
	for range 2 {
		nodes := startMembers(t, 2) // the peer hears the goodbye before the last message
		s := dial(t, nodes[0], quiet+"SUB p 1\r\n")
		s.sync()
		dial(t, nodes[1], quiet+"SUB noise 1\r\n").sync()
		waitForInterest(t, nodes[0], 1)
		waitForInterest(t, nodes[1], 1)
		var noisy sync.WaitGroup
		stop := make(chan struct{})
		noise := dial(t, nodes[0], quiet)
		noisy.Go(func() {
			text := strings.Repeat("PUB noise 100\r\n"+strings.Repeat("x", 100)+"\r\n", 100)
			for {
				select {
				case <-stop:
					return
				default:
					noise.send(text)
				}
			}
		})
		p := dial(t, nodes[1], quiet)
		p.send(strings.Repeat("PUB p 2\r\nhi\r\n", count))
		if err := nodes[1].Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		for range count {
			s.want(message("p", "1", "hi"))
		}
		s.sync()
		close(stop)
		noisy.Wait()
	}
}

// TestAPeerThatIsBusyLosesNothing has a node stop whose peer is slow to read, and goes on to send.
func TestAPeerThatIsBusyLosesNothing(t *testing.T) {
	n := startPeer(t, "n", ClusterOptions{Name: "C"}, nil)
	p := joinRoute(t, n, "X")
	p.send("RS+ $G p\r\n")
	p.sync()
	const count, size = 20, 100_000
	c := dial(t, n, quiet)
	c.send(strings.Repeat(fmt.Sprintf("PUB p %d\r\n%s\r\n", size, strings.Repeat("x", size)), count))
	c.sync()
	ended := make(chan error)
	go func() { ended <- n.Shutdown(context.Background()) }()
	c.wantEnd("")
	for range 100 { // the route is not read any more for most of that time
		if _, err := io.WriteString(p.nc, "RS+ $G q\r\nRS- $G q\r\n"); err != nil {
			break
		}
		time.Sleep(3 * time.Millisecond)
	}
	p.nc.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(p.r)
	if n := strings.Count(string(got), "RMSG $G p "); n != count || err != nil {
		t.Errorf("%d of %d messages came (%v)", n, count, err)
	}
	p.nc.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
