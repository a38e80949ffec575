package node

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// smallWrite is the number of bytes up to which waiting bytes are gathered in one chunk.
	smallWrite = 4 << 10
	// maxCombined is the number of times that a reader writes what others have queued meanwhile,
	// before it hands the rest to a goroutine and goes on with its own connection.
	maxCombined = 4
	// maxDrainWrite is the number of bytes that one write with a deadline covers.
	maxDrainWrite = 1 << 20
)

// outbound is what waits to be written to one connection. At any time at most one goroutine writes
// to the socket: the one that set writing. Whoever comes meanwhile queues its bytes and leaves.
// While nobody is writing, the queue is empty.
type outbound struct {
	mu      sync.Mutex // guards everything below; a leaf, never held while taking another lock
	queue   []piece
	size    int // bytes in queue
	writing bool
	closed  bool          // nothing is accepted any more, what waits is still written
	cut     bool          // what waits is not even written
	drained chan struct{} // closed when nothing waits any more; nil unless flush waits for it

	from uint64 // the connection that sent something last
	at   int64  // when messages were sent last, in Unix nanoseconds

	msgs, bytes uint64 // messages sent and their payload bytes, for statistics
}

// piece is a part of a chunk that is to be written.
type piece struct {
	data  []byte
	chunk *chunk
}

// chunk is memory that holds bytes for one or more connections. It counts against the budget of the
// node until the last of them has written its part.
type chunk struct {
	budget *pendingBudget
	pool   *bufferPool
	buf    *buffer
	refs   atomic.Int32
}

// pendingBudget is the memory that waits for all connections of a node.
type pendingBudget struct {
	limit  atomic.Int64
	bytes  atomic.Int64 // of memory, counted once if several connections share it
	queued atomic.Int64 // the bytes in all queues together
	queues atomic.Int64 // connections with something in their queue
}

// exceeded reports whether the budget is used up and a connection with n bytes in its queue is one
// of those with the most.
func (b *pendingBudget) exceeded(n int) bool {
	return b.bytes.Load() > b.limit.Load() && int64(n)*b.queues.Load() >= b.queued.Load()
}

// resized notes that the queue of a connection went from one length in bytes to another.
func (b *pendingBudget) resized(from, to int) {
	b.queued.Add(int64(to - from))
	switch {
	case from == 0 && to > 0:
		b.queues.Add(1)
	case from > 0 && to == 0:
		b.queues.Add(-1)
	}
}

func (c *conn) newChunk(n int) *chunk {
	k := &chunk{budget: &c.node.budget, pool: &c.node.buffers, buf: c.node.buffers.getTight(n)}
	k.refs.Store(1)
	k.budget.bytes.Add(int64(len(k.buf.data)))
	return k
}

func (k *chunk) release() {
	if k.refs.Add(-1) == 0 {
		k.budget.bytes.Add(-int64(len(k.buf.data)))
		k.pool.put(k.buf)
	}
}

// send writes the bytes of s to the connection, or queues them if somebody else is writing or the
// socket is full. It never blocks, and returns the number of bytes that wait.
func (c *conn) send(s *stream) (waiting int) {
	o := &c.out
	b := s.buf
	if !c.accept(s) {
		return 0
	}
	if o.writing {
		return c.enqueue(s, false)
	}
	o.writing = true
	o.mu.Unlock()

	n, err := c.sock.tryWrite(b)
	if err != nil {
		c.cut(&ending{reason: reasonWriteError, err: err})
		return 0
	}

	o.mu.Lock()
	if n == len(b) && !c.sock.behind() {
		c.combine()
		return 0
	}
	if n < len(b) && !o.cut {
		o.push(&c.node.budget, c.keep(s, n, false), true)
	}
	waiting = o.size
	c.startDrain()
	c.checkPending(waiting)
	return waiting
}

// offer is send for a caller that writes later: it queues the bytes, which go to many or not, and
// reports whether the caller has to write the queue, by combine.
func (c *conn) offer(s *stream, many bool) (waiting int, mine bool) {
	o := &c.out
	if !c.accept(s) {
		return 0, false
	}
	mine = !o.writing
	o.writing = true
	return c.enqueue(s, many), mine
}

