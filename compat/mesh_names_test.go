package compat

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/mesh"
)

// TestMeshNames has two nodes meet whose clusters have the same name, different ones, or none.
func TestMeshNames(t *testing.T) {
	for _, test := range []struct {
		what  string
		names [2]string
		want  string // the name of both in the end, "" if they stay apart, "*" for any
	}{
		{"the same", [2]string{"B", "B"}, "B"},
		{"different", [2]string{"B", "A"}, ""},
		{"only the dialler has one", [2]string{"", "B"}, "B"},
		{"only the other has one", [2]string{"B", ""}, "B"},
		{"none", [2]string{"", ""}, "*"},
	} {
		forKinds(t, []string{"ss", "sn", "ns", "nn"}, func(t *testing.T, kinds string) {
			t.Run(test.what, func(t *testing.T) {
				m := newMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Seed, Unnamed: true})
				unique := strings.TrimPrefix(fmt.Sprintf("%p", m), "0x")
				for i, name := range test.names {
					if name != "" {
						m.Nodes[i].Cluster = name + unique
					}
				}
				must(t, m.Start())
				if test.want == "" {
					refusal := regexp.MustCompile(fmt.Sprintf(`cluster name \\?"[AB]%s\\?" does not match \\?"[AB]%s`, unique, unique))
					for _, n := range m.Nodes {
						awaitTrue(t, "the refusal to appear in the log of "+n.String(), func() bool { return refusal.MatchString(n.RunLog()) })
					}
					for _, n := range m.Nodes {
						wantPeers(t, n, 0)
					}
					return
				}
				awaitMesh(t, m)
				var names []string
				for _, n := range m.Nodes {
					names = append(names, connectNode(t, n).ConnectedClusterName())
				}
				switch {
				case test.want == "*" && (names[0] != names[1] || names[0] == ""):
					t.Errorf("the names are %q", names)
				case test.want != "*" && (names[0] != test.want+unique || names[1] != test.want+unique):
					t.Errorf("the names are %q instead of %s", names, test.want+unique)
				}
				meshProgram(t, m)
			})
		})
	}
}

func wantPeers(t *testing.T, n *mesh.Node, count int) {
	t.Helper()
	peers, err := n.Peers()
	must(t, err)
	if len(peers) != count {
		t.Errorf("%s has routes to %q, not to %d peers", n, peers.IDs(), count)
	}
}

// TestMeshUnnamed has nodes without a name become one cluster.
func TestMeshUnnamed(t *testing.T) {
	for _, test := range []struct {
		kinds    string
		topology mesh.Topology
	}{{"sss", mesh.Everybody}, {"nsn", mesh.Seed}, {"sns", mesh.Chain}, {"nnn", mesh.Everybody}, {"ssnn", mesh.Everybody}} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(test.kinds, func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{Kinds: test.kinds, Topology: test.topology, Unnamed: true})
			awaitQuiet(t, m)
			awaitMesh(t, m)
			names := map[string]bool{}
			for _, n := range m.Nodes {
				names[connectNode(t, n).ConnectedClusterName()] = true
			}
			if len(names) != 1 || names[""] {
				t.Errorf("the cluster has the names %v", names)
			}
			meshProgram(t, m)
		})
	}
}

// TestMeshUnnamedGrows has nodes join a cluster without a name that is at work. When nats-servers
// adopt another name they close routes, so only shoal has to get by without losing messages.
func TestMeshUnnamedGrows(t *testing.T) {
	forKinds(t, []string{"ssss"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds, Unnamed: true, Topology: func(i, _ int) []int {
			return [][]int{nil, {0}, {1}, {0, 1, 2}}[i]
		}})
		if !isShoal(m.Nodes...) {
			t.Skip("nats-server loses messages")
		}
		must(t, m.Nodes[0].Start())
		must(t, m.Nodes[1].Start())
		awaitMesh(t, m)
		work := startWork(t, m, m.Running())
		for _, n := range m.Nodes[2:] {
			work.awaitMore(t)
			must(t, n.Start())
			awaitMesh(t, m)
		}
		work.awaitMore(t)
		work.stop(t, m)
		meshProgram(t, m)
	})
}

// TestMeshAuthorization has nodes ask each other for a password, which those that learn of each
// other have to give as well.
func TestMeshAuthorization(t *testing.T) {
	forKinds(t, []string{"nsns", "ssss", "snnn"}, func(t *testing.T, kinds string) {
		m := startMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Seed, User: "router", Password: "s3cret"})
		meshProgram(t, m)
		must(t, m.Nodes[2].Kill())
		must(t, m.Nodes[2].Start())
		awaitMesh(t, m)
	})
}

// TestMeshWrongPassword has a node dial another with a password that is wrong, or without one.
// The dialler may take the connection for a route until it is told.
func TestMeshWrongPassword(t *testing.T) {
	for _, credentials := range []string{"router:wr0ng@", ""} {
		forKinds(t, []string{"ss", "sn", "ns", "nn"}, func(t *testing.T, kinds string) {
			t.Run(credentials, func(t *testing.T) {
				m := newMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Alone, User: "router", Password: "s3cret"})
				careful, careless := m.Nodes[0], m.Nodes[1]
				careless.Routes = []string{"nats://" + credentials + careful.ClusterAddr()}
				// It asks for no password itself, as it would give that one.
				careless.Flags = []string{"-cluster", "nats://" + careless.ClusterAddr()}
				began := time.Now()
				must(t, m.Start())
				for _, n := range m.Nodes {
					awaitTrue(t, "the refusal to appear in the log of "+n.String(), func() bool {
						wantPeers(t, careful, 0)
						return t.Failed() || refusals(n) > 0
					})
				}
				switch kinds {
				case "sn":
					awaitSlowRefusals(t, careless, began)
					wantPeers(t, careful, 0)
				default:
					must(t, mesh.Poll(meshPatience, func() error {
						peers, err := careless.Peers()
						if err == nil && len(peers) > 0 {
							err = errUnsettled
						}
						return err
					}))
				}
				for _, n := range m.Nodes {
					if log := n.RunLog(); strings.Contains(log, "s3cret") || strings.Contains(log, "wr0ng") {
						t.Errorf("%s logs a password", n)
					}
				}
			})
		})
	}
}

