package compat

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// TestMeshCrash kills a node. Others forget its addresses and its clients' interest at once, and
// when it is there again everything is as before.
func TestMeshCrash(t *testing.T) {
	for _, test := range []struct {
		kinds  string
		victim int
	}{{"nns", 2}, {"nns", 0}, {"ssn", 2}, {"ssn", 0}, {"sss", 1}} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(fmt.Sprintf("%s %d", test.kinds, test.victim), func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{Kinds: test.kinds})
			victim := m.Nodes[test.victim]
			nodes := m.Except(victim)
			clients := connectNodes(t, nodes)
			var watchers []*mesh.Watcher
			for _, n := range nodes {
				watchers = append(watchers, watch(t, n))
			}
			awaitAddresses(t, watchers, m.Nodes)

			// Half of a group's members are on the node that is killed.
			group := newTally(1000, "the rest of the group")
			_, err := clients[0].QueueSubscribe("task", "group", group.add)
			must(t, err)
			for range 2 {
				doomed, err := victim.Connect(nats.NoReconnect())
				must(t, err)
				t.Cleanup(doomed.Close)
				for i := range 100 {
					_, err := doomed.Subscribe(fmt.Sprintf("doomed.%d", i), func(request *nats.Msg) { _ = request.Respond(nil) })
					must(t, err)
				}
				_, err = doomed.QueueSubscribe("task", "group", func(*nats.Msg) {})
				must(t, err)
				flushAll(t, doomed)
			}
			settle(t, m, clients...)
			for _, nc := range clients {
				_, err := nc.Request("doomed.7", nil, stall)
				must(t, err)
			}

			must(t, victim.Kill())
			awaitAddresses(t, watchers, nodes)
			for i, nc := range clients {
				for j := range 100 {
					subject := fmt.Sprintf("doomed.%d", j)
					if err := mesh.Poll(stall, func() error { return wantNoResponders(nc, subject) }); err != nil {
						t.Fatalf("%s: %v", nodes[i], err)
					}
				}
			}
			for i := range 1000 {
				must(t, clients[i%len(clients)].Publish("task", number(i)))
			}
			flushAll(t, clients...)
			group.await()
			group.check(t, 1000)

			must(t, victim.Start())
			awaitMesh(t, m)
			awaitAddresses(t, watchers, m.Nodes)
			back := connectNode(t, victim)
			sub, err := back.SubscribeSync("back")
			must(t, err)
			settle(t, m, back)
			for i, nc := range clients {
				must(t, nc.Publish("back", number(i)))
				next(t, sub)
			}
		})
	}
}

// awaitAddresses waits until clients know exactly the addresses of the nodes.
func awaitAddresses(t *testing.T, watchers []*mesh.Watcher, nodes []*mesh.Node) {
	t.Helper()
	for _, w := range watchers {
		if err := w.Await(meshPatience, mesh.Addresses(nodes)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMeshStop has a node end in an orderly way, by SIGTERM and by SIGINT. Its clients are gone at
// once, and others forget it.
func TestMeshStop(t *testing.T) {
	for _, test := range []struct {
		kinds string
		stop  func(*mesh.Node) error
	}{{"nsn", (*mesh.Node).Term}, {"sns", (*mesh.Node).Interrupt}, {"sss", (*mesh.Node).Term}} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(test.kinds, func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{Kinds: test.kinds, Topology: mesh.Chain})
			victim := m.Nodes[1]
			nodes := m.Except(victim)
			var watchers []*mesh.Watcher
			for _, n := range nodes {
				watchers = append(watchers, watch(t, n))
			}
			own := watch(t, victim)
			awaitAddresses(t, append(watchers, own), m.Nodes)
			must(t, test.stop(victim))
			awaitTrue(t, "the end of the client", own.Ended)
			awaitAddresses(t, watchers, nodes)
			if info, _ := own.Last(); isShoal(victim) {
				// nats-server may tell its clients last of something in between.
				if got, want := fmt.Sprint(info.ConnectURLs), fmt.Sprint(mesh.Addresses(nodes)); got != want {
					t.Errorf("clients of the node that stops are told to go to %s instead of %s", got, want)
				}
			}
			awaitMesh(t, m)
			meshProgram(t, m)
		})
	}
}

