package node

import (
	"strings"
	"testing"
	"time"

	"shoal/membership"
)

// startDrainable runs members that are quick to send clients away.
func startDrainable(t *testing.T, n int, grace time.Duration) []*Node {
	t.Helper()
	tune := func(n *Node) { setLameDuck(n, grace+100*time.Millisecond, grace) }
	var nodes []*Node
	for i := range n {
		cluster := ClusterOptions{GossipProfile: membership.Local}
		if i > 0 {
			cluster.Join = []string{nodes[0].ClusterAddr().String()}
		}
		nodes = append(nodes, startPeer(t, string(rune('a'+i)), cluster, nil, tune))
	}
	waitForMesh(t, nodes)
	return nodes
}

func stateOf(n *Node, id string) membership.State {
	for _, m := range n.Members() {
		if m.ID == id {
			return m.State
		}
	}
	return membership.Joining
}

func TestDrainAndBack(t *testing.T) {
	nodes := startDrainable(t, 3, time.Millisecond)
	a, b := nodes[0], nodes[1]
	stay := dial(t, a, `CONNECT {"verbose":false,"protocol":1}`+"\r\nPING\r\n")
	stay.want("PONG\r\n")
	moved := dial(t, b, quiet+"SUB work crew 1\r\nPING\r\n")
	moved.want("PONG\r\n")
	keeps := dial(t, a, quiet+"SUB work crew 1\r\n")
	keeps.sync()
	waitForInterest(t, a, 1)
	if err := a.DrainMember(t.Context(), b.ID(), false); err != nil {
		t.Fatal(err)
	}
	if !b.Draining() {
		t.Error("it does not drain")
	}
	own := b.Addr().String()
	stay.wantInfo(func(urls []string, _ bool) bool {
		return len(urls) == 2 && !strings.Contains(strings.Join(urls, " "), own)
	})
	moved.wantEnd("")
	if err := b.DrainMember(t.Context(), b.ID(), false); err != nil {
		t.Errorf("again: %v", err)
	}
	late := dial(t, b, "")
	late.wantEnd("-ERR '" + textDraining + "'\r\n")
	for _, n := range nodes {
		eventually(t, "all know that it drains", func() bool { return stateOf(n, b.ID()) == membership.Draining })
	}
	if err := a.DrainMember(t.Context(), nodes[2].ID(), false); err == nil || !strings.Contains(err.Error(), "b drains") {
		t.Errorf("a second server drains: %v", err)
	}
	if err := a.UndrainMember(t.Context(), b.ID()); err != nil {
		t.Fatal(err)
	}
	stay.wantInfo(func(urls []string, _ bool) bool { return strings.Contains(strings.Join(urls, " "), own) })
	back := dial(t, b, quiet+"SUB work crew 1\r\n")
	back.sync()
	for _, n := range nodes {
		eventually(t, "all know that it is back", func() bool { return stateOf(n, b.ID()) == membership.Active })
	}
	if err := a.UndrainMember(t.Context(), b.ID()); err == nil {
		t.Error("what does not drain was undrained")
	}
	if err := a.DrainMember(t.Context(), nodes[2].ID(), false); err != nil {
		t.Errorf("another server afterwards: %v", err)
	}
	if err := a.DrainMember(t.Context(), b.ID(), true); err != nil {
		t.Errorf("by force: %v", err)
	}
	eventually(t, "the client goes", func() bool { return b.Stats().Connections == 0 })
}

// TestUndrainKeepsClients takes a drain back before it has closed anybody.
func TestUndrainKeepsClients(t *testing.T) {
	nodes := startDrainable(t, 2, time.Hour)
	a, b := nodes[0], nodes[1]
	in := dial(t, b, quiet+"SUB work crew 1\r\n")
	in.sync()
	waitForInterest(t, a, 1)
	other := dial(t, a, quiet+"SUB work crew 1\r\n")
	other.sync()
	waitForInterest(t, b, 1)
	if err := b.Drain(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	waitForInterest(t, a, 0) // the group has a member elsewhere
	if err := b.Undrain(); err != nil {
		t.Fatal(err)
	}
	waitForInterest(t, a, 1)
	in.sync()
	p := dial(t, b, quiet)
	for range 50 {
		p.send("PUB work 2\r\nhi\r\n")
	}
	p.sync()
	in.want(message("work", "1", "hi")) // it is chosen again
	if err := b.Drain(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Undrain(); err == nil {
		t.Error("a node that has stopped was undrained")
	}
	if err := a.Drain(t.Context(), false); err == nil {
		t.Error("the last server drains")
	}
}

// TestDrainAllAtOnce has all nodes drain at the same moment: at most one may.
func TestDrainAllAtOnce(t *testing.T) {
	nodes := startDrainable(t, 4, time.Hour)
	for range 5 {
		errs := make(chan error)
		for _, n := range nodes {
			go func() { errs <- n.Drain(t.Context(), false) }()
		}
		drains := 0
		for range nodes {
			if err := <-errs; err == nil {
				drains++
			}
		}
		if drains > 1 {
			t.Errorf("%d nodes drain", drains)
		}
		for _, n := range nodes {
			if n.Draining() {
				if err := n.Undrain(); err != nil {
					t.Error(err)
				}
			}
		}
		for _, n := range nodes {
			eventually(t, "nobody is known to drain", func() bool {
				for _, r := range n.routes.list() {
					if r.sendsAway.Load() {
						return false
					}
				}
				return true
			})
		}
	}
}

func TestLameDuckAfterDrain(t *testing.T) {
	nodes := startDrainable(t, 2, 100*time.Millisecond)
	b := nodes[1]
	p := dial(t, b, quiet)
	p.sync()
	if err := b.Drain(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := b.LameDuck(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wantEnd("")
}
