package node

import (
	"testing"

	"shoal/membership"
)

func TestDrift(t *testing.T) {
	alike := startMembers(t, 2)
	other := startNode(t, Options{ServerName: "x", MaxPayload: 2 << 20, Cluster: ClusterOptions{
		Host: "127.0.0.1", Port: RandomPort, GossipProfile: membership.Local, Join: []string{alike[0].ClusterAddr().String()}}})
	eventually(t, "the difference is seen", func() bool {
		for _, n := range append(alike, other) {
			list := n.Drift()
			if len(list) != 1 || list[0].Section != "limits" || len(list[0].Values) != 2 {
				return false
			}
			for _, names := range list[0].Values {
				if names[0] == "x" && len(names) != 1 || names[0] != "x" && len(names) != 2 {
					return false
				}
			}
		}
		return true
	})
	if err := other.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the difference is gone", func() bool { return len(alike[0].Drift()) == 0 })
}

func TestDigestsAreShort(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := n.settings()
	if got := digests(s); len(got) != len(digested)*digestLength || got != digests(n.settings()) {
		t.Errorf("digests are %q", got)
	}
	for section := range s {
		before := digests(s)
		s[section]["new"] = "1"
		if changed := digests(s) != before; changed != (section != driftVersion) {
			t.Errorf("%s: changed %v", section, changed)
		}
	}
}
