package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"shoal/membership"
)

// maxLameDuckStep is the longest time between the ends of two clients: few clients need not be
// spread over the whole duration.
const maxLameDuckStep = time.Second

// LameDuck stops the node so gently that clients hardly notice. It serves no new clients, tells
// those it has where else to go, and has peers choose nobody here as a member of a queue group.
// After a grace period, in which clients may leave by themselves, it closes their connections one
// by one. Then it shuts the node down. When ctx ends first, the rest is done at once.
//
// It returns when the node has stopped. A second call is an error.
func (n *Node) LameDuck(ctx context.Context) error {
	if n.Addr() == nil {
		return errors.New("the node has not been started")
	}
	if !n.state.beginLame() {
		return errors.New("the node is a lame duck already")
	}
	n.drain.allow(false)
	if n.system != nil {
		n.system.service.LeavesSoon()
	}
	n.log.Info("Entering lame duck mode, stop accepting new clients")
	n.port.close()
	n.webPort.close()
	n.clients.refuse(&ending{reason: reasonServerShutdown})
	if n.routeListener != nil {
		n.withdraw(false)
		n.members.setState(membership.LameDuck)
	}
	clients := n.clients.all()
	for _, c := range clients {
		c.avoid.set(endsSoon, true)
	}
	n.urls.retire()
	if len(clients) > 0 {
		n.pause(ctx, n.options().LameDuckGrace)
		n.closePaced(ctx, false)
	}
	return n.Shutdown(ctx)
}

// closePaced closes the connections of clients one after the other, in no particular order. When ctx ends
// it closes the rest at once, or leaves them alone if that is how it can be halted.
func (n *Node) closePaced(ctx context.Context, halts bool) {
	clients := n.clients.all()
	if len(clients) == 0 {
		return
	}
	rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	n.log.Info("Closing existing clients")
	end := time.Now().Add(n.options().LameDuckDuration - n.options().LameDuckGrace)
	for i, c := range clients {
		if i > 0 {
			// Clients that leave by themselves make the steps of the others no longer.
			step := min(max(time.Until(end), 0)/time.Duration(len(clients)-i), maxLameDuckStep)
			n.pause(ctx, step/2+rand.N(step/2+1))
		}
		if halts && ctx.Err() != nil {
			return
		}
		c.end(&ending{reason: reasonServerShutdown})
	}
}

// pause waits, unless ctx ends or the last client has gone.
func (n *Node) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-n.clients.empty:
	}
}
