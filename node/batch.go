package node

// Limits of what one batch renders before it is flushed in between: in the buffer of one set of
// receivers, and in all together. The first keeps a write efficient, the second memory bounded and
// a publisher's own PONG in time.
const (
	maxStream = 256 << 10
	maxBatch  = 8 << 20
)

// receiver is one connection as a reader sees it. Receivers, and the sets that they form, belong to
// one reader, so that a batch can mark them without a lock.
type receiver struct {
	conn  *conn
	alone receiverSet // the set of just this one
	// batch is the number of the batch that last touched the receiver. The rest is about that one.
	batch     uint64
	set       *receiverSet // the first set with messages for it
	own       *stream      // its bytes, if it is in several sets with messages
	withdrawn uint32       // of conn.out when the batch first touched it
	token     uint64       // scratch of cache.intern
}

func newReceiver(c *conn) *receiver {
	r := &receiver{conn: c}
	r.alone.receivers = []*receiver{r}
	return r
}

// receiverSet is a set of receivers that get the same bytes.
type receiverSet struct {
	receivers []*receiver
	batch     uint64 // number of the batch that last touched the set
	stream    stream
	// apart are the receivers that also get messages as members of other sets in this batch. So
	// that all their messages stay in order, they have streams of their own.
	apart []*receiver
}

// batch renders the messages of one read into the streams of the receivers.
type batch struct {
	pool *bufferPool
	self *receiver // the reader's own connection

	n        uint64 // number of this batch, so that marks of earlier ones do not count
	sets     []*receiverSet
	owns     []*receiver
	groups   []*group        // with messages that are not yet counted at their subscriptions
	ended    []*subscription // which reached their limit
	rendered int             // bytes in all streams
	full     bool            // it is time to flush
	waiting  int             // bytes waiting at the most crowded receiver of the last flush
	spare    []*stream
}

func (b *batch) init(c *conn) {
	b.pool = &c.node.buffers
	b.self = newReceiver(c)
	b.n = max(b.n, 1)
}

// touch marks the receivers of a set that gets its first message in this batch.
func (b *batch) touch(set *receiverSet) {
	set.batch = b.n
	b.sets = append(b.sets, set)
	for _, r := range set.receivers {
		if r.batch != b.n {
			r.batch = b.n
			r.set = set
			r.own = nil
			if r != b.self {
				r.withdrawn = r.conn.out.withdrawals()
			} else {
				r.withdrawn = inOrder
			}
			continue
		}
		if r.own == nil {
			r.own = b.newStream()
			r.own.copyFrom(b.pool, &r.set.stream)
			r.set.apart = append(r.set.apart, r)
			b.owns = append(b.owns, r)
		}
		set.apart = append(set.apart, r)
	}
}

// add renders a message for the subscriptions of g.
func (b *batch) add(g *group, prefix, tail []byte, size int) {
	set := g.set
	if set.batch != b.n {
		b.touch(set)
	}
	set.stream.add(b.pool, prefix, tail, size)
	for _, r := range set.apart {
		r.own.add(b.pool, prefix, tail, size)
	}
	if g.uncounted == 0 {
		b.groups = append(b.groups, g)
	}
	g.uncounted++
	b.rendered += len(prefix) + len(tail)
	if len(set.stream.buf) >= maxStream || b.rendered >= maxBatch {
		b.full = true
	}
}

// reply appends a line to what the reader's own connection gets.
func (b *batch) reply(line []byte) {
	set := &b.self.alone
	if set.batch != b.n {
		b.touch(set)
	}
	set.stream.addLine(b.pool, line)
	for _, r := range set.apart {
		r.own.addLine(b.pool, line)
	}
	b.rendered += len(line)
	b.full = b.full || len(set.stream.buf) >= maxStream
}

// flush sends what was rendered. The reader's own connection comes last: when a publisher sees the
// PONG behind its messages, they have been sent.
func (b *batch) flush() {
	b.waiting = 0
	if len(b.sets) == 0 {
		return
	}
	b.count()
	var last *stream
	for _, set := range b.sets {
		for _, r := range set.receivers {
			switch {
			case r == b.self:
				last = &set.stream
			case r.own == nil:
				b.send(r, &set.stream)
			}
		}
	}
	for _, r := range b.owns {
		if r == b.self {
			last = r.own
		} else {
			b.send(r, r.own)
		}
	}
	if last != nil {
		b.self.conn.send(last, inOrder)
	}
	for _, s := range b.ended {
		s.conn.endSubscription(s)
	}
	b.reset()
}

// count adds the messages rendered so far to their subscriptions.
func (b *batch) count() {
	for i, g := range b.groups {
		b.ended = g.count(b.ended)
		b.groups[i] = nil
	}
	b.groups = b.groups[:0]
}

// settle brings the reader's own subscriptions up to date before they are changed. Those of others
// end only after the flush: until then, conn.send must find them.
func (b *batch) settle() {
	b.count()
	for _, s := range b.ended {
		if s.conn == b.self.conn {
			s.conn.endSubscription(s)
		}
	}
}

func (b *batch) send(r *receiver, s *stream) {
	b.waiting = max(b.waiting, r.conn.send(s, r.withdrawn))
}

// reset makes ready for the next batch.
func (b *batch) reset() {
	for i, set := range b.sets {
		set.stream.reset(b.pool)
		set.apart = set.apart[:0]
		b.sets[i] = nil
	}
	for i, r := range b.owns {
		r.own.reset(b.pool)
		b.spare = append(b.spare, r.own)
		r.own = nil
		b.owns[i] = nil
	}
	clear(b.ended)
	b.sets, b.owns, b.ended = b.sets[:0], b.owns[:0], b.ended[:0]
	b.rendered, b.full = 0, false
	b.n++
}

func (b *batch) newStream() *stream {
	if n := len(b.spare); n > 0 {
		s := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return s
	}
	return new(stream)
}
