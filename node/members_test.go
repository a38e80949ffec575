package node

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"shoal/membership"
)

// startMembers runs nodes that find each other by gossip, of which they know the first one.
func startMembers(t testing.TB, n int) []*Node {
	t.Helper()
	var nodes []*Node
	for i := range n {
		nodes = append(nodes, startMember(t, fmt.Sprintf("n%d", i), nodes[:min(i, 1)]...))
	}
	waitForMesh(t, nodes)
	return nodes
}

func startMember(t testing.TB, name string, seeds ...*Node) *Node {
	t.Helper()
	cluster := ClusterOptions{GossipProfile: membership.Local}
	for _, s := range seeds {
		cluster.Join = append(cluster.Join, s.ClusterAddr().String())
	}
	return startPeer(t, name, cluster, nil)
}

func TestMeshByGossip(t *testing.T) {
	nodes := startMembers(t, 4)
	wantEverybodyReached(t, nodes, subscribeEverywhere(t, nodes))
	for _, n := range nodes {
		eventually(t, "all members are known as alive and active", func() bool {
			alive := 0
			for _, m := range n.Members() {
				if m.Liveness == membership.Alive && m.State == membership.Active {
					alive++
				}
			}
			return alive == len(nodes)
		})
	}
	gone := nodes[3]
	if err := gone.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	waitForMesh(t, nodes[:3])
	for _, n := range nodes[:3] {
		eventually(t, "the member has left", func() bool {
			for _, m := range n.Members() {
				if m.ID == gone.ID() {
					return m.Liveness == membership.Left
				}
			}
			return true
		})
	}
}

// TestFirstMessageAfterJoin checks that a node that joins by gossip waits for the interest of all.
func TestFirstMessageAfterJoin(t *testing.T) {
	nodes := startMembers(t, 3)
	var subs []*peer
	for _, n := range nodes {
		s := dial(t, n, quiet+"SUB first 1\r\n")
		s.sync()
		subs = append(subs, s)
	}
	for i := range 5 {
		n := startMember(t, fmt.Sprintf("late%d", i), nodes[i%3])
		p := dial(t, n, quiet+"PUB first 2\r\nhi\r\n")
		p.sync()
		for _, s := range subs {
			s.want(message("first", "1", "hi"))
		}
	}
}

func TestDuplicateNameStopsTheNewcomer(t *testing.T) {
	a := startMember(t, "same")
	// Who is older is told by milliseconds.
	for began := time.Now().UnixMilli(); time.Now().UnixMilli() == began; {
		runtime.Gosched()
	}
	b := startMember(t, "same", a)
	select {
	case <-b.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the newcomer goes on")
	}
	if _, ok := b.Err().(*DuplicateNameError); !ok {
		t.Errorf("it stopped because of %v", b.Err())
	}
	if a.Err() != nil {
		t.Errorf("the older one: %v", a.Err())
	}
}

// TestNodesWithRoutesGossip checks that nodes which were told of each other by --routes alone become
// members of one cluster, too.
func TestNodesWithRoutesGossip(t *testing.T) {
	var nodes []*Node
	for i := range 3 {
		nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i), ClusterOptions{GossipProfile: membership.Local}, nodes[:min(i, 1)]))
	}
	waitForMesh(t, nodes)
	for _, n := range nodes {
		eventually(t, "all are members", func() bool {
			alive := 0
			for _, m := range n.Members() {
				if m.Liveness == membership.Alive {
					alive++
				}
			}
			return alive == len(nodes)
		})
	}
}
