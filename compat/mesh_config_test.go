package compat

import (
	"testing"

	"shoal/compat/internal/mesh"
)

// TestMeshConfigs has meshes whose routes are configured in other ways than by default: with pools
// of connections or without, with compression, with a connection for one account.
func TestMeshConfigs(t *testing.T) {
	for name, test := range map[string]struct {
		kinds  []string
		config string   // of nats-server
		shared string   // of both
		flags  []string // of shoal
	}{
		"no pool":           {[]string{"nns"}, "cluster { pool_size: -1 }", "", nil},
		"a pool of one":     {[]string{"nns"}, "cluster { pool_size: 1 }", "", nil},
		"a pool of seven":   {[]string{"ssn"}, "cluster { pool_size: 7 }", "", nil},
		"pools":             {[]string{"nns", "ssn", "sss"}, "", "", []string{"--pool_size", "3"}},
		"a pool here only":  {[]string{"nns", "ssn"}, "cluster { pool_size: -1 }", "", []string{"--pool_size", "2"}},
		"compressed there":  {[]string{"nns"}, "cluster { compression: s2_fast }", "", nil},
		"compressed by RTT": {[]string{"ssn"}, "cluster { compression: s2_auto }", "", nil},
		"compressed here":   {[]string{"nns", "sss"}, "", "", []string{"--compression", "s2_fast"}},
		"compressed well":   {[]string{"ssn"}, "cluster { compression: s2_best }", "", []string{"--compression", "s2_better"}},
		"compressed":        {[]string{"nns"}, "cluster { compression: s2_auto }", "", []string{"--compression", "s2_auto"}},
		"accepted":          {[]string{"ssn", "sss"}, "cluster { compression: s2_fast }", "", []string{"--compression", "accept"}},
		"everything":        {[]string{"nns", "ssn"}, "cluster { compression: s2_fast, pool_size: 4 }", "", []string{"--compression", "s2_fast", "--pool_size", "4"}},
		"not compressed":    {[]string{"ssn"}, "cluster { compression: off }", "", nil},
		"pinned":            {[]string{"nns", "ssn"}, "cluster { accounts: [ \"$G\" ] }", "", nil},
		"frequent pings":    {[]string{"nns"}, "ping_interval: \"1s\"\nping_max: 2", "", []string{"--ping_interval", "1s"}},
		"pings of routes":   {[]string{"nns", "ssn"}, "", `cluster { ping_interval: "1s", ping_max: 2, write_deadline: "3s" }`, nil},
		"no system account": {[]string{"ssn"}, "no_system_account: true", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forKinds(t, test.kinds, func(t *testing.T, kinds string) {
				m := startMesh(t, mesh.Options{
					Kinds: kinds, Topology: mesh.Chain, Config: test.config + "\n", SharedConfig: test.shared, ShoalFlags: test.flags,
				})
				meshProgram(t, m)
				if name == "frequent pings" || name == "pings of routes" {
					// A node that does not answer is cut off after about three seconds.
					for range 3 {
						awaitQuiet(t, m)
					}
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

// TestMeshUnequalPools has meshes whose nodes have pools of different sizes. There, an account's
// interest goes over one connection and the messages for others' interest over another, so that a
// request can overtake the interest in its answer. This happens between nats-servers as well, and
// so there are no requests here.
func TestMeshUnequalPools(t *testing.T) {
	for _, test := range []struct{ config, size string }{{"", "5"}, {"cluster { pool_size: 5 }\n", "2"}} {
		forKinds(t, []string{"nns", "ssn", "nsn"}, func(t *testing.T, kinds string) {
			m := startMesh(t, mesh.Options{
				Kinds: kinds, Topology: mesh.Chain, Config: test.config, ShoalFlags: []string{"--pool_size", test.size},
			})
			for range 2 {
				t.Run("addresses", func(t *testing.T) { meshAddresses(t, m) })
				t.Run("publish and subscribe", func(t *testing.T) { meshPublish(t, m) })
				t.Run("queue group", func(t *testing.T) { meshQueue(t, m) })
				for _, n := range m.Nodes[1:] {
					must(t, n.Term())
					must(t, n.Start())
					awaitMesh(t, m)
				}
			}
		})
	}
}
