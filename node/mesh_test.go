package node

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// startMesh runs nodes that know only the first one of them, and waits until they are a full mesh.
func startMesh(t testing.TB, n int, tune ...func(*Node)) []*Node {
	t.Helper()
	var nodes []*Node
	for i := range n {
		nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i), ClusterOptions{}, nodes[:min(i, 1)], tune...))
	}
	waitForMesh(t, nodes)
	return nodes
}

// startPeer runs a node that is configured with the others as routes.
func startPeer(t testing.TB, name string, cluster ClusterOptions, others []*Node, tune ...func(*Node)) *Node {
	t.Helper()
	cluster.Host, cluster.Port = "127.0.0.1", RandomPort
	cluster.NoGossip = cluster.NoGossip || cluster.GossipProfile == 0 && len(cluster.Join) == 0
	for _, other := range others {
		cluster.Routes = append(cluster.Routes, routeURL(other))
	}
	return startNode(t, Options{ServerName: name, Cluster: cluster}, tune...)
}

func routeURL(n *Node) *url.URL {
	return &url.URL{Scheme: "nats", Host: n.ClusterAddr().String()}
}

// waitForMesh waits until every node has a synchronised route to every other.
func waitForMesh(t testing.TB, nodes []*Node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, fmt.Sprintf("%s has %d routes", n.Name(), len(nodes)-1), func() bool {
			routes := n.Routes()
			for _, r := range routes {
				if !r.Synchronized {
					return false
				}
			}
			return len(routes) == len(nodes)-1
		})
	}
}

// waitForInterest waits until a node knows of that many subscriptions of its peers.
func waitForInterest(t testing.TB, n *Node, subscriptions int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s knows %d subscriptions", n.Name(), subscriptions), func() bool {
		sum := 0
		for _, r := range n.Routes() {
			sum += r.Subscriptions
		}
		return sum == subscriptions
	})
}

// subscribeEverywhere returns a subscriber to "all" on every node.
func subscribeEverywhere(t testing.TB, nodes []*Node) (subs []*peer) {
	t.Helper()
	for _, n := range nodes {
		s := dial(t, n, quiet+"SUB all 1\r\n")
		s.sync()
		subs = append(subs, s)
	}
	return subs
}

// wantEverybodyReached publishes on every node, once all know of those subscribers, and wants each to
// get each message.
func wantEverybodyReached(t testing.TB, nodes []*Node, subs []*peer) {
	t.Helper()
	for _, n := range nodes {
		waitForInterest(t, n, len(nodes)-1)
	}
	for _, n := range nodes {
		p := dial(t, n, quiet+"PUB all 2\r\nhi\r\n")
		p.sync()
		for _, s := range subs {
			s.want(message("all", "1", "hi"))
		}
	}
}

func TestMeshFromOneSeed(t *testing.T) {
	nodes := startMesh(t, 5)
	var subs []*peer
	for _, n := range nodes {
		p := dial(t, n, quiet+"SUB greet.* 7\r\n")
		p.sync()
		subs = append(subs, p)
	}
	for _, n := range nodes {
		waitForInterest(t, n, len(nodes)-1)
	}
	for _, n := range nodes {
		p := dial(t, n, quiet+"PUB greet.all 5\r\nhello\r\nPUB greet.all back 2\r\nhi\r\n")
		p.sync()
		for _, s := range subs {
			s.want(message("greet.all", "7", "hello") + "MSG greet.all 7 back 2\r\nhi\r\n")
		}
	}
	for _, s := range subs {
		s.sync()
	}
}