// refusals is how often a node says that a route was refused.
func refusals(n *mesh.Node) (count int) {
	text := strings.ToLower(n.RunLog())
	for _, reason := range []string{"authorization violation", "authentication", "duplicate server name"} {
		count += strings.Count(text, reason)
	}
	return count
}

// awaitSlowRefusals watches a nats-server that shoal refuses, again and again. It dials at once when it has
// lost a route to a server without a pool, so that hardly a moment is left without one, and it must not do
// so thousands of times a second, as it would if it were told at once each time.
func awaitSlowRefusals(t *testing.T, n *mesh.Node, began time.Time) {
	t.Helper()
	awaitTrue(t, "more refusals than are told at once", func() bool { return refusals(n) > 30 })
	if count, passed := refusals(n), time.Since(began); float64(count) > 50+200*passed.Seconds() {
		t.Errorf("%d refusals in %v", count, passed)
	}
}

// TestMeshSameName has a nats-server dial a node that has the same name.
func TestMeshSameName(t *testing.T) {
	forKinds(t, []string{"sn"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Seed})
		m.Nodes[1].Name = m.Nodes[0].Name
		began := time.Now()
		must(t, m.Start())
		awaitSlowRefusals(t, m.Nodes[1], began)
		wantPeers(t, m.Nodes[0], 0)
	})
}

// TestMeshSelf starts a node that has itself in its routes, under several names, and nobody else.
func TestMeshSelf(t *testing.T) {
	forKinds(t, []string{"s", "n"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds})
		n := m.Nodes[0]
		n.Routes = append(n.Routes, strings.Replace(n.RouteURL(), "127.0.0.1", "localhost", 1))
		began := time.Now()
		must(t, n.Start())
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("the start took %v", took)
		}
		for began = time.Now(); time.Since(began) < quiet; {
			wantPeers(t, n, 0)
			if t.Failed() {
				return
			}
			<-time.After(10 * time.Millisecond)
		}
		const created = "connection created"
		before := strings.Count(n.RunLog(), created)
		for began = time.Now(); time.Since(began) < quiet; <-time.After(10 * time.Millisecond) {
			wantPeers(t, n, 0)
		}
		if after := strings.Count(n.RunLog(), created); after != before && isShoal(n) {
			t.Errorf("the node goes on dialling itself: %d connections, %d a moment before", after, before)
		}
		// It is as good a node as any.
		nc := connectNode(t, n)
		if err := wantNoResponders(nc, "nobody"); err != nil {
			t.Error(err)
		}
	})
}

// TestMeshUnreachable has a node say which of its routes it cannot reach, in the words that the
// documentation of nats-server quotes, and reach it when it is there.
func TestMeshUnreachable(t *testing.T) {
	forKinds(t, []string{"sn", "ss", "ns", "nn"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds})
		must(t, m.Nodes[0].Start())
		complaint := regexp.MustCompile(`\[ERR\] Error trying to connect to route.*: dial tcp ` +
			regexp.QuoteMeta(m.Nodes[1].ClusterAddr()) + `: connect: connection refused`)
		awaitTrue(t, "the complaint", func() bool { return complaint.MatchString(m.Nodes[0].RunLog()) })
		must(t, m.Nodes[1].Start())
		awaitMesh(t, m)
	})
}

// TestMeshNoAdvertise has one of three nodes keep its clients' addresses, and those of others, to
// itself.
func TestMeshNoAdvertise(t *testing.T) {
	forKinds(t, []string{"sns", "nsn", "sss", "nnn"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds})
		shy := m.Nodes[0]
		shy.Flags = []string{"--no_advertise"}
		if shy.Kind.Name == broker.Oracle.Name {
			shy.Flags = []string{"--no_advertise=true"}
		}
		must(t, m.Start())
		awaitMesh(t, m)
		for _, n := range m.Nodes[1:] {
			if err := watch(t, n).Await(meshPatience, mesh.Addresses(m.Nodes[1:])); err != nil {
				t.Errorf("%s: %v", n, err)
			}
		}
		if err := watch(t, shy).Await(meshPatience, nil); err != nil {
			t.Errorf("%s: %v", shy, err)
		}
	})
}

// TestMeshAdvertise has nodes tell other addresses than they listen on.
func TestMeshAdvertise(t *testing.T) {
	forKinds(t, []string{"sns", "nsn", "sss", "nnn"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Seed})
		var want []string
		for i, n := range m.Nodes {
			// The route address is right, so that the last two find each other by it.
			n.Flags = []string{"--client_advertise", fmt.Sprintf("10.9.8.%d:4222", i), "--cluster_advertise", n.ClusterAddr()}
			want = append(want, fmt.Sprintf("10.9.8.%d:4222", i))
		}
		must(t, m.Start())
		awaitMesh(t, m)
		for _, n := range m.Nodes {
			if err := watch(t, n).Await(meshPatience, want); err != nil {
				t.Errorf("%s: %v", n, err)
			}
		}
	})
}
