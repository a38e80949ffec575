package compat

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"shoal/compat/internal/mesh"
)

// TestMeshSimultaneousDial starts two nodes that know each other at the same moment, again and
// again. However many connections they make, they settle on one, or on one pool of them if both
// are nats-server, and stay with it.
func TestMeshSimultaneousDial(t *testing.T) {
	const rounds = 10
	for _, kinds := range []string{"sn", "ss", "nn"} {
		if *onlyKinds != "" && *onlyKinds != kinds {
			continue
		}
		t.Run(kinds, func(t *testing.T) {
			t.Parallel()
			for round := range rounds {
				t.Run(fmt.Sprint(round), func(t *testing.T) {
					t.Parallel()
					m := startMesh(t, mesh.Options{Kinds: kinds})
					settled := awaitQuiet(t, m)
					for _, n := range m.Nodes {
						if count := len(settled[n.Name]); count != 1 && isShoal(m.Nodes...) {
							t.Errorf("%s has %d connections to its peer", n, count)
						}
					}
					if a, b := len(settled["node0"]), len(settled["node1"]); a != b {
						t.Errorf("one side has %d connections and the other %d", a, b)
					}
					if err := m.AwaitInterest(meshPatience); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// quiet is for how long routes must stay the same: longer than the time after which nats-server
// dials again.
const quiet = 1500 * time.Millisecond

// awaitQuiet waits until no connection between nodes has come or gone for a while, and returns the
// connections' numbers in each node. It fails the test if that never happens.
func awaitQuiet(t *testing.T, m *mesh.Mesh) map[string][]string {
	t.Helper()
	connections := func() map[string][]string {
		all := map[string][]string{}
		for _, n := range m.Running() {
			peers, err := n.Peers()
			must(t, err)
			for _, id := range peers.IDs() {
				for _, r := range peers[id] {
					all[n.Name] = append(all[n.Name], fmt.Sprintf("%s:%d", r.RemoteName, r.RID))
				}
			}
			slices.Sort(all[n.Name])
		}
		return all
	}
	same := func(a, b map[string][]string) bool { return maps.EqualFunc(a, b, slices.Equal) }
	last, since := connections(), time.Now()
	awaitTrue(t, "the end of changes of routes", func() bool {
		if now := connections(); !same(last, now) {
			last, since = now, time.Now()
		}
		return time.Since(since) > quiet
	})
	return last
}

// TestMeshLarge makes a mesh of nine nodes that know only the first one.
func TestMeshLarge(t *testing.T) {
	forKinds(t, []string{"sssssssss"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Seed})
		began := time.Now()
		must(t, m.Start())
		ready := time.Since(began)
		if err := m.AwaitRoutes(meshPatience); err != nil {
			t.Fatal(err)
		}
		meshed := time.Since(began)
		must(t, m.AwaitInterest(meshPatience))
		t.Logf("all accepted clients after %v, the mesh was complete after %v, and all interest known after %v",
			ready, meshed, time.Since(began))
		for _, n := range m.Nodes {
			if err := watch(t, n).Await(meshPatience, mesh.Addresses(m.Nodes)); err != nil {
				t.Errorf("%s: %v", n, err)
			}
			v, err := n.Varz()
			must(t, err)
			if v.Remotes != len(m.Nodes)-1 {
				t.Errorf("%s counts %d remotes", n, v.Remotes)
			}
		}
		ends := 0
		for _, connections := range awaitQuiet(t, m) {
			ends += len(connections)
		}
		if want := len(m.Nodes) * (len(m.Nodes) - 1); ends != want && isShoal(m.Nodes...) {
			t.Errorf("there are %d ends of routes instead of %d", ends, want)
		}
		meshPublish(t, m)
	})
}
