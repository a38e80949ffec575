package node

import (
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"shoal/subjects"
	"shoal/wire"
)

// subscription is what one SUB has asked for.
type subscription struct {
	conn    *conn
	subject string
	queue   string
	sid     string
	// delivered counts the messages since SUB. Publishers add what a batch delivered when the batch
	// is over, but for a limited subscription message by message.
	delivered atomic.Int64
	// limit is the number of messages after which the subscription ends; 0 is no limit.
	limit atomic.Int64
}

// claim reserves one delivery of a limited subscription. It reports whether there was one left and
// whether it was the last.
func (s *subscription) claim() (ok, last bool) {
	for {
		n, limit := s.delivered.Load(), s.limit.Load()
		if n >= limit {
			return false, false
		}
		if s.delivered.CompareAndSwap(n, n+1) {
			return true, n+1 == limit
		}
	}
}

// full reports whether the subscription has had all it asked for.
func (s *subscription) full() bool {
	limit := s.limit.Load()
	return limit > 0 && s.delivered.Load() >= limit
}

// excess returns how many messages beyond its limit the subscription was given: those that were
// rendered before it had one.
func (s *subscription) excess() int64 {
	limit := s.limit.Load()
	if limit == 0 {
		return 0
	}
	return max(0, s.delivered.Load()-limit)
}

// subscriptions are those of one connection.
type subscriptions struct {
	mu    sync.Mutex // guards bySID
	bySID map[string]*subscription
}

func (t *subscriptions) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.bySID)
}

// has reports whether a subscription has that ID.
func (t *subscriptions) has(sid []byte) bool { return t.get(sid) != nil }

// get returns the subscription with that ID, or nil.
func (t *subscriptions) get(sid []byte) *subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bySID[string(sid)]
}

func (t *subscriptions) add(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bySID == nil {
		t.bySID = make(map[string]*subscription)
	}
	t.bySID[s.sid] = s
}

// remove takes s out. It reports whether s was there, so that of several who want to end a
// subscription one does.
func (t *subscriptions) remove(s *subscription) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bySID[s.sid] != s {
		return false
	}
	delete(t.bySID, s.sid)
	return true
}

// removeAll empties the table and returns what was in it.
func (t *subscriptions) removeAll() map[string]*subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.bySID
	t.bySID = nil
	return all
}

// all returns the subscriptions, in no particular order.
func (t *subscriptions) all() []*subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.bySID))
}

// wanted returns a copy of rendered deliveries without those whose subscription is gone or has had
// its fill.
func (t *subscriptions) wanted(b []byte) []byte {
	type delivery struct {
		bytes []byte
		sub   *subscription
	}
	var deliveries []delivery
	p := wire.Parser{Role: wire.FromServer, MaxControlLine: math.MaxInt - 1}
	for len(b) > 0 {
		n, err := p.Next(b)
		if err != nil || n == 0 {
			break // these are our own lines: there is nothing else in them
		}
		if s := t.get(p.Op.SID); s != nil && subjects.Match(s.subject, p.Op.Subject) {
			deliveries = append(deliveries, delivery{b[:n], s})
		}
		b = b[n:]
	}
	// What is too much is taken from the end.
	size := 0
	for i := len(deliveries) - 1; i >= 0; i-- {
		d := &deliveries[i]
		if d.sub.excess() > 0 {
			d.sub.delivered.Add(-1)
			d.bytes = nil
		}
		size += len(d.bytes)
	}
	kept := make([]byte, 0, size)
	for _, d := range deliveries {
		kept = append(kept, d.bytes...)
	}
	return kept
}
