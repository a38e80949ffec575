package loadtest

import (
	"context"
	"sync/atomic"
)

// credit keeps a publisher from sending faster than the slowest receiver receives: it may be only
// so many messages ahead. Without it a benchmark at full speed would measure how soon a server
// gives up on slow consumers.
type credit struct {
	window  uint64
	ledgers []*ledger // of all who get its messages
	index   int       // of the publisher
	ready   chan struct{}
	blocked atomic.Bool
	waits   waiting
	clock   clock
}

func newCredit(index, window int, c clock) *credit {
	return &credit{window: uint64(window), index: index, ready: make(chan struct{}, 1), clock: c}
}

// left returns how many messages may be sent when sent ones already were.
func (c *credit) left(sent uint64) uint64 {
	left := c.window
	for _, l := range c.ledgers {
		arrived := l.arrived[c.index-l.first].Load()
		left = min(left, arrived+c.window-min(sent, arrived+c.window))
	}
	return left
}

// take waits until at least messages may be sent, and returns how many may. It returns 0 if ctx
// ends before.
func (c *credit) take(ctx context.Context, sent, least uint64) uint64 {
	if ctx.Err() != nil {
		return 0
	}
	left := c.left(sent)
	if left >= least {
		return left
	}
	c.waits.begin(c.clock.now())
	defer func() { c.waits.end(c.clock.now()) }()
	c.blocked.Store(true)
	defer c.blocked.Store(false)
	for {
		// Only now: more may have arrived before others could know that somebody waits.
		if left = c.left(sent); left >= least {
			return left
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
			return 0
		}
	}
}

// wake is called when more has arrived.
func (c *credit) wake() {
	if !c.blocked.Load() {
		return
	}
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
