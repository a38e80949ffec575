package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"shoal/membership"
)

// textDraining is what a client is told that comes while the node drains. Libraries turn to the next server.
const textDraining = "Server Is Draining"

// drain is a node that sends its clients elsewhere, as a lame duck does, but stays and can take it back.
// So nothing is said that could not be: members hear of it by gossip, shoal nodes that do not gossip by
// INFO without the addresses of this node's client port, and nats-servers only that there is no interest
// of queue groups any more that have members elsewhere.
type drain struct {
	active atomic.Bool // the node drains

	mu       sync.Mutex // guards the rest
	open     bool       // the node serves clients and has not begun to stop
	claiming bool       // the node finds out whether it may drain
	stop     context.CancelFunc
}

// allow lets the node drain from now on, or not any more, which also ends the pace at which clients are
// closed.
func (d *drain) allow(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = yes
	if !yes && d.stop != nil {
		d.stop()
		d.stop = nil
	}
}

// Drain has the node send its clients elsewhere until [Node.Undrain]: it refuses new ones, has peers choose
// nobody here as a member of a queue group, and after a grace period closes the connections of those it has
// one by one, over the time that a lame duck takes. It returns when that has begun.
//
// Unless force, it refuses while another server of the cluster drains or leaves, and if there is none that
// could take the clients. A node that drains already goes on.
func (n *Node) Drain(ctx context.Context, force bool) error {
	d := &n.drain
	d.mu.Lock()
	switch {
	case !d.open || n.state.isLame():
		d.mu.Unlock()
		return errors.New("the server is starting or stopping")
	case d.active.Load():
		d.mu.Unlock()
		return nil
	case d.claiming:
		d.mu.Unlock()
		return errors.New("the server is about to drain already")
	}
	d.claiming = true
	d.mu.Unlock()
	var err error
	if !force {
		err = n.mayDrain(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.claiming = false
	switch {
	case err != nil:
		return err
	case !d.open:
		return errors.New("the server is stopping")
	}
	n.beginDrain()
	return nil
}

// beginDrain begins to send clients elsewhere. The caller holds the lock of the drain.
func (n *Node) beginDrain() {
	n.log.Info("Draining: sending clients elsewhere")
	n.drain.active.Store(true)
	n.clients.hold(&ending{reason: reasonDraining, text: textDraining})
	n.interest.withdrawQueues(&n.buffers, n.hasMembersElsewhere)
	for _, c := range n.clients.all() {
		c.avoid.set(endsSoon, true)
	}
	n.urls.setRetired(true)
	n.routes.announce()
	n.members.setState(membership.Draining)
	ctx, cancel := context.WithCancel(context.Background())
	n.drain.stop = cancel
	// The node is open, so whoever ends it has yet to take the lock, and waits for this.
	n.wg.Go(func() {
		defer cancel()
		if len(n.clients.all()) > 0 {
			n.pause(ctx, n.options().LameDuckGrace)
		}
		n.closePaced(ctx, true)
		if ctx.Err() == nil {
			n.log.Info("Drained: the server stays without clients until it is told to take them again")
		}
	})
}

// Undrain takes [Node.Drain] back.
func (n *Node) Undrain() error {
	d := &n.drain
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.open || n.state.isLame():
		return errors.New("the server is starting or stopping, which cannot be taken back")
	case !d.active.Load():
		return errors.New("the server does not drain")
	}
	d.stop()
	d.stop = nil
	n.log.Info("Taking clients again")
	d.active.Store(false)
	for _, c := range n.clients.all() {
		if c.ending.Load() == nil {
			c.avoid.set(endsSoon, false)
		}
	}
	n.interest.withdrawQueues(&n.buffers, func(topicKey) bool { return false })
	n.clients.hold(nil)
	n.urls.setRetired(false)
	n.routes.announce()
	n.members.setState(membership.Active)
	return nil
}

// Draining reports whether the node drains.
func (n *Node) Draining() bool { return n.drain.active.Load() }

// sendsAway reports whether clients should go elsewhere.
func (n *Node) sendsAway() bool { return n.state.isLame() || n.drain.active.Load() }

// claims reports whether the node drains, or is about to, or leaves.
func (n *Node) claims() bool {
	d := &n.drain
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claiming || n.sendsAway()
}

// mayDrain says why the node should not drain now, if so. It asks all peers: gossip may not have told yet
// that one of them has begun to. If two want to at the same moment, at least one of them hears of the
// other and gives up.
func (n *Node) mayDrain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	peers := n.routes.list()
	busy := make([]bool, len(peers))
	var wg sync.WaitGroup
	others := 0
	for i, r := range peers {
		if r.leaving.Load() || r.sendsAway.Load() {
			busy[i] = true
			continue
		}
		others++
		if !isShoal(r.peer()) || r.peer().Shoal.Proto < askProto {
			continue
		}
		wg.Go(func() {
			var claimed claim
			// Who does not answer is left to gossip, or no maintenance would be possible with a broken server.
			if n.ask(ctx, r.peer().ID, "claims", nil, &claimed) == nil {
				busy[i] = claimed.Claimed
			}
		})
	}
	wg.Wait()
	for i, r := range peers {
		if busy[i] {
			return fmt.Errorf("%s drains or leaves already, wait until it is done, or use --force", r.peer().Name)
		}
	}
	if others == 0 {
		return errors.New("there is no other server that could take its clients, use --force to close them nevertheless")
	}
	return nil
}

