package compat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// soon is how long an answer may take that normally is there within a millisecond.
const soon = time.Second

// TestMesh runs the same program with clients on all nodes of meshes of all sorts, and again after
// one node was killed and started again.
func TestMesh(t *testing.T) {
	for _, test := range []struct {
		kinds    string
		topology mesh.Topology
		victim   int
	}{
		{"nnn", mesh.Everybody, 1},
		{"sss", mesh.Everybody, 1},
		{"nns", mesh.Everybody, 2},
		{"nsn", mesh.Chain, 1},
		{"snn", mesh.Seed, 0},
		{"ssn", mesh.Chain, 2},
		{"snnn", mesh.Everybody, 0},
		{"nssn", mesh.Everybody, 3},
		{"ssss", mesh.Seed, 3},
		{"nsns", mesh.Seed, 2},
	} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(test.kinds, func(t *testing.T) {
			t.Parallel()
			m := startMesh(t, mesh.Options{Kinds: test.kinds, Topology: test.topology})
			t.Run("before", func(t *testing.T) { meshProgram(t, m) })
			victim := m.Nodes[test.victim]
			must(t, victim.Kill())
			if victim == m.Nodes[0] && test.kinds == "snn" {
				// The others know nobody else: they have to stay together.
				t.Run("without the seed", func(t *testing.T) { meshProgram(t, m) })
			}
			must(t, victim.Start())
			awaitMesh(t, m)
			t.Run("after", func(t *testing.T) { meshProgram(t, m) })
		})
	}
}

// TestMeshGrowsFromStranger lets a node join that knows one node of the other kind only, and
// nobody knows the newcomer.
func TestMeshGrowsFromStranger(t *testing.T) {
	for _, test := range []struct {
		kinds string
		seed  int // what the last node knows
	}{
		{"nnsn", 2}, {"ssns", 2}, {"ssn", 0}, {"nns", 0}, {"nsnsn", 1},
	} {
		if *onlyKinds != "" && *onlyKinds != test.kinds {
			continue
		}
		t.Run(fmt.Sprintf("%s by %d", test.kinds, test.seed), func(t *testing.T) {
			t.Parallel()
			last := len(test.kinds) - 1
			m := newMesh(t, mesh.Options{Kinds: test.kinds, Topology: func(i, nodes int) []int {
				if i == last {
					return []int{test.seed}
				}
				return mesh.Everybody(0, nodes-1)
			}})
			var starting sync.WaitGroup
			for _, n := range m.Nodes[:last] {
				starting.Go(func() {
					if err := n.Start(); err != nil {
						t.Error(err)
					}
				})
			}
			starting.Wait()
			awaitMesh(t, m)
			must(t, m.Nodes[last].Start())
			awaitMesh(t, m)
			meshProgram(t, m)
		})
	}
}

// meshProgram does with a complete mesh what applications do.
func meshProgram(t *testing.T, m *mesh.Mesh) {
	for _, step := range []struct {
		name string
		run  func(t *testing.T, m *mesh.Mesh)
	}{
		{"addresses", meshAddresses},
		{"publish and subscribe", meshPublish},
		{"queue group", meshQueue},
		{"requests", meshRequests},
		{"no responders", meshNoResponders},
		{"interest goes", meshInterestGoes},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, m) }) {
			return
		}
	}
}