// TestMeshLameDuck has a node leave slowly. Others withdraw its address at once, though it goes on
// to work; its clients are told, and get closed after a while; it ends well, whatever SIGTERM says.
// Only shoal sees to it that in the meantime others do the work that they can do.
func TestMeshLameDuck(t *testing.T) {
	const grace = time.Second
	for _, test := range []struct {
		kinds  string
		victim int
	}{{"nns", 2}, {"nns", 1}, {"ssn", 2}, {"sss", 1}} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(fmt.Sprintf("%s %d", test.kinds, test.victim), func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{
				Kinds:      test.kinds,
				ShoalFlags: []string{"--lame_duck_duration", "30s", "--lame_duck_grace_period", grace.String()},
				Config:     fmt.Sprintf("lame_duck_duration: 30s\nlame_duck_grace_period: %q\n", grace),
			})
			victim := m.Nodes[test.victim]
			nodes := m.Except(victim)
			var watchers []*mesh.Watcher
			for _, n := range nodes {
				watchers = append(watchers, watch(t, n))
			}
			own := watch(t, victim)
			awaitAddresses(t, append(watchers, own), m.Nodes)
			work := startWork(t, m, nodes)

			// A responder that only this node has, and one that is everywhere.
			var closed atomic.Bool
			leaving := connectNode(t, victim, nats.DisconnectErrHandler(func(*nats.Conn, error) { closed.Store(true) }))
			answer := func(request *nats.Msg) { _ = request.Respond(nil) }
			_, err := leaving.QueueSubscribe("leaving", "group", answer)
			must(t, err)
			var answers atomic.Int64 // of the node that leaves, to requests that any node can answer
			_, err = leaving.QueueSubscribe("everywhere", "group", func(request *nats.Msg) {
				answers.Add(1)
				_ = request.Respond(nil)
			})
			must(t, err)
			clients := connectNodes(t, nodes)
			for _, nc := range clients {
				_, err := nc.QueueSubscribe("everywhere", "group", answer)
				must(t, err)
			}
			settle(t, m, append(clients, leaving)...)
			_, err = clients[0].Request("leaving", nil, stall)
			must(t, err)

			must(t, victim.Signal(syscall.SIGUSR2))
			for i, w := range watchers {
				if err := w.Await(meshPatience, mesh.Addresses(nodes)); err != nil {
					t.Errorf("%s: %v", nodes[i], err)
				}
			}
			awaitTrue(t, "the client to be told", func() bool { info, _ := own.Last(); return info.LameDuck })
			if err := own.Await(meshPatience, mesh.Addresses(nodes)); err != nil {
				t.Errorf("a client of the node that leaves: %v", err)
			}
			must(t, victim.Signal(syscall.SIGTERM))
			// What nobody else can answer goes to the node as long as it can.
			if _, err := clients[0].Request("leaving", nil, soon); err != nil && !closed.Load() {
				t.Errorf("a request that only the node that leaves can answer: %v", err)
			}
			const some = 200
			failures, requests, late := 0, 0, int64(0)
			for !closed.Load() {
				before := answers.Load()
				if _, err := clients[requests%len(clients)].Request("everywhere", nil, soon); err != nil {
					failures++
					t.Logf("request %d: %v", requests, err)
				}
				if requests++; requests > some {
					late += answers.Load() - before
				}
			}
			t.Logf("%d of %d requests failed, %d of the later ones were answered by the node that leaves", failures, requests, late)
			if late > 0 && isShoal(victim) {
				t.Errorf("%d requests went to the node that leaves, though others could answer", late)
			}
			if failures > 0 && isShoal(victim) {
				t.Errorf("%d of %d requests failed", failures, requests)
			}
			must(t, victim.End(meshPatience))
			awaitTrue(t, "the end of the client", own.Ended)
			if err := m.AwaitRoutes(meshPatience); err != nil {
				t.Error(err)
			}
			work.stop(t, m)
			for i, nc := range clients {
				if err := mesh.Poll(stall, func() error { return wantNoResponders(nc, "leaving") }); err != nil {
					t.Errorf("%s: %v", nodes[i], err)
				}
			}
		})
	}
}
