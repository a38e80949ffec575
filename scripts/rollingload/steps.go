package main

import (
	"sync"
	"time"
)

// steps are the parts of an upgrade: what happened is told apart by when it happened.
type steps struct {
	mu     sync.Mutex // guards the rest
	titles []string
	begins []time.Time
}

func (s *steps) begin(now time.Time, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.titles = append(s.titles, title)
	s.begins = append(s.begins, now)
}

// at returns the number of the step at a time, -1 before the first.
func (s *steps) at(t time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.begins) - 1
	for i >= 0 && t.Before(s.begins[i]) {
		i--
	}
	return i
}

// list returns the titles.
func (s *steps) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.titles...)
}
