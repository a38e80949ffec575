package node

import (
	"strings"
	"testing"

	"shoal/membership"
)

// TestDegradedPairs has a node gossip with two others, to which it gets no route since its password is another
// one: all three tell of both pairs.
func TestDegradedPairs(t *testing.T) {
	nodes := startMembers(t, 2)
	other := startNode(t, Options{ServerName: "x", Cluster: ClusterOptions{User: "u", Password: "another",
		Host: "127.0.0.1", Port: RandomPort, GossipProfile: membership.Local, Join: []string{nodes[0].ClusterAddr().String()}}})
	for _, n := range append(nodes, other) {
		eventually(t, "both pairs are degraded, from either end", func() bool {
			ends := make(map[string]bool)
			for _, p := range n.Degraded() {
				ends[p.From+p.To] = true
			}
			return ends["n0x"] && ends["n1x"] && ends["xn0"] && ends["xn1"] && len(ends) == 4
		})
	}
	if err := nodes[0].members.cluster.Load().SetTag(missingTag, strings.Repeat("X", maxMissing*(missingPrefix+1)-1)); err != nil {
		t.Errorf("the tag is too long: %v", err)
	}
	if err := other.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no pair is degraded", func() bool { return len(nodes[0].Degraded())+len(nodes[1].Degraded()) == 0 })
}
