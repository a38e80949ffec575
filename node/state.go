package node

import (
	"context"
	"sync"
	"sync/atomic"
)

// state is how far a node is in its life.
type state struct {
	lame atomic.Bool // the node is about to go

	mu      sync.Mutex // guards the rest
	started bool
	stop    context.CancelFunc // nil before the listener is open
}

// begin reports whether the node may start, which is so once.
func (s *state) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return false
	}
	s.started = true
	return true
}

func (s *state) set(stop context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = stop
}

// beginLame notes that the node is about to go. It reports whether that was not known before.
func (s *state) beginLame() bool { return s.lame.CompareAndSwap(false, true) }

// isLame reports whether the node is about to go.
func (s *state) isLame() bool { return s.lame.Load() }

// end forbids a later start and returns what stops the node, or nil if it does not run.
func (s *state) end() context.CancelFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	return s.stop
}
