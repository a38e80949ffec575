package main

import (
	"sync"
	"time"
)

// moves are the times in which a connection was closed, until it was made again.
type moves struct {
	mu   sync.Mutex // guards the rest
	list []move
}

type move struct{ closed, again time.Time }

// margin is how long before the library reports it a connection may have been cut, and how long after
// it a server may need to spread the news of the subscriptions on the new one.
const margin = 250 * time.Millisecond

func (m *moves) closed(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, move{closed: now})
}

func (m *moves) made(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.list); n > 0 {
		m.list[n-1].again = now
	}
}

// all returns all moves until now.
func (m *moves) all() []move {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]move(nil), m.list...)
}

// during reports whether the connection was cut at any time between from and to, give or take the
// margin.
func during(list []move, from, to time.Time) bool {
	for _, m := range list {
		if to.After(m.closed.Add(-margin)) && (m.again.IsZero() || from.Before(m.again.Add(margin))) {
			return true
		}
	}
	return false
}
