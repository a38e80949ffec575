package compat

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// TestMeshManySubscriptions announces ten thousand subscriptions to a peer, half of them before it
// comes, and withdraws them.
func TestMeshManySubscriptions(t *testing.T) {
	forKinds(t, []string{"ss", "sn", "ns", "nn"}, func(t *testing.T, kinds string) {
		const subscriptions = 10_000
		m := newMesh(t, mesh.Options{Kinds: kinds})
		must(t, m.Nodes[0].Start())
		subscriber := connectNode(t, m.Nodes[0])
		arrivals := make(chan *nats.Msg, 2*subscriptions)
		var subs []*nats.Subscription
		subscribeMany := func(from, to int) {
			for i := from; i < to; i++ {
				sub, err := subscriber.ChanSubscribe(fmt.Sprintf("many.%d.x", i), arrivals)
				must(t, err)
				subs = append(subs, sub)
			}
			flushAll(t, subscriber)
		}
		subscribeMany(0, subscriptions/2)
		began := time.Now()
		must(t, m.Nodes[1].Start())
		awaitMesh(t, m)
		t.Logf("%d subscriptions were known %v after the start", subscriptions/2, time.Since(began))
		publisher := connectNode(t, m.Nodes[1])
		quiet := subscriptionsAt(t, m.Nodes[1], m.Nodes[0]) - subscriptions/2
		began = time.Now()
		subscribeMany(subscriptions/2, subscriptions)
		must(t, m.AwaitInterest(meshPatience))
		t.Logf("%d more took %v", subscriptions/2, time.Since(began))
		if got := subscriptionsAt(t, m.Nodes[1], m.Nodes[0]) - quiet; got < subscriptions-10 || got > subscriptions+10 {
			t.Errorf("the peer knows of %d subscriptions, not %d", got, subscriptions)
		}

		for i := range subscriptions {
			must(t, publisher.Publish(fmt.Sprintf("many.%d.x", i), number(i)))
		}
		flushAll(t, publisher)
		tally := newTally(subscriptions, "the subscriber")
		for tally.total.Load() < subscriptions {
			select {
			case m := <-arrivals:
				if string(m.Data) != string(number(int(m.Data[6])<<8|int(m.Data[7]))) || m.Subject != m.Sub.Subject {
					t.Fatalf("%q came for %s on %s", m.Data, m.Sub.Subject, m.Subject)
				}
				tally.add(m)
			case <-time.After(stall):
				tally.check(t, subscriptions)
				t.FailNow()
			}
		}
		settle(t, m, publisher, subscriber)
		if len(arrivals) > 0 {
			t.Errorf("%d messages too many", len(arrivals))
		}
		tally.check(t, subscriptions)

		began = time.Now()
		for _, sub := range subs {
			must(t, sub.Unsubscribe())
		}
		settle(t, m, subscriber)
		t.Logf("their withdrawal took %v", time.Since(began))
		if got := subscriptionsAt(t, m.Nodes[1], m.Nodes[0]); got > quiet+10 || got < quiet-10 {
			t.Errorf("the peer knows of %d subscriptions instead of %d", got, quiet)
		}
		// Each request must be turned down.
		_, err := publisher.ChanSubscribe("turned.down", arrivals)
		must(t, err)
		for i := range subscriptions {
			must(t, publisher.PublishRequest(fmt.Sprintf("many.%d.x", i), "turned.down", nil))
		}
		flushAll(t, publisher)
		for i := range subscriptions {
			select {
			case answer := <-arrivals:
				if answer.Header.Get("Status") != "503" {
					t.Fatalf("request %d was not turned down but led to %q", i, answer.Data)
				}
			case <-time.After(stall):
				t.Fatalf("only %d of %d requests were turned down", i, subscriptions)
			}
		}
	})
}

// subscriptionsAt is the number of subscriptions that a node has from a peer.
func subscriptionsAt(t *testing.T, n, peer *mesh.Node) int {
	t.Helper()
	peers, err := n.Peers()
	must(t, err)
	count := 0
	for _, r := range peers[peer.ID()] {
		count += r.Subscriptions
	}
	return count
}
