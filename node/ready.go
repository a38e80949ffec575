package node

import (
	"context"
	"sync"
	"time"
)

// readiness is whether the node knows what its peers are interested in, so that the first message of
// its first client reaches everybody.
type readiness struct {
	node  *Node
	once  sync.Once
	ready chan struct{}
}

func (r *readiness) init(n *Node) {
	r.node = n
	r.ready = make(chan struct{})
}

// check looks whether the node has become ready: every peer it knows of has been tried, and those
// that were reached have sent all their interest.
func (r *readiness) check() {
	if r.node.Synchronized() {
		r.once.Do(func() { close(r.ready) })
	}
}

// wait returns when the node is ready, or after the given time.
func (r *readiness) wait(ctx context.Context, timeout time.Duration) {
	r.check()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-r.ready:
	case <-ctx.Done():
	case <-timer.C:
		r.node.log.Warn("Serving clients although not all peers have been heard", "after", timeout)
	}
}

// Synchronized reports whether every peer that the node knows of has been tried at least once, and
// all those that it has a route to have sent their interest.
func (n *Node) Synchronized() bool {
	return n.members.isSettled() && n.targets.settled() && n.routes.synchronized()
}

// Ready reports whether the interest of all peers that were there when the node started has been known
// once. It stays so when peers come and go later, which is what [Node.Synchronized] is about.
func (n *Node) Ready() bool {
	if !n.interest.enabled {
		return true
	}
	select {
	case <-n.readiness.ready:
		return true
	default:
		return false
	}
}
