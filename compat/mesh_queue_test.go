package compat

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// TestMeshQueueRun has a group with members on all nodes work on a hundred thousand messages.
func TestMeshQueueRun(t *testing.T) {
	forKinds(t, []string{"nsns", "snnn", "ssss"}, func(t *testing.T, kinds string) {
		messages := 100_000
		if testing.Short() || raceDetector {
			messages = 20_000
		}
		m := startMesh(t, mesh.Options{Kinds: kinds})
		members := append(connectNodes(t, m.Nodes), connectNodes(t, m.Nodes)...)
		tasks := newTally(messages, "the group")
		shares := make([]atomic.Int64, len(members))
		for i, nc := range members {
			sub, err := nc.QueueSubscribe("task.*", "group", func(m *nats.Msg) { tasks.add(m); shares[i].Add(1) })
			must(t, err)
			must(t, sub.SetPendingLimits(-1, -1))
		}
		settle(t, m, members...)
		publishers := connectNodes(t, m.Nodes)
		began := time.Now()
		var publishing sync.WaitGroup
		for i, nc := range publishers {
			publishing.Go(func() {
				for j := i; j < messages; j += len(publishers) {
					if err := nc.Publish("task.x", number(j)); err != nil {
						t.Error(err)
						return
					}
				}
				if err := nc.FlushTimeout(meshPatience); err != nil {
					t.Error(err)
				}
			})
		}
		publishing.Wait()
		tasks.await()
		took := time.Since(began)
		settle(t, m, members...)
		tasks.check(t, messages)
		t.Logf("%d messages in %v", messages, took)
		fair := int64(messages / len(members))
		for i := range shares {
			if share := shares[i].Load(); share < fair/2 || share > fair*2 {
				t.Errorf("a member on %s got %d messages, a fair share being %d", m.Nodes[i%len(m.Nodes)], share, fair)
			}
		}
	})
}

// TestMeshQueueChurn has members of a group come and go on all nodes while one stays. None of the
// messages may get lost on the way to a member that has left, nor be worked on twice.
func TestMeshQueueChurn(t *testing.T) {
	forKinds(t, []string{"nsns", "ssss", "nnsn"}, func(t *testing.T, kinds string) {
		messages := 40_000
		if testing.Short() || raceDetector {
			messages = 10_000
		}
		m := startMesh(t, mesh.Options{Kinds: kinds})
		tasks := newTally(messages, "the group")
		steady := connectNode(t, m.Nodes[0])
		_, err := steady.QueueSubscribe("task.*", "group", tasks.add)
		must(t, err)
		settle(t, m, steady)

		done := make(chan struct{})
		var visits atomic.Int64
		var coming sync.WaitGroup
		for _, n := range m.Nodes {
			for range 2 {
				guest := connectNode(t, n)
				coming.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						if err := visit(guest, tasks); err != nil {
							t.Errorf("a guest of %s: %v", n, err)
							return
						}
						visits.Add(1)
					}
				})
			}
		}
		publishers := connectNodes(t, m.Nodes)
		var publishing sync.WaitGroup
		for i, nc := range publishers {
			publishing.Go(func() {
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for j := i; j < messages; j += len(publishers) {
					if j/len(publishers)%5 == 0 {
						<-tick.C
					}
					if err := nc.Publish("task.x", number(j)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		publishing.Wait()
		flushAll(t, publishers...)
		tasks.await()
		close(done)
		coming.Wait()
		settle(t, m, steady)
		tasks.check(t, messages)
		t.Logf("%d messages, %d visits", messages, visits.Load())
		if visits.Load() < 100 {
			t.Errorf("there were only %d visits", visits.Load())
		}
	})
}

// visit joins the group, works on a few messages and drains.
func visit(nc *nats.Conn, tasks *tally) error {
	some := make(chan struct{}, 1)
	var worked atomic.Int64
	sub, err := nc.QueueSubscribe("task.*", "group", func(m *nats.Msg) {
		tasks.add(m)
		if worked.Add(1) == 3 {
			some <- struct{}{}
		}
	})
	if err != nil {
		return err
	}
	left := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(left) })
	select {
	case <-some:
	case <-time.After(20 * time.Millisecond): // the group may be busy elsewhere
	}
	if err := sub.Drain(); err != nil {
		return err
	}
	select {
	case <-left:
		return nil
	case <-time.After(meshPatience):
		return errUnsettled
	}
}
