package membership

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// view is what this node believes about all members. Whoever reads it gets the last list that was
// published, without a lock; whoever learns something changes the map and publishes a new list.
type view struct {
	changed chan struct{} // capacity 1: there is a list that nobody has fetched
	list    atomic.Pointer[[]Member]

	mu   sync.Mutex // guards the rest. Nothing is called while it is held
	byID map[string]*Member
	revs map[string]uint64 // number of the last event of each member
	rev  uint64            // number of the last event
}

func newView() *view {
	v := &view{changed: make(chan struct{}, 1), byID: make(map[string]*Member), revs: make(map[string]uint64)}
	v.list.Store(&[]Member{})
	return v
}

// members returns the last list, ordered by ID. It must not be changed.
func (v *view) members() []Member { return *v.list.Load() }

// member returns the member with that ID.
func (v *view) member(id string) (Member, bool) {
	list := v.members()
	i, ok := slices.BinarySearchFunc(list, id, func(m Member, id string) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return list[i], true
}

// kind is what has happened to a member.
type kind uint8

const (
	joined  kind = iota // it is there, or there again
	updated             // it says something else of itself
	left                // it has said goodbye
	failed              // it has not answered for too long
	reaped              // it is forgotten
)

// event is something that has happened to a member; m is how it was described.
type event struct {
	kind kind
	m    Member
}

// apply notes events, and publishes the outcome if it differs from what was known.
func (v *view) apply(now time.Time, events ...event) {
	v.mu.Lock()
	news := false
	for _, e := range events {
		news = v.note(now, e) || news
	}
	if news {
		v.publish()
	}
	v.mu.Unlock()
	if news {
		v.signal()
	}
}

// note notes an event, and reports whether it changed anything.
func (v *view) note(now time.Time, e event) bool {
	old := v.byID[e.m.ID]
	v.rev++
	v.revs[e.m.ID] = v.rev
	if e.kind == reaped {
		delete(v.byID, e.m.ID)
		delete(v.revs, e.m.ID)
		return old != nil
	}
	m := e.m
	m.Since = now
	if old != nil {
		m.Liveness, m.Since, m.Incarnation, m.RTT = old.Liveness, old.Since, old.Incarnation, old.RTT
		m.answered, m.goodbye = old.answered, old.goodbye
	}
	to := m.Liveness
	switch e.kind {
	case joined:
		// It is an event only after failing or leaving, so a suspicion is older than it.
		to, m.goodbye = Alive, false
	case left:
		to = Left
	case failed:
		to = Failed
		if m.goodbye {
			to = Left
		}
	}
	if to != m.Liveness {
		m.Liveness, m.Since = to, now
	}
	if old != nil && old.sameNews(&m) {
		return false
	}
	v.byID[m.ID] = &m
	return true
}

// revisions returns the number of the last event of each member.
func (v *view) revisions() map[string]uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.revs)
}

// repair applies those events whose member has had no other since it had these revisions, and returns how
// many.
func (v *view) repair(now time.Time, since map[string]uint64, events []event) (repaired int) {
	v.mu.Lock()
	for _, e := range events {
		if v.revs[e.m.ID] == since[e.m.ID] && v.note(now, e) {
			repaired++
		}
	}
	if repaired > 0 {
		v.publish()
	}
	v.mu.Unlock()
	if repaired > 0 {
		v.signal()
	}
	return repaired
}

// suspected notes that this node has begun to suspect a member, in the incarnation that it last knew.
func (v *view) suspected(now time.Time, id string, incarnation uint32) {
	v.doubt(id, func(m *Member) bool {
		if m.Self || incarnation < m.Incarnation || incarnation < m.answered {
			return false
		}
		m.Incarnation = incarnation
		if m.Liveness != Alive {
			return false
		}
		m.Liveness, m.Since = Suspect, now
		return true
	})
}

// refuted notes that this node has heard a member in that incarnation.
func (v *view) refuted(now time.Time, id string, incarnation uint32) {
	v.doubt(id, func(m *Member) bool {
		if incarnation <= m.Incarnation {
			return false
		}
		m.Incarnation = incarnation
		if m.Liveness != Suspect {
			return false
		}
		m.Liveness, m.Since = Alive, now
		return true
	})
}

// denied notes that somebody passes on that a member lives in that incarnation. It ends a suspicion of an
// earlier one; what else is to be believed is for the library to say.
func (v *view) denied(now time.Time, id string, incarnation uint32) {
	v.doubt(id, func(m *Member) bool {
		if m.Liveness != Suspect || incarnation <= m.Incarnation {
			return false
		}
		m.Incarnation, m.Liveness, m.Since = incarnation, Alive, now
		return true
	})
}

// answers notes that a suspect has answered this node. What is still passed on about the incarnation that
// was suspected does not count any more.
func (v *view) answers(now time.Time, id string) {
	v.doubt(id, func(m *Member) bool {
		if m.Liveness != Suspect {
			return false
		}
		m.Liveness, m.Since, m.answered = Alive, now, m.Incarnation+1
		return true
	})
}

// missed notes that a member has not answered this node's probe.
func (v *view) missed(now time.Time, id string) {
	v.doubt(id, func(m *Member) bool {
		if m.Self || m.Liveness != Alive {
			return false
		}
		m.Liveness, m.Since = Suspect, now
		return true
	})
}

// saidGoodbye notes that a member has said goodbye in that incarnation: it leaves, and does not fail.
func (v *view) saidGoodbye(now time.Time, id string, incarnation uint32) {
	v.doubt(id, func(m *Member) bool {
		if m.Self || incarnation < m.Incarnation {
			return false
		}
		m.goodbye = true
		if m.Liveness != Failed {
			return false
		}
		m.Liveness, m.Since = Left, now
		return true
	})
}

// doubt changes a member, and publishes it if change says so.
func (v *view) doubt(id string, change func(*Member) bool) {
	v.mu.Lock()
	m := v.byID[id]
	news := m != nil && change(m)
	if news {
		v.publish()
	}
	v.mu.Unlock()
	if news {
		v.signal()
	}
}

// expire ends suspicions that are older than any can be, and returns how many: what ended them was
// missed.
func (v *view) expire(now time.Time, oldest time.Duration) (expired int) {
	v.mu.Lock()
	for _, m := range v.byID {
		if m.Liveness == Suspect && now.Sub(m.Since) > oldest {
			m.Liveness, m.Since = Alive, now
			expired++
		}
	}
	if expired > 0 {
		v.publish()
	}
	v.mu.Unlock()
	if expired > 0 {
		v.signal()
	}
	return expired
}

// measure fills in round trips. Nobody is woken for them.
func (v *view) measure(rtt func(id string) time.Duration) {
	times := make(map[string]time.Duration)
	for _, m := range v.members() {
		times[m.ID] = rtt(m.ID)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, d := range times {
		if m := v.byID[id]; m != nil {
			m.RTT = d
		}
	}
	v.publish()
}

// publish makes the map the list that is read. The caller holds mu.
func (v *view) publish() {
	list := make([]Member, 0, len(v.byID))
	for _, m := range v.byID {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	v.list.Store(&list)
}

func (v *view) signal() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}
