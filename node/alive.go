package node

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// longVisit is how long greeting one connection may take, which never waits for its other side.
const longVisit = 5 * time.Second

// door is what can be seen from outside of a goroutine that accepts connections.
type door struct {
	opened atomic.Int64 // when the greeting under way has begun, in nanoseconds; 0 if there is none
}

func (d *door) begin() { d.opened.Store(time.Now().UnixNano()) }
func (d *door) end()   { d.opened.Store(0) }

// jammed reports whether the goroutine is stuck in greeting somebody.
func (d *door) jammed() bool {
	opened := d.opened.Load()
	return opened != 0 && time.Now().UnixNano()-opened > int64(longVisit)
}

// Alive reports whether the node still works, for a watchdog that restarts the process if it does not:
// the goroutine that rings all alarms does so, the tables of clients and routes can be used, and nobody is
// stuck in accepting a connection. It waits for that until ctx ends. A node that is busy, leaves or has
// stopped in good order is alive. The node must have been started.
func (n *Node) Alive(ctx context.Context) error {
	rung := make(chan struct{})
	n.alarms.set(&alarm{fire: func(time.Time) time.Time {
		n.clients.count()
		n.routes.list()
		close(rung)
		return time.Time{}
	}}, time.Now())
	select {
	case <-rung:
	case <-n.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the alarms do not ring, or the clients cannot be counted: %w", ctx.Err())
	}
	if n.clientDoor.jammed() || n.routeDoor.jammed() {
		return errors.New("a connection is accepted that keeps all others waiting")
	}
	return nil
}