// accept counts s as sent and takes the lock, unless there is nothing to send or it is refused.
func (c *conn) accept(s *stream) bool {
	if len(s.buf) == 0 {
		return false
	}
	if c.node.trace.Load() {
		c.traceOut(s.buf)
	}
	o := &c.out
	o.mu.Lock()
	if o.closed || c.drops(s) {
		o.mu.Unlock()
		return false
	}
	o.at = max(o.at, s.at)
	o.msgs += s.msgs
	o.bytes += s.bytes
	return true
}

// sendLine is send for a few bytes that belong to no message.
func (c *conn) sendLine(b []byte) {
	c.send(&stream{buf: b, lines: true})
}

// outboundState is an outbound at one moment.
type outboundState struct {
	pending     int
	last        int64
	msgs, bytes uint64
}

func (o *outbound) state() outboundState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return outboundState{o.size, o.at, o.msgs, o.bytes}
}

// sent returns the number of messages sent and of their bytes of payload.
func (o *outbound) sent() (msgs, bytes uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.msgs, o.bytes
}

// enqueue adds s, which goes to many or not, to the queue, releases the lock, and returns the number
// of bytes that wait.
func (c *conn) enqueue(s *stream, many bool) int {
	o := &c.out
	if !o.gather(&c.node.budget, s.buf) {
		o.push(&c.node.budget, c.keep(s, 0, many), false)
	}
	size := o.size
	o.mu.Unlock()
	c.checkPending(size)
	return size
}

// drops reports whether messages are dropped rather than queued, because publishers are not to be
// paused for this connection. The caller holds the lock.
func (c *conn) drops(s *stream) bool {
	opts := c.node.options()
	if c.isSystem {
		return c.out.size > min(systemPending, opts.crowded())
	}
	return opts.NoFastProducerStall && !s.lines && c.out.size > opts.crowded()
}

// waiting returns the number of bytes that wait.
func (o *outbound) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

// checkPending cuts the connection as a slow consumer if too much is waiting for it. A route carries what
// many clients send and subscribe to, so it may take a good deal more than one of them; one that does not
// get on is found by the deadline of its writes. Clients that fill the budget cut no route.
func (c *conn) checkPending(size int) {
	if c.isSystem {
		return
	}
	crowded, exceeded := size > c.node.options().MaxPending, c.node.budget.exceeded(size)
	if c.isRoute && crowded && exceeded || !c.isRoute && (crowded || exceeded) {
		c.cutSlow(reasonSlowPending, size, fmt.Errorf("%d bytes waiting", size))
	}
}

// gather appends a few bytes to the last piece of the queue, if there is room behind it.
func (o *outbound) gather(budget *pendingBudget, b []byte) bool {
	if len(b) > smallWrite || len(o.queue) == 0 {
		return false
	}
	last := &o.queue[len(o.queue)-1]
	if cap(last.data)-len(last.data) < len(b) {
		return false
	}
	last.data = append(last.data, b...)
	o.resize(budget, len(b))
	return true
}

// keep copies s so that what follows the first bytes outlives the batch. A large copy, or one that
// many need, is made once for all connections that get the same bytes.
func (c *conn) keep(s *stream, from int, many bool) piece {
	if len(s.buf) <= smallWrite && !many || s.holed() {
		// The chunk is this connection's own, so later bytes may be gathered behind these.
		rest := s.buf[from:]
		k := c.newChunk(len(rest))
		return piece{k.buf.data[:copy(k.buf.data, rest)], k}
	}
	if s.kept == nil {
		s.kept = c.newChunk(len(s.buf))
		copy(s.kept.buf.data, s.buf)
	}
	s.kept.refs.Add(1)
	return piece{s.kept.buf.data[from:len(s.buf):len(s.buf)], s.kept}
}

func (o *outbound) resize(budget *pendingBudget, by int) {
	budget.resized(o.size, o.size+by)
	o.size += by
}

// push adds p to the queue, at the front if it is the rest of an unfinished write.
func (o *outbound) push(budget *pendingBudget, p piece, front bool) {
	o.resize(budget, len(p.data))
	o.queue = append(o.queue, p)
	if front {
		copy(o.queue[1:], o.queue)
		o.queue[0] = p
	}
}

// take removes pieces of up to n bytes together from the front of the queue, at least one.
func (o *outbound) take(budget *pendingBudget, n int) (taken []piece) {
	size, i := 0, 0
	for i < len(o.queue) && (i == 0 || size+len(o.queue[i].data) <= n) {
		size += len(o.queue[i].data)
		i++
	}
	taken = o.queue[:i:i]
	o.queue = o.queue[i:]
	if len(o.queue) == 0 {
		o.queue = nil
	}
	o.resize(budget, -size)
	return taken
}

