package node

import "shoal/subjects"

// Limits of the caches, as estimated bytes: of one reader, and of all readers of a node.
const (
	maxReaderCache = 32 << 20
	maxNodeCache   = 512 << 20
)

// mostUnused is how many entries are remembered before those are dropped that nobody has used: so many still
// fit the processor's caches. Replies that consist of several messages have each inbox admitted.
const mostUnused = 4096

// flushed forgets what was needed for one batch only, and everything if the cache is too large.
func (c *cache) flushed() {
	c.account.count(&c.routed)
	clear(c.slab[:c.slabUsed])
	c.slabUsed = 0
	c.prefixes = c.prefixes[:0]
	if c.admitted > max(c.sweepAt, mostUnused) {
		c.sweep()
	}
	if c.bytes > maxReaderCache || c.bytes > 0 && (c.total.Load() > maxNodeCache || c.worn()) {
		c.forget()
	}
}

// sweep drops the entries that have not been used since the last sweep. The next one is when there are twice
// as many as are left, so that it costs little for each that is admitted.
func (c *cache) sweep() {
	c.last, c.liveSets = nil, 0
	c.sweepPage(c.page)
	for at, p := range c.others {
		p.last = nil
		c.others[at] = p
		if at != c.place {
			c.sweepPage(p)
		}
	}
	c.sweepAt = 2 * c.admitted
}

func (c *cache) sweepPage(p page) {
	for subject, e := range p.entries {
		if e.used {
			e.used = false
			c.liveSets += len(e.groups)
			continue
		}
		delete(p.entries, subject)
		c.grow(-e.bytes)
		c.admitted--
		c.self.node.cached.Add(-1)
	}
}

// worn reports whether much of what the cache remembers is about connections that are gone, which
// it would keep in memory, or about sets of receivers that have changed.
func (c *cache) worn() bool {
	const some = 256
	if c.newSets > 2*c.liveSets+some {
		return true
	}
	left := c.self.node.clients.left.Load()
	if left-c.left < some {
		return false
	}
	c.left = left
	gone := 0
	for of := range c.receivers {
		if of.ending.Load() != nil {
			gone++
		}
	}
	return gone > len(c.receivers)/4
}

// forget empties the cache. It must not be called within a batch.
func (c *cache) forget() {
	c.total.Add(-c.bytes)
	c.self.node.cached.Add(-int64(c.admitted))
	c.bytes, c.admitted, c.sweepAt, c.newSets, c.liveSets = 0, 0, 0, 0, 0
	c.page, c.others, c.receivers, c.sets = page{}, nil, nil, nil
	c.seen, c.missed = nil, 0
	c.once, c.spare = entry{}, nil
	c.result = subjects.Result[*subscription]{}
}
