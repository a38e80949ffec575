package node

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"shoal/node/auth"
	"shoal/subjects"
)

// subscription is what one SUB has asked for.
type subscription struct {
	conn    *conn
	account *account
	subject string
	queue   string
	sid     string
	// delivered counts the messages since SUB. Publishers add what a batch delivered when the batch
	// is over, but for a limited subscription message by message.
	delivered atomic.Int64
	// limit is the number of messages after which the subscription ends; 0 is no limit.
	limit atomic.Int64
	// weight is the number of members of a queue group at a peer, if conn is a route.
	weight atomic.Int32
	// leaf says that the peer has the interest from a leaf node.
	leaf bool
	// special is what few subscriptions have. It never changes, but may be replaced.
	special atomic.Pointer[special]
}

// special is what makes a subscription one of a few.
type special struct {
	filter *auth.Filter // of subjects that the client may not receive
	// shadows are by which the subscription gets what its account imports.
	shadows []*subscription
	// A shadow has an origin, and show makes the subject that the account above has for a message.
	origin *subscription
	above  *subscription // nil if that account is the one of origin
	show   *subjects.Transform
	trace  bool // messages may be traced into that account
}

// filterBy has the subscription get what rules allow, nil if that is everything. The caller holds
// changing of the accounts, or the subscription is in none of them yet.
func (s *subscription) filterBy(rules *auth.Rules) {
	var x special
	if old := s.special.Load(); old != nil {
		x = *old
	}
	x.filter = nil
	if rules != nil {
		x.filter = rules.Filter(s.subject, s.queue)
	}
	if x.filter == nil && len(x.shadows) == 0 {
		s.special.Store(nil)
		return
	}
	s.special.Store(&x)
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