// meshAddresses has clients learn the addresses of all nodes.
func meshAddresses(t *testing.T, m *mesh.Mesh) {
	for _, n := range m.Running() {
		if err := watch(t, n).Await(meshPatience, mesh.Addresses(m.Running())); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
}

// meshPublish publishes messages with headers on each node, which have to reach a subscriber on
// each node once.
func meshPublish(t *testing.T, m *mesh.Mesh) {
	const messages = 200
	nodes := m.Running()
	clients := connectNodes(t, nodes)
	tallies := make([]*tally, len(nodes))
	for i, nc := range clients {
		tallies[i] = newTally(messages*len(nodes), "the subscriber on %s", nodes[i])
		_, err := nc.Subscribe("news.*.>", func(m *nats.Msg) {
			if got := m.Header["Number"]; len(got) != 2 || got[0] != fmt.Sprintf("%x", m.Data) || got[1] != m.Subject {
				t.Errorf("a message came with the headers %q", m.Header)
			}
			tallies[i].add(m)
		})
		must(t, err)
	}
	settle(t, m, clients...)
	for i := range messages * len(nodes) {
		subject := fmt.Sprintf("news.of.%d", i)
		must(t, clients[i%len(nodes)].PublishMsg(&nats.Msg{
			Subject: subject, Header: nats.Header{"Number": {fmt.Sprintf("%x", number(i)), subject}}, Data: number(i),
		}))
	}
	flushAll(t, clients...)
	for _, c := range tallies {
		c.await()
	}
	settle(t, m, clients...)
	for _, c := range tallies {
		c.check(t, messages*len(nodes))
	}
}

// meshQueue has a queue group with a member on each node, and one more, work on messages that are
// published on all nodes.
func meshQueue(t *testing.T, m *mesh.Mesh) {
	const messages = 1000
	nodes := m.Running()
	clients := connectNodes(t, nodes)
	members := append(slices.Clone(clients), connectNode(t, nodes[0]))
	work := newTally(messages*len(nodes), "the group")
	shares := make([]atomic.Int64, len(members))
	for i, nc := range members {
		_, err := nc.QueueSubscribe("work", "group", func(m *nats.Msg) {
			shares[i].Add(1)
			work.add(m)
		})
		must(t, err)
	}
	settle(t, m, members...)
	for i := range messages * len(nodes) {
		must(t, clients[i%len(nodes)].Publish("work", number(i)))
	}
	flushAll(t, clients...)
	work.await()
	settle(t, m, members...)
	work.check(t, messages*len(nodes))
	fair := int64(messages * len(nodes) / len(members))
	for i := range shares {
		if share := shares[i].Load(); share < fair/2 || share > fair*2 {
			t.Errorf("member %d got %d messages, a fair share being %d", i, share, fair)
		}
	}
}

// meshRequests has a client of each node ask a responder on each node.
func meshRequests(t *testing.T, m *mesh.Mesh) {
	nodes := m.Running()
	clients := connectNodes(t, nodes)
	for i, nc := range clients {
		_, err := nc.Subscribe(fmt.Sprintf("ask.%d", i), func(request *nats.Msg) {
			err := request.RespondMsg(&nats.Msg{
				Header: nats.Header{"Echo": request.Header["Question"], "From": {nodes[i].Name}},
				Data:   []byte(strings.ToUpper(string(request.Data))),
			})
			if err != nil {
				t.Error(err)
			}
		})
		must(t, err)
	}
	settle(t, m, clients...)
	for i, nc := range clients {
		for j := range nodes {
			question := fmt.Sprintf("from %d to %d", i, j)
			answer, err := nc.RequestMsg(&nats.Msg{
				Subject: fmt.Sprintf("ask.%d", j), Header: nats.Header{"Question": {question}}, Data: []byte(question),
			}, stall)
			switch {
			case err != nil:
				t.Errorf("%s: %v", question, err)
			case string(answer.Data) != strings.ToUpper(question) || answer.Header.Get("Echo") != question || answer.Header.Get("From") != nodes[j].Name:
				t.Errorf("%s: got %q with headers %q", question, answer.Data, answer.Header)
			}
		}
	}
}

// meshNoResponders asks where nobody is.
func meshNoResponders(t *testing.T, m *mesh.Mesh) {
	for _, n := range m.Running() {
		nc := connectNode(t, n)
		began := time.Now()
		_, err := nc.Request("nobody.home", nil, stall)
		if took := time.Since(began); !errors.Is(err, nats.ErrNoResponders) || took > soon {
			t.Errorf("%s: a request that nobody answers led to %v after %v", n, err, took)
		}
	}
}

// meshInterestGoes takes the only responder away, once by unsubscribing and once by disconnecting.
func meshInterestGoes(t *testing.T, m *mesh.Mesh) {
	nodes := m.Running()
	clients := connectNodes(t, nodes)
	for i, n := range nodes {
		for _, leave := range []struct {
			how string
			do  func(nc *nats.Conn, sub *nats.Subscription) error
		}{
			{"unsubscribes", func(nc *nats.Conn, sub *nats.Subscription) error {
				return errors.Join(sub.Unsubscribe(), nc.Flush())
			}},
			{"disconnects", func(nc *nats.Conn, _ *nats.Subscription) error { nc.Close(); return nil }},
		} {
			responder := connectNode(t, n)
			subject := fmt.Sprintf("brief.%d.%s", i, leave.how)
			sub, err := responder.Subscribe(subject, func(request *nats.Msg) { _ = request.Respond(nil) })
			must(t, err)
			settle(t, m, responder)
			for j, nc := range clients {
				if _, err := nc.Request(subject, nil, stall); err != nil {
					t.Errorf("%s asks %s: %v", nodes[j], n, err)
				}
			}
			must(t, leave.do(responder, sub))
			for j, nc := range clients {
				err := mesh.Poll(stall, func() error { return wantNoResponders(nc, subject) })
				if err != nil {
					t.Errorf("%s asks %s, whose responder %s: %v", nodes[j], n, leave.how, err)
				}
			}
		}
	}
}

// wantNoResponders reports an error unless a request is turned down at once.
func wantNoResponders(nc *nats.Conn, subject string) error {
	if _, err := nc.Request(subject, nil, soon/10); !errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("a request to %s led to %v instead of no responders", subject, err)
	}
	return nil
}