// TestQueueGroupAcrossMesh checks that of all members, wherever they are, one gets each message.
func TestQueueGroupAcrossMesh(t *testing.T) {
	nodes := startMesh(t, 3)
	var members []*peer
	for _, n := range nodes {
		p := dial(t, n, quiet+"SUB work crew 1\r\nSUB work 2\r\n")
		p.sync()
		members = append(members, p)
	}
	for _, n := range nodes {
		waitForInterest(t, n, 4)
	}
	const count = 300
	p := dial(t, nodes[0], quiet)
	for i := range count {
		p.send(fmt.Sprintf("PUB work back 3\r\n%03d\r\n", i))
	}
	p.sync()
	total := 0
	for i, m := range members {
		plain, queued := 0, 0
		m.nc.SetReadDeadline(time.Now().Add(patience))
		for plain < count {
			line := m.line()
			m.line()
			switch line {
			case "MSG work 1 back 3":
				queued++
			case "MSG work 2 back 3":
				plain++
			default:
				t.Fatalf("got %q", line)
			}
		}
		m.send("PING\r\n")
		for line := m.line(); line != "PONG"; line = m.line() {
			if line != "MSG work 1 back 3" {
				t.Fatalf("got %q", line)
			}
			m.line()
			queued++
		}
		if queued < count/10 {
			t.Errorf("member %d got %d of %d messages", i, queued, count)
		}
		total += queued
	}
	if total != count {
		t.Errorf("members got %d messages in all, want %d", total, count)
	}
}

// TestNewsOfServers checks what clients are told when servers come and go.
func TestNewsOfServers(t *testing.T) {
	a := startPeer(t, "a", ClusterOptions{}, nil)
	p := dial(t, a, `CONNECT {"verbose":false,"protocol":1}`+"\r\nPING\r\n")
	p.want("PONG\r\n")
	p.line()
	b := startPeer(t, "b", ClusterOptions{}, []*Node{a})
	p.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 2 && urls[1] == b.Addr().String() })
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wantInfo(func(urls []string, _ bool) bool { return len(urls) == 1 && urls[0] == a.Addr().String() })
}

// TestBothDial has two nodes dial each other at the same moment, again and again: they end with one
// route, and keep it.
func TestBothDial(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		a := startPeer(t, "a", ClusterOptions{}, nil)
		b := startPeer(t, "b", ClusterOptions{}, nil)
		a.targets.configure(routeURL(b))
		b.targets.configure(routeURL(a))
		a.wakeDialer()
		b.wakeDialer()
		nodes := []*Node{a, b}
		waitForMesh(t, nodes)
		for _, n := range nodes {
			eventually(t, "one connection is left", func() bool { return len(n.routes.everyone()) == 1 })
		}
		if ra, rb := a.Routes()[0], b.Routes()[0]; ra.Solicited == rb.Solicited {
			t.Fatalf("both ends solicited: %v", ra.Solicited)
		}
		for _, n := range nodes {
			if err := n.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLostRouteIsMadeAgain cuts routes, also between nodes that have only heard of each other.
func TestLostRouteIsMadeAgain(t *testing.T) {
	nodes := startMesh(t, 4)
	subs := subscribeEverywhere(t, nodes)
	for i, n := range nodes {
		routes := n.routes.registered() // one may be lost already, by the node before
		lost := routes[i%len(routes)]
		lost.cut(&ending{reason: reasonRouteRemoved})
		eventually(t, "the route is lost", func() bool { return n.routes.inSlot(lost.peer().ID, soleSlot) != lost })
	}
	waitForMesh(t, nodes)
	wantEverybodyReached(t, nodes, subs)
	for _, s := range subs {
		s.sync()
	}
}

// TestLeavingNodeIsForgotten checks that nobody looks for a node that has left in good order.
func TestLeavingNodeIsForgotten(t *testing.T) {
	nodes := startMesh(t, 3)
	gone := nodes[2]
	if err := gone.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitForMesh(t, nodes[:2])
	for _, n := range nodes[:2] {
		eventually(t, n.Name()+" has forgotten "+gone.Name(), func() bool {
			for _, p := range n.Peers() {
				if p.ID == gone.ID() {
					return false
				}
			}
			return true
		})
	}
}
