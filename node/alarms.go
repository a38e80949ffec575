package node

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// alarms calls functions at set times, all from one goroutine, so that a connection needs neither
// a goroutine nor a timer of its own to be pinged.
type alarms struct {
	wake chan struct{}

	mu   sync.Mutex // guards heap and the fields of every alarm in it
	heap alarmHeap
}

// alarm is one function to call. fire must not block; it returns the time of the next call, or the
// zero time if there is none.
type alarm struct {
	fire  func(now time.Time) time.Time
	at    time.Time
	index int // in the heap, from 1; 0 if it is not set
	dead  bool
}

func newAlarms() *alarms { return &alarms{wake: make(chan struct{}, 1)} }

// set makes a ring at the given time, instead of the one set before; at the zero time it does not ring.
func (s *alarms) set(a *alarm, at time.Time) {
	s.mu.Lock()
	if !a.dead {
		s.place(a, at)
	}
	first := len(s.heap) > 0 && s.heap[0] == a
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// cancel keeps a from ever ringing again. fire may still be running when it returns.
func (s *alarms) cancel(a *alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place(a, time.Time{})
	a.dead = true
}

// place puts a where it belongs in the heap; the zero time takes it out.
func (s *alarms) place(a *alarm, at time.Time) {
	a.at = at
	switch {
	case at.IsZero() && a.index != 0:
		heap.Remove(&s.heap, a.index-1)
	case at.IsZero():
	case a.index == 0:
		heap.Push(&s.heap, a)
	default:
		heap.Fix(&s.heap, a.index-1)
	}
}

// run rings the alarms until ctx ends.
func (s *alarms) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.ring())
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// ring calls all functions that are due and returns the time until the next.
func (s *alarms) ring() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.heap) > 0 {
		a := s.heap[0]
		now := time.Now()
		if wait := a.at.Sub(now); wait > 0 {
			return wait
		}
		s.place(a, time.Time{})
		s.mu.Unlock()
		next := a.fire(now)
		s.mu.Lock()
		// An alarm that was set again in the meantime keeps that time.
		if a.index == 0 && !a.dead && !next.IsZero() {
			s.place(a, next)
		}
	}
	return time.Hour
}

// alarmHeap is a container/heap of alarms, the next one first.
type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *alarmHeap) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.index = len(*h)
}

func (h *alarmHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.index = 0
	return a
}
