package main

import (
	"slices"
	"sync"
	"time"
)

// published are the messages of one publisher: their times, in the order of their numbers.
type published struct {
	mu    sync.Mutex // guards the rest
	times []time.Time
}

// next returns the number of a message that is published now.
func (p *published) next(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, now)
	return len(p.times) - 1
}

func (p *published) all() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.times
}

// received is what one subscriber got.
type received struct {
	steps *steps

	mu     sync.Mutex // guards the rest
	counts [][]uint8  // by publisher and number: how often the message came
	total  int
	last   time.Time
	gaps   []time.Duration // by step: the longest time without a message that ended in it
}

func newReceived(publishers int, s *steps) *received {
	return &received{steps: s, counts: make([][]uint8, publishers)}
}

func (r *received) message(publisher, number int, now time.Time) {
	step := r.steps.at(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.counts[publisher]) <= number {
		r.counts[publisher] = append(r.counts[publisher], 0)
	}
	r.counts[publisher][number]++
	r.total++
	if step >= 0 {
		for len(r.gaps) <= step {
			r.gaps = append(r.gaps, 0)
		}
		r.gaps[step] = max(r.gaps[step], now.Sub(r.last))
	}
	r.last = now
}

// count returns the number of messages that came.
func (r *received) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// unheard returns a publisher that nothing came from, or -1.
func (r *received) unheard() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.IndexFunc(r.counts, func(c []uint8) bool { return len(c) == 0 })
}

// request is one request and what became of it.
type request struct {
	requester int
	sent      time.Time
	took      time.Duration
	err       error
}

// requests are all requests.
type requests struct {
	mu   sync.Mutex // guards the rest
	list []request
}

func (r *requests) add(one request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, one)
}

func (r *requests) all() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}
