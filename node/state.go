package node

import (
	"context"
	"sync"
)

// state is how far a node is in its life.
type state struct {
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

// end forbids a later start and returns what stops the node, or nil if it does not run.
func (s *state) end() context.CancelFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	return s.stop
}
