package node

import (
	"hash/maphash"
	"slices"
	"time"
)

// group is the subscriptions that receive a message in the same bytes, but for their IDs. A
// connection is in a group at most once.
type group struct {
	groupKey
	set  *receiverSet
	subs []*subscription
	// prefix is "HMSG subject sid ", or "HMSG account subject " if the receivers are peers.
	prefix []byte
	// bare precedes a message without headers: it has MSG or RMSG instead.
	bare []byte
	// sids are the IDs for the receivers of the set, one behind the other, if they differ.
	sids []byte
	// limited says that there is one subscription, which ends after a number of messages.
	limited bool
	routed  bool // the receivers are peers
	// rendered is the number of messages that are not yet counted at the subscriptions.
	rendered int64
	one      [1]*subscription // memory for subs

	peer       *group   // by which a member of a queue group is reached, if that is at a peer
	plain      bool     // the peer has interest outside of queue groups
	named      []string // the queue groups whose member is chosen at the peer, for the current message
	namedBytes int      // their length in a line
}

// groupKey is what the subscriptions of a group have in common.
type groupKey struct {
	nth       int32 // the first subscriptions of all connections form groups, the second ones others
	sidLen    int32
	noHeaders bool   // the receivers understand no headers
	answers   bool   // the receivers may answer, see conn.owes
	shown     string // the subject for the receivers, if it is another
}

// keyOf returns the key for a subscription, of which each is asked for once in a resolve.
func (c *cache) keyOf(r *receiver, s *subscription, shown string) groupKey {
	if r.round != c.round {
		r.round, r.nth = c.round, 0
	}
	r.nth++
	return groupKey{r.nth, int32(len(s.sid)), !s.conn.headers.Load(), s.conn.owes.Load() != nil, shown}
}

// join adds a subscription to a group, whose set is being formed.
func (c *cache) join(g *group, r *receiver, s *subscription) {
	if len(g.subs) == 1 {
		first := g.set.receivers[0]
		g.set = c.newSet()
		g.set.receivers = append(g.set.receivers, first)
	}
	g.set.receivers = append(g.set.receivers, r)
	g.subs = append(g.subs, s)
}

func (c *cache) newSet() *receiverSet {
	if n := len(c.spare); n > 0 {
		set := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return set
	}
	return new(receiverSet)
}

// complete ends the forming of a group of several clients: it finds the one set of its receivers, and
// notes their IDs if they differ.
func (c *cache) complete(g *group) {
	c.internSet(g)
	other := func(s *subscription) bool { return s.sid != g.subs[0].sid }
	if slices.ContainsFunc(g.subs, other) {
		g.sids = make([]byte, 0, len(g.subs)*int(g.sidLen))
		for _, r := range g.set.receivers {
			g.sids = append(g.sids, g.subs[r.slot].sid...)
		}
	}
}

// internSet has a group of several use the one set of its receivers.
func (c *cache) internSet(g *group) {
	formed := g.set
	for i, r := range formed.receivers {
		r.slot = i
	}
	if g.set = c.intern(formed); g.set != formed {
		clear(formed.receivers)
		formed.receivers = formed.receivers[:0]
		c.spare = append(c.spare, formed)
	}
}

// sid returns the ID for the i-th receiver of the set, if they differ.
func (g *group) sid(i int) []byte {
	n := int(g.sidLen)
	return g.sids[i*n : (i+1)*n]
}

// intern returns the one set with these receivers, in whatever order, so that subjects with the same
// receivers share a stream. The slot of each receiver is its place in the set that is given.
func (c *cache) intern(set *receiverSet) *receiverSet {
	var hash uint64
	for _, r := range set.receivers {
		hash += maphash.Comparable(c.seed, r.conn.id)
	}
	for _, known := range c.sets[hash] {
		if known.equals(set) {
			return known
		}
	}
	if c.sets == nil {
		c.sets = make(map[uint64][]*receiverSet)
	}
	c.sets[hash] = append(c.sets[hash], set)
	c.newSets++
	c.grow(setBytes + 8*int64(len(set.receivers)))
	return set
}

// equals reports whether the set has the receivers of another one, whose slots are their places there.
func (set *receiverSet) equals(other *receiverSet) bool {
	if len(set.receivers) != len(other.receivers) {
		return false
	}
	for _, r := range set.receivers {
		if r.slot >= len(other.receivers) || other.receivers[r.slot] != r {
			return false
		}
	}
	return true
}

// expectAnswers lets the receivers answer a message.
func (g *group) expectAnswers(reply []byte) {
	now := time.Now()
	for _, s := range g.subs {
		if owes := s.conn.owes.Load(); owes != nil {
			owes.Track(string(reply), now)
		}
	}
}

// count adds the messages of the batch to the subscriptions, and appends those that thereby had
// their fill to ended.
func (g *group) count(ended []*subscription) []*subscription {
	if !g.limited {
		for _, s := range g.subs {
			n := s.delivered.Add(g.rendered)
			if limit := s.limit.Load(); limit > 0 && n >= limit {
				ended = append(ended, s)
			}
		}
	}
	g.rendered = 0
	return ended
}