// combine writes what others have queued while this goroutine was writing, and releases the lock
// that the caller holds. It stops after a few rounds: the connections that keep this one busy must
// not keep the reader from its own.
func (c *conn) combine() {
	o := &c.out
	for round := 0; len(o.queue) > 0; round++ {
		if round == maxCombined {
			c.startDrain()
			return
		}
		pieces := o.take(&c.node.budget, maxDrainWrite)
		o.mu.Unlock()
		for i, p := range pieces {
			n, err := c.sock.tryWrite(p.data)
			if err == nil && n == len(p.data) && !c.sock.behind() {
				p.chunk.release()
				continue
			}
			if err != nil {
				releaseAll(pieces[i:])
				c.cut(&ending{reason: reasonWriteError, err: err})
				return
			}
			pieces[i].data = p.data[n:]
			o.mu.Lock()
			o.unread(&c.node.budget, pieces[i:])
			c.startDrain()
			return
		}
		o.mu.Lock()
	}
	o.writing = false
	o.signalDrained()
	o.mu.Unlock()
}

// unread puts pieces that could not be written back to the front of the queue.
func (o *outbound) unread(budget *pendingBudget, pieces []piece) {
	if o.cut {
		releaseAll(pieces)
		return
	}
	for _, p := range pieces {
		o.resize(budget, len(p.data))
	}
	o.queue = append(append([]piece(nil), pieces...), o.queue...)
}

func releaseAll(pieces []piece) {
	for _, p := range pieces {
		p.chunk.release()
	}
}

// startDrain starts the goroutine that writes the queue, and releases the lock that the caller
// holds. The caller has set writing and leaves it to that goroutine.
func (c *conn) startDrain() {
	c.out.mu.Unlock()
	c.node.wg.Go(c.drain)
}

// drain writes the queue until it is empty. It is the only place that waits for a slow receiver.
func (c *conn) drain() {
	o := &c.out
	budget := &c.node.budget
	for {
		o.mu.Lock()
		if len(o.queue) == 0 && !c.sock.behind() {
			if c.sock.raw != nil || c.sock.frames != nil {
				// A deadline that passes later would spoil the next direct write.
				c.sock.nc.SetWriteDeadline(time.Time{})
			}
			o.writing = false
			o.signalDrained()
			o.mu.Unlock()
			return
		}
		pieces := o.take(budget, maxDrainWrite)
		o.mu.Unlock()

		vector := make(net.Buffers, len(pieces))
		total := 0
		for i, p := range pieces {
			vector[i] = p.data
			total += len(p.data)
		}
		deadline := c.writeDeadline()
		c.sock.nc.SetWriteDeadline(time.Now().Add(deadline))
		err := c.sock.write(vector)
		releaseAll(pieces)
		if err != nil {
			if isTimeout(err) {
				c.cutSlow(reasonSlowWrite, total+o.waiting(), fmt.Errorf("%d bytes not written within %v", total, deadline))
			} else {
				c.cut(&ending{reason: reasonWriteError, err: err})
			}
			return
		}
	}
}

// signalDrained tells flush that nothing is waiting any more.
func (o *outbound) signalDrained() {
	if o.drained != nil {
		close(o.drained)
		o.drained = nil
	}
}

// flush refuses further bytes and waits until those that wait are written, but no longer than
// timeout. It reports whether they were.
func (c *conn) flush(timeout time.Duration) bool {
	o := &c.out
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	if !c.settle(timeout) {
		return false
	}
	o.mu.Unlock()
	return true
}

// settle waits until nothing waits to be written any more, but no longer than timeout. It reports
// whether that was so, and holds the lock then. Only the reader may call it.
func (c *conn) settle(timeout time.Duration) bool {
	o := &c.out
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	o.mu.Lock()
	for o.writing && !o.cut {
		drained := make(chan struct{})
		o.drained = drained
		o.mu.Unlock()
		select {
		case <-drained:
		case <-timer.C:
			return false
		}
		o.mu.Lock()
	}
	return true
}

// discard refuses further bytes and forgets those that wait.
func (o *outbound) discard(budget *pendingBudget) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.cut = true, true
	o.signalDrained()
	releaseAll(o.take(budget, o.size))
}