// claim is the answer to whether a server drains, or is about to.
type claim struct {
	Claimed bool `json:"claimed"`
}

// drainOrder is what is asked of a server that is to drain.
type drainOrder struct {
	Force bool `json:"force,omitempty"`
}

// DrainMember has the server with that ID drain, as [Node.Drain] does, if there is a route to it.
func (n *Node) DrainMember(ctx context.Context, id string, force bool) error {
	return n.ask(ctx, id, "drain", drainOrder{force}, nil)
}

// UndrainMember takes that back.
func (n *Node) UndrainMember(ctx context.Context, id string) error {
	return n.ask(ctx, id, "undrain", nil, nil)
}

// leaveOrder is what is asked of a server that is to leave.
type leaveOrder struct {
	Now bool `json:"now,omitempty"`
}

// LeaveMember has the server with that ID leave the cluster and end, as a lame duck unless now. It returns
// how many clients it has.
func (n *Node) LeaveMember(ctx context.Context, id string, now bool) (connections uint64, err error) {
	var s MemberStatus
	err = n.ask(ctx, id, "leave", leaveOrder{now}, &s)
	return s.Connections, err
}

// orderedToLeave carries that out.
func (n *Node) orderedToLeave(from string, order leaveOrder) (any, error) {
	n.log.Info("Asked to leave", "by", from, "now", order.Now)
	if n.options().Leave == nil || !n.options().Leave(order.Now) {
		return nil, errors.New("the server cannot leave, or leaves already")
	}
	return MemberStatus{Connections: n.Stats().Connections}, nil
}

// MemberStatus is what a server says of itself when it is asked.
type MemberStatus struct {
	Connections uint64 `json:"connections"`
	Draining    bool   `json:"draining"`
	// Settings are those in which the servers of a cluster should not differ, by section and name.
	Settings map[string]map[string]string `json:"settings"`
}

// StatusOf asks the server with that ID how it is going.
func (n *Node) StatusOf(ctx context.Context, id string) (s MemberStatus, err error) {
	err = n.ask(ctx, id, "status", nil, &s)
	return s, err
}

// verbs are what the node can be asked.
func (n *Node) verbs() map[string]verb {
	return map[string]verb{
		"status": {answer: func(context.Context, string, json.RawMessage) (any, error) {
			return MemberStatus{Connections: n.Stats().Connections, Draining: n.Draining(), Settings: n.settings()}, nil
		}},
		"claims": {answer: func(context.Context, string, json.RawMessage) (any, error) {
			return claim{n.claims()}, nil
		}},
		"drain": {changes: true, answer: func(ctx context.Context, from string, body json.RawMessage) (any, error) {
			var order drainOrder
			if err := json.Unmarshal(body, &order); err != nil {
				return nil, err
			}
			n.log.Info("Asked to drain", "by", from, "force", order.Force)
			return nil, n.Drain(ctx, order.Force)
		}},
		verbFigures:     {answer: n.answerFigures},
		verbConnections: {answer: n.answerConnections},
		"leave": {changes: true, answer: func(_ context.Context, from string, body json.RawMessage) (any, error) {
			var order leaveOrder
			if err := json.Unmarshal(body, &order); err != nil {
				return nil, err
			}
			return n.orderedToLeave(from, order)
		}},
		"undrain": {changes: true, answer: func(_ context.Context, from string, _ json.RawMessage) (any, error) {
			n.log.Info("Asked to take clients again", "by", from)
			return nil, n.Undrain()
		}},
	}
}
