package compat

import (
	"testing"

	"shoal/compat/internal/mesh"
)

// TestMeshConfigs has nats-servers in meshes whose routes are configured in other ways than by
// default: without pools, with larger ones, with compression, with a connection for one account.
func TestMeshConfigs(t *testing.T) {
	for name, config := range map[string]string{
		"no pool":           "cluster { pool_size: -1 }",
		"a pool of one":     "cluster { pool_size: 1 }",
		"a pool of seven":   "cluster { pool_size: 7 }",
		"compressed":        "cluster { compression: s2_fast }",
		"compressed well":   "cluster { compression: s2_best }",
		"compressed by RTT": "cluster { compression: s2_auto }",
		"not compressed":    "cluster { compression: off }",
		"pinned":            "cluster { accounts: [ \"$G\" ] }",
		"frequent pings":    "ping_interval: \"1s\"\nping_max: 2",
		"no system account": "no_system_account: true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forKinds(t, []string{"nns", "ssn"}, func(t *testing.T, kinds string) {
				m := startMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Chain, Config: config + "\n"})
				meshProgram(t, m)
				if name == "frequent pings" {
					// A node that does not answer would be cut off now.
					awaitQuiet(t, m)
					awaitQuiet(t, m)
					meshProgram(t, m)
				}
				for i, n := range m.Nodes {
					if i != 1 {
						must(t, n.Term())
						must(t, n.Start())
					}
				}
				awaitMesh(t, m)
				meshProgram(t, m)
			})
		})
	}
}
