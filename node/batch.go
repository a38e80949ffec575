package node

import "time"

// Limits of what one batch renders before it is flushed in between: in the buffer of one set of
// receivers, in all together, as copies for receivers that are in several sets, as what may have to
// be copied because receivers do not share it, and as holes. The first keeps a write efficient, the
// others memory bounded and a publisher's own PONG in time.
const (
	maxStream  = 256 << 10
	maxBatch   = 16 << 20
	maxCopies  = 4 << 20
	maxPrivate = 32 << 20
	maxHoles   = 8 << 10
)

// receiver is one connection as a reader sees it. Receivers, and the sets that they form, belong to
// one reader, so that a batch can mark them without a lock.
type receiver struct {
	conn  *conn
	alone receiverSet // the set of just this one
	// batch is the number of the batch that last touched the receiver. The rest is about that one.
	batch uint64
	set   *receiverSet // the first set with messages for it
	at    int          // its place in that set
	own   *stream      // its bytes, if it is in several sets with messages
	era   uint32       // from conn.visitors
	// Scratch of cache.resolve: how many subscriptions came up in a round, and the place in a set.
	round uint64
	nth   int32
	slot  int
}

func newReceiver(c *conn) *receiver {
	r := &receiver{conn: c}
	r.alone.receivers = []*receiver{r}
	return r
}

// receiverSet is a set of receivers that get the same bytes, but for subscription IDs.
type receiverSet struct {
	receivers []*receiver
	batch     uint64 // number of the batch that last touched the set
	stream    stream
	// apart are the places of the receivers that also get messages as members of other sets in this
	// batch. So that all their messages stay in order, they have streams of their own.
	apart []int
}

// batch renders the messages of one read into the streams of the receivers.
type batch struct {
	pool *bufferPool
	self *receiver // the reader's own connection

	n        uint64 // number of this batch, so that marks of earlier ones do not count
	sets     []*receiverSet
	touched  int // receivers in sets
	holes    []hole
	owns     []*receiver
	groups   []*group        // with messages that are not yet counted at their subscriptions
	ended    []*subscription // which reached their limit
	rendered int             // bytes in all streams
	private  int             // bytes with holes, times their receivers
	full     bool            // it is time to flush
	crowded  *conn           // the receiver with the most bytes waiting
	waiting  int             // those bytes
	routed   int             // bytes for peers
	gaveUp   bool            // the reader's own client has given up subscriptions
	changed  bool            // the interest that peers have to know has changed
	spare    []*stream
	isWide   bool // sendTo leaves the writing to wide

	wide      wideFlush
	gathering gathering
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
	b.touched += len(set.receivers)
	copied := 0
	for i, r := range set.receivers {
		if r.batch != b.n {
			r.batch = b.n
			r.set, r.at = set, i
			r.own = nil
			if r != b.self {
				r.era = r.conn.visitors.enter()
			}
			continue
		}
		if r.own == nil {
			if copied += len(r.set.stream.buf); copied > maxCopies {
				b.flushPart() // afterwards there is nothing to copy
			}
			b.part(r)
		}
		set.apart = append(set.apart, i)
	}
}

// part gives a receiver a stream of its own.
func (b *batch) part(r *receiver) {
	r.own = b.newStream()
	r.own.copyFrom(b.pool, b.fill(r.set, r.at))
	b.rendered += len(r.own.buf)
	r.set.apart = append(r.set.apart, r.at)
	b.owns = append(b.owns, r)
}

// add renders a message for the subscriptions of g.
func (b *batch) add(g *group, prefix, tail []byte, size int) {
	set := g.set
	if set.batch != b.n {
		b.touch(set)
	}
	n := len(prefix) + len(tail)
	if g.rendered == 0 {
		b.groups = append(b.groups, g)
	}
	g.rendered++
	if n*len(set.apart) > maxCopies {
		b.addAlone(g, prefix, tail, size)
		return
	}
	set.stream.add(b.pool, prefix, tail, size)
	if len(g.sids) > 0 {
		b.dig(g, len(tail))
		b.private += n * len(set.receivers)
		b.full = b.full || b.private >= maxPrivate || len(b.holes) >= maxHoles
	}
	for _, i := range set.apart {
		own := set.receivers[i].own
		b.addFor(own, g, i, prefix, tail, size)
		b.full = b.full || len(own.buf) >= maxStream
	}
	b.rendered += n * (1 + len(set.apart))
	if len(set.stream.buf) >= maxStream || b.rendered >= maxBatch {
		b.full = true
	}
}

// addAlone sends a message at once to a set of which so many receivers have streams of their own
// that copying it into all of them would take too much memory.
func (b *batch) addAlone(g *group, prefix, tail []byte, size int) {
	b.flushPart()
	set := g.set
	set.stream.add(b.pool, prefix, tail, size)
	if len(g.sids) > 0 {
		b.dig(g, len(tail))
	}
	b.settle()
	b.isWide = false
	for i, r := range set.receivers {
		if r == b.self && b.gaveUp {
			b.addFor(r.own, g, i, prefix, tail, size) // flushPart has seen to it that there is one
		} else {
			b.sendTo(r, b.fill(set, i))
		}
	}
	b.gathering.write()
	b.empty()
}

