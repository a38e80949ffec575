package mesh

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// fences counts the subjects that were used to wait for interest.
var fences atomic.Uint64

// AwaitInterest waits until each running node knows what the clients of all others have subscribed
// to, and no longer counts on what they have unsubscribed from, provided that their own servers
// have confirmed it.
//
// It does so with a responder on each node that all others ask. A node tells others of interest
// in the order in which it came, and before anything that a client publishes later, such as the
// answers.
func (m *Mesh) AwaitInterest(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	nodes := m.Running()
	clients := make([]*nats.Conn, len(nodes))
	subjects := make([]string, len(nodes))
	for i, n := range nodes {
		nc, err := n.Connect(nats.NoReconnect())
		if err != nil {
			return err
		}
		defer nc.Close()
		clients[i] = nc
		subjects[i] = fmt.Sprintf("fence.%d", fences.Add(1))
		_, err = nc.Subscribe(subjects[i], func(request *nats.Msg) { _ = request.Respond(nil) })
		if err != nil {
			return err
		}
		if err := nc.Flush(); err != nil {
			return err
		}
	}
	errs := make([]error, len(nodes))
	var asking sync.WaitGroup
	for i, n := range nodes {
		asking.Go(func() {
			for j, other := range nodes {
				err := Poll(time.Until(deadline), func() error { return ask(clients[i], subjects[j]) })
				if err != nil {
					errs[i] = fmt.Errorf("%s asks %s: %w", n, other, err)
					return
				}
			}
		})
	}
	asking.Wait()
	return errors.Join(errs...)
}

// askTimeout is for a request that a server took although nobody is there to answer.
const askTimeout = 2 * time.Second

func ask(nc *nats.Conn, subject string) error {
	_, err := nc.Request(subject, nil, askTimeout)
	return err
}

// Connect connects a client that stays with this node: it learns of no others.
func (n *Node) Connect(options ...nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{nats.Timeout(10 * time.Second), nats.IgnoreDiscoveredServers()}, options...)
	nc, err := nats.Connect(n.URL(), all...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", n, err)
	}
	return nc, nil
}
