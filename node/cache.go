package node

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"

	"shoal/subjects"
)

// Rough sizes of what a cache remembers, without the slices in it.
const (
	entryBytes    = 128
	groupBytes    = 192
	setBytes      = 192
	receiverBytes = 320
)

// Sizes of the table of subjects seen once. It is small for a client that publishes to a few
// subjects, and grows for one that publishes to many; but not without end: tens of thousands of
// entries do not fit the processor's caches, and the index answers as fast as they do.
const (
	minSeen = 64
	maxSeen = 1024
)

// few is the number of subscriptions whose groups are found without a map.
const few = 8

// entry says who receives the messages to one subject.
type entry struct {
	subject string
	stamp   subjects.Stamp
	groups  []*group
	queues  []queueGroup   // of each, one member receives
	places  map[string]int // in queues, by name; nil while nobody has asked, see queue
	// peers are those who have interest, if queue groups have members at some of them: what a peer
	// is sent then depends on which members are chosen. Otherwise they are among the groups.
	peers []*group
	// denied says that the client may not publish to the subject.
	denied bool
	used   bool    // since the last sweep
	detour *detour // nil for most
	bytes  int64   // as it was counted, see size
}

// place is what the entries of a page are for: messages in an account, and whether they go on to peers
// although a peer has sent them.
type place struct {
	account *account
	onward  bool
}

// page is the entries of one place.
type page struct {
	entries map[string]*entry
	last    *entry // the one found last
}

// cache remembers for one reader who receives what. A subject is admitted when it is seen for the
// second time, so that one-shot inboxes leave nothing behind.
type cache struct {
	self  *conn
	batch *batch
	total *atomic.Int64 // bytes of all caches of the node

	place // the current one
	index *subjects.Index[*subscription]
	page
	routed    traffic // with peers in the current account, not yet added to it
	others    map[place]page
	receivers map[*conn]*receiver
	sets      map[uint64][]*receiverSet // of several receivers, by hash of the set
	bytes     int64
	admitted  int // entries in all pages
	sweepAt   int // how many of them are too many without a look at which are used

	left     uint64 // how many clients had left when worn looked at the receivers
	newSets  int    // sets made since the cache was empty
	liveSets int    // groups of the entries, each of which may have a set

	seed     maphash.Seed
	seen     []uint32 // hashes of subjects that were not admitted
	missed   int      // how many were looked up since seen has this size
	round    uint64   // number of calls of resolve
	resolved uint64   // those that are not in the tally

	// once is the entry of a subject that is not admitted. Its memory is used again after the
	// batch, or for the next such entry if there was nobody to receive it.
	once     entry
	slab     []group
	slabUsed int
	prefixes []byte
	spare    []*receiverSet // memory for sets that are being formed

	result subjects.Result[*subscription]
	byKey  map[groupKey]*group
	remote []*subscription // of peers, while an entry is filled
}

func (c *cache) init(self *conn, b *batch) {
	c.self, c.batch = self, b
	c.total, c.seed = &self.node.cacheBytes, self.node.seed
	c.account = self.home.Load()
	c.index = c.account.index
}

// enter has the following lookups be about messages that the connection sends in an account.
func (c *cache) enter(a *account) { c.move(place{account: a}) }

// answer has the following lookups be about responses that come into an account from another one. No peer
// has seen them there, even if a peer has sent them.
func (c *cache) answer(a *account) { c.move(place{account: a, onward: c.self.isRoute}) }

func (c *cache) move(to place) {
	if c.place == to {
		return
	}
	c.account.count(&c.routed)
	if c.others == nil {
		c.others = make(map[place]page)
	}
	c.others[c.place] = c.page
	c.place, c.index, c.page = to, to.account.index, c.others[to]
}

// lookup returns who receives messages to subject. The entry is valid until the next call, or
// longer if it was admitted.
func (c *cache) lookup(subject []byte) *entry {
	e := c.last
	if e == nil || e.subject != string(subject) {
		if e = c.entries[string(subject)]; e == nil {
			return c.miss(subject)
		}
		c.last = e
	}
	if !e.used {
		e.used = true
	}
	if !c.index.Fresh(e.stamp) {
		c.resolve(e, subject, true)
	}
	return e
}

func (c *cache) miss(subject []byte) *entry {
	hash := uint32(maphash.Bytes(c.seed, subject)) | 1
	c.growSeen()
	seen := &c.seen[int(hash/2)%len(c.seen)]
	if *seen != hash {
		// Now and then the one that is there stays, or subjects that share a place and come in turn
		// would push each other out for ever.
		if *seen == 0 || rand.Uint32()%8 > 0 {
			*seen = hash
		}
		c.resolve(&c.once, subject, false)
		return &c.once
	}
	*seen = 0
	e := &entry{subject: string(subject)}
	c.resolve(e, subject, true)
	if c.entries == nil {
		c.entries = make(map[string]*entry)
	}
	c.entries[e.subject] = e
	c.admitted++
	c.self.node.cached.Add(1)
	c.liveSets += len(e.groups)
	c.last = e
	return e
}

// growSeen makes the table of subjects seen once larger if so many are seen that they push each
// other out before they can be seen twice.
func (c *cache) growSeen() {
	switch c.missed++; {
	case len(c.seen) == 0:
		c.seen = make([]uint32, minSeen)
	case c.missed > 8*len(c.seen) && len(c.seen) < maxSeen:
		c.seen = make([]uint32, 4*len(c.seen))
		c.grow(4 * int64(len(c.seen)))
		c.missed = 0
	}
}