// reply appends a line to what the reader's own connection gets.
func (b *batch) reply(line []byte) {
	set := &b.self.alone
	if set.batch != b.n {
		b.touch(set)
	}
	set.stream.addLine(b.pool, line)
	for range set.apart { // just the one
		b.self.own.addLine(b.pool, line)
	}
	b.rendered += len(line)
	b.full = b.full || len(set.stream.buf) >= maxStream
}

// flush sends what was rendered and ends the batch.
func (b *batch) flush() {
	if len(b.sets) == 0 && !b.gaveUp && !b.changed {
		return
	}
	b.send()
	for _, set := range b.sets {
		for _, r := range set.receivers {
			if r.own == nil && r != b.self {
				r.conn.visitors.leave(r.era)
			}
		}
	}
	for _, r := range b.owns {
		if r != b.self {
			r.conn.visitors.leave(r.era)
		}
	}
	if b.gaveUp {
		// What others have rendered for those subscriptions has to arrive before the client
		// learns that nothing will.
		b.gaveUp = false
		b.self.conn.visitors.wait()
	}
	b.sendSelf()
	b.reset()
}

// flushPart sends what was rendered within a batch that goes on, without ending the visits to its
// receivers. If the reader's own client has given up a subscription, what it gets has to wait for
// the end of the batch.
func (b *batch) flushPart() {
	b.send()
	if !b.gaveUp {
		b.sendSelf()
	} else if b.self.batch == b.n && b.self.own == nil {
		b.part(b.self)
	}
	b.empty()
}

// send sends what was rendered for others. Peers are told of new interest first: the messages may
// ask for replies to it.
func (b *batch) send() {
	b.settle()
	if b.changed {
		b.changed = false
		b.self.conn.node.interest.announce(b.pool)
	}
	// A wide flush queues everything, so it is not for messages that would be copied too often.
	b.isWide = b.touched >= b.self.conn.node.wideFanOut && b.private < 2*maxPrivate
	if b.isWide {
		b.wide.start()
		defer b.wide.run(b.self.conn.node)
	}
	for _, set := range b.sets {
		if set.receivers[0].conn.isRoute {
			b.routed += len(set.stream.buf)
		}
		for i, r := range set.receivers {
			if r.own == nil && r != b.self {
				b.sendTo(r, b.fill(set, i))
			}
		}
	}
	for _, r := range b.owns {
		if r != b.self {
			b.sendTo(r, r.own)
		}
	}
	b.gathering.write()
}

func (b *batch) sendTo(r *receiver, s *stream) {
	s.at = b.gathering.now
	var waiting int
	switch c := r.conn; {
	case b.isWide:
		waiting = b.wide.add(c, s)
	case b.gathering.wants(c, b.self.conn.id, s):
		waiting = b.gathering.add(c, s)
	default:
		waiting = c.send(s)
	}
	if waiting > b.waiting && !r.conn.isSystem {
		b.waiting, b.crowded = waiting, r.conn
	}
}

// stall waits for the most crowded receiver of a batch that has consumed so many bytes, in the hope
// that it catches up before it has to be cut. How long depends on the bytes, so that a publisher is
// held to a few megabytes a second and not to a number of batches. For a peer, those bytes count that
// it gets: the names of queue groups can make them many more.
func (b *batch) stall(crowded, consumed int) {
	const (
		step    = time.Millisecond
		perStep = 6 << 10 // bytes
	)
	if b.crowded.isRoute {
		consumed = max(consumed, b.routed)
	}
	for ; consumed > 0 && b.crowded.out.waiting() > crowded; consumed -= perStep {
		time.Sleep(step)
	}
}

// sendSelf sends what was rendered for the reader's own connection. It comes last: when a publisher
// sees the PONG behind its messages, they have been sent.
func (b *batch) sendSelf() {
	switch r := b.self; {
	case r.batch != b.n:
	case r.own != nil:
		r.conn.send(r.own)
	default:
		r.conn.send(b.fill(r.set, r.at))
	}
}

// settle adds the messages rendered so far to their subscriptions, and ends those that have had
// their fill.
func (b *batch) settle() {
	for i, g := range b.groups {
		b.ended = g.count(b.ended)
		b.groups[i] = nil
	}
	b.groups = b.groups[:0]
	for i, s := range b.ended {
		s.conn.endSubscription(s)
		b.changed = true
		b.ended[i] = nil
	}
	b.ended = b.ended[:0]
}

// reset makes ready for the next batch.
func (b *batch) reset() {
	b.empty()
	for i, set := range b.sets {
		set.apart = set.apart[:0]
		b.sets[i] = nil
	}
	for i, r := range b.owns {
		b.spare = append(b.spare, r.own)
		r.own = nil
		b.owns[i] = nil
	}
	b.sets, b.owns, b.touched = b.sets[:0], b.owns[:0], 0
	b.n++
}

// empty gives the memory of all streams back.
func (b *batch) empty() {
	for _, set := range b.sets {
		set.stream.reset(b.pool)
	}
	for _, r := range b.owns {
		if r != b.self || !b.gaveUp {
			r.own.reset(b.pool)
		}
	}
	clear(b.holes)
	b.holes = b.holes[:0]
	b.rendered, b.private, b.full = 0, 0, false
}

func (b *batch) newStream() *stream {
	if n := len(b.spare); n > 0 {
		s := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return s
	}
	return new(stream)
}
