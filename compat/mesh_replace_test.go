package compat

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// TestMeshReplace replaces the nodes of a mesh, one by one, by nodes of another kind and back
// while clients of the other nodes go on with their work. They must not notice.
func TestMeshReplace(t *testing.T) {
	for _, test := range []struct{ from, to string }{{"nnn", "sss"}, {"sss", "sss"}, {"nnn", "nnn"}} {
		if *onlyKinds != "" && *onlyKinds != test.from {
			continue
		}
		t.Run(test.from+" by "+test.to, func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{Kinds: test.from})
			for _, kinds := range []string{test.to, test.from} {
				for i, letter := range kinds {
					n := m.Nodes[i]
					work := startWork(t, m, m.Except(n))
					work.awaitMore(t)
					must(t, n.Term())
					n.Kind, _ = m.Kind(letter)
					must(t, n.Start())
					awaitMesh(t, m)
					work.awaitMore(t)
					work.stop(t, m)
				}
			}
		})
	}
}

// work is what clients do all the time.
type work struct {
	clients []*nats.Conn
	done    chan struct{}
	running sync.WaitGroup

	sent    []atomic.Int64
	tallies [][]*tally // of a subscriber, by publisher
	asked   []atomic.Int64
}

// workLimit is the number of messages of a publisher, which never takes that long.
const workLimit = 200_000

// startWork has clients on each of the nodes publish a thousand messages a second, receive those
// of all, and ask and answer questions. The nodes have to be those that will not be restarted.
func startWork(t *testing.T, m *mesh.Mesh, nodes []*mesh.Node) *work {
	t.Helper()
	w := &work{done: make(chan struct{}), sent: make([]atomic.Int64, len(nodes)), asked: make([]atomic.Int64, len(nodes))}
	for _, n := range nodes {
		receiver, answerer := connectNode(t, n), connectNode(t, n)
		w.clients = append(w.clients, receiver, answerer)
		var tallies []*tally
		for j, other := range nodes {
			c := newTally(workLimit, "what %s got from %s", n, other)
			tallies = append(tallies, c)
			_, err := receiver.Subscribe(fmt.Sprintf("work.%d.*", j), c.add)
			must(t, err)
		}
		w.tallies = append(w.tallies, tallies)
		_, err := answerer.QueueSubscribe("question", "answers", func(question *nats.Msg) { _ = question.Respond(question.Data) })
		must(t, err)
	}
	settle(t, m, w.clients...)
	for i, n := range nodes {
		publisher, asker := connectNode(t, n), connectNode(t, n)
		w.clients = append(w.clients, publisher, asker)
		w.running.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for j := 0; j < workLimit; j++ {
				if err := publisher.Publish(fmt.Sprintf("work.%d.%d", i, j%7), number(j)); err != nil {
					t.Errorf("publish on %s: %v", n, err)
					return
				}
				w.sent[i].Add(1)
				if j%5 != 4 {
					continue
				}
				select {
				case <-w.done:
					return
				case <-tick.C:
				}
			}
		})
		w.running.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				if _, err := asker.Request("question", nil, stall); err != nil {
					t.Errorf("question %d of a client of %s: %v", w.asked[i].Load(), n, err)
					return
				}
				w.asked[i].Add(1)
				select {
				case <-w.done:
					return
				case <-tick.C:
				}
			}
		})
	}
	return w
}

// awaitMore waits until each node has published some more messages.
func (w *work) awaitMore(t *testing.T) {
	t.Helper()
	for i := range w.sent {
		before := w.sent[i].Load()
		awaitTrue(t, "more work", func() bool { return t.Failed() || w.sent[i].Load() > before+250 })
	}
}

// stop ends the work, and checks that each subscriber got everything once and that all questions
// were answered.
func (w *work) stop(t *testing.T, m *mesh.Mesh) {
	t.Helper()
	close(w.done)
	w.running.Wait()
	settle(t, m, w.clients...)
	for _, tallies := range w.tallies {
		for j, c := range tallies {
			c.awaitCount(int(w.sent[j].Load()))
		}
	}
	settle(t, m, w.clients...)
	for _, tallies := range w.tallies {
		for j, c := range tallies {
			c.check(t, int(w.sent[j].Load()))
		}
	}
	for i := range w.sent {
		t.Logf("%d messages and %d questions", w.sent[i].Load(), w.asked[i].Load())
	}
	for _, nc := range w.clients {
		nc.Close()
	}
}

// TestMeshFirstPublish starts a node again and again and publishes on it as soon as it accepts a
// client. Only shoal sees to it that a message published then reaches subscribers elsewhere: it
// accepts nobody before it knows them.
func TestMeshFirstPublish(t *testing.T) {
	for _, test := range []struct {
		kinds  string
		victim int
	}{{"sss", 0}, {"nns", 2}, {"sns", 0}} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(test.kinds, func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{Kinds: test.kinds})
			victim := m.Nodes[test.victim]
			const rounds = 5
			others := m.Except(victim)
			clients := connectNodes(t, others)
			tallies := make([]*tally, len(others))
			for i, nc := range clients {
				tallies[i] = newTally(rounds, "the subscriber on %s", others[i])
				_, err := nc.Subscribe("first", tallies[i].add)
				must(t, err)
			}
			flushAll(t, clients...)
			for round := range rounds {
				must(t, victim.Term())
				must(t, victim.Launch())
				publishFirst(t, victim, round)
				must(t, victim.WaitReady())
				awaitMesh(t, m)
			}
			settle(t, m, clients...)
			for _, c := range tallies {
				switch {
				case isShoal(victim):
					c.check(t, rounds)
				default:
					t.Logf("%s: %d of %d", c.what, c.total.Load(), rounds)
				}
			}
		})
	}
}

// publishFirst publishes a message as soon as a node accepts clients.
func publishFirst(t *testing.T, n *mesh.Node, i int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(meshPatience)
	for {
		nc, err := n.Connect(nats.NoReconnect())
		if err == nil {
			must(t, nc.Publish("first", number(i)))
			must(t, nc.FlushTimeout(meshPatience))
			nc.Close()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}