// resolve fills e with what the index says now.
func (c *cache) resolve(e *entry, subject []byte, admitted bool) {
	e.stamp = c.index.Stamp(subject)
	e.denied = c.denied(subject)
	e.detour = c.detourOf(subject)
	c.index.Match(subject, &c.result)
	e.groups, e.queues, e.peers = e.groups[:0], e.queues[:0], e.peers[:0]
	e.places = nil
	if admitted {
		e.groups, e.queues, e.peers = nil, nil, nil
	}
	c.remote = c.remote[:0]
	c.round++
	c.resolved++
	plain := c.result.Plain
	for _, s := range plain {
		if c.excluded(s, subject) {
			continue
		}
		if s.conn.isRoute {
			c.remote = append(c.remote, s)
			continue
		}
		s, shown, ok := c.shown(s, subject)
		if !ok {
			continue
		}
		r := c.receiver(s.conn)
		key, limited := c.keyOf(r, s, shown), s.limit.Load() > 0
		if !limited {
			if g := c.find(e, key, len(plain)); g != nil {
				c.join(g, r, s)
				continue
			}
		}
		g := c.clientGroup(subject, r, s, key, limited, admitted)
		e.groups = append(e.groups, g)
		if len(plain) > few && !limited {
			if c.byKey == nil {
				c.byKey = make(map[groupKey]*group)
			}
			c.byKey[key] = g
		}
	}
	clear(c.byKey)
	for _, g := range e.groups {
		if len(g.subs) > 1 {
			c.complete(g)
		}
	}
	for i := range c.result.Queues {
		c.resolveQueue(e, subject, &c.result.Queues[i], admitted)
	}
	c.resolvePeers(e, subject, admitted)
	if admitted {
		before := e.bytes
		e.bytes = e.size()
		c.grow(e.bytes - before)
	}
}

// size estimates the memory that the entry takes.
func (e *entry) size() int64 {
	size := entryBytes + len(e.subject)
	for _, g := range e.groups {
		size += groupBytes + len(g.prefix) + 8*len(g.subs) + len(g.sids)
	}
	for _, q := range e.queues {
		size += len(q.members) * (groupBytes + len(q.members[0].prefix))
	}
	for _, g := range e.peers {
		size += groupBytes + cap(g.prefix) + cap(g.bare)
	}
	return int64(size)
}

// excluded reports whether s does not receive what comes from the reader's own connection. A message
// travels from one server to another but once, so what comes from a peer goes to clients only, unless it
// has come into another account here. Peers do not get what the permissions of routes keep from them.
func (c *cache) excluded(s *subscription, subject []byte) bool {
	if s.conn.isRoute {
		return c.self.isRoute && !c.onward || s.keeps(subject)
	}
	return s.conn == c.self && c.self.noEcho
}

// shown returns the subscription that a message found by s is delivered to, and the subject that it has
// there if that is another. It reports whether the message is delivered at all.
func (c *cache) shown(s *subscription, subject []byte) (to *subscription, as string, ok bool) {
	x := s.special.Load()
	if x == nil {
		return s, "", true
	}
	as, ok = x.shown(string(subject))
	if x.origin != nil {
		s = x.origin
	}
	if as == string(subject) {
		as = ""
	}
	return s, as, ok
}

// denied reports whether the reader's client may not publish to a subject.
func (c *cache) denied(subject []byte) bool {
	if reservedSubject(subject) {
		return true
	}
	rules := c.self.rules.Load()
	return rules != nil && !rules.MayPublish(string(subject))
}

// find returns the group of e with that key, if there is one. n is the number of subscriptions.
func (c *cache) find(e *entry, key groupKey, n int) *group {
	if n > few {
		return c.byKey[key]
	}
	for _, g := range e.groups {
		if !g.limited && g.groupKey == key {
			return g
		}
	}
	return nil
}

func (c *cache) clientGroup(subject []byte, r *receiver, s *subscription, key groupKey, limited, admitted bool) *group {
	if key.shown != "" {
		subject = []byte(key.shown)
	}
	g := c.newGroup(len("HMSG ")+len(subject)+len(" ")+len(s.sid)+len(" "), r, s, admitted)
	g.prefix = append(g.prefix, "HMSG "...)
	g.prefix = append(g.prefix, subject...)
	g.prefix = append(g.prefix, ' ')
	g.prefix = append(g.prefix, s.sid...)
	g.prefix = append(g.prefix, ' ')
	g.bare = g.prefix[1:]
	g.groupKey, g.limited = key, limited
	return g
}

// newGroup returns a group of one subscription, with room for a prefix of that size.
func (c *cache) newGroup(size int, r *receiver, s *subscription, admitted bool) *group {
	var g *group
	if admitted {
		g = &group{prefix: make([]byte, 0, size)}
	} else {
		if c.slabUsed == len(c.slab) {
			c.slab = make([]group, max(4, min(2*len(c.slab), 256)))
			c.slabUsed = 0
		}
		g = &c.slab[c.slabUsed]
		c.slabUsed++
		if cap(c.prefixes)-len(c.prefixes) < size {
			c.prefixes = make([]byte, 0, max(512, min(2*cap(c.prefixes), 16<<10), size))
		}
		at := len(c.prefixes)
		c.prefixes = c.prefixes[:at+size]
		*g = group{prefix: c.prefixes[at : at : at+size]}
	}
	g.set = &r.alone
	g.one[0] = s
	g.subs = g.one[:]
	return g
}

func (c *cache) receiver(of *conn) *receiver {
	if of == c.self {
		return c.batch.self
	}
	r := c.receivers[of]
	if r == nil {
		r = newReceiver(of)
		if c.receivers == nil {
			c.receivers = make(map[*conn]*receiver)
		}
		c.receivers[of] = r
		c.grow(receiverBytes)
	}
	return r
}

func (c *cache) grow(n int64) {
	c.bytes += n
	c.total.Add(n)
}
