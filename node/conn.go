package node

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"shoal/node/auth"
	"shoal/wire"
)

// lingerTime and lingerBytes bound how long a connection is still read that was sent an error, or
// that ends because the node does. Closing it with unread bytes would reset it, and the other side
// might never see why.
const (
	lingerTime = 200 * time.Millisecond
	// alertTime is the same for the alert by which TLS says why there is no handshake. Whoever gets it has
	// a good deal to compute first, and may write before it reads.
	alertTime   = time.Second
	lingerBytes = 1 << 20
)

// flushTime bounds how long a connection that ends may take to receive what waits for it.
const flushTime = time.Second

// handler is what a connection is for.
type handler interface {
	// configure prepares the parser for what the other side may send.
	configure(p *wire.Parser)
	// admit is called with the first bytes of every read, before they are parsed.
	admit(b []byte) error
	// handle carries out an operation. An error ends the connection, see endingOf.
	handle(w *work, op *wire.Op) error
	// introduced reports, once, that the handshake is over.
	introduced() bool
	// left is called when the connection has ended, with how and with the number of its subscriptions.
	left(e *ending, subscriptions int)
	// kind names what the connection is, for the log.
	kind() string
}

// conn is one connection: reading, queueing, flushing and closing are the same for all of them.
type conn struct {
	node     *Node
	id       uint64
	handler  handler
	sock     socket
	in       inbound
	out      outbound
	subs     subscriptions
	visitors visitors
	start    time.Time
	remote   string // address of the other side
	isRoute  bool   // the other side is a server of the cluster
	isSystem bool   // the other side is in this process, see [SystemClient]
	// carriage is what a route is for. It is set before there is any interest.
	carriage

	// home is the account of the client, that of a route is the global one. It is set before there are
	// subscriptions.
	home atomic.Pointer[account]
	// rules are what the client may do, nil if that is everything.
	rules atomic.Pointer[auth.Rules]
	// owes are the replies that the client may send because it was asked, nil if that makes no difference.
	owes atomic.Pointer[auth.Responses]

	// headers says that the other side understands messages with headers.
	headers atomic.Bool
	// noEcho keeps the connection's own messages from it. It belongs to the reader.
	noEcho bool
	// hearing says that what comes is still carried out although the connection ends. It belongs to
	// the reader.
	hearing bool
	// early says that something was read before the reader began. It belongs to the reader.
	early bool
	// encryption says how the connection is encrypted, nil if it is not.
	encryption atomic.Pointer[tls.ConnectionState]
	// avoid says why queue groups should prefer other members, if they should.
	avoid reluctance
	// queued says that a message was sent to a member of a queue group there, see vigil.
	queued atomic.Bool

	// idle is what the reader leaves behind while it waits: its cache, if there is something in it.
	// Whoever takes it owns it.
	idle    atomic.Pointer[work]
	current *work // the reader's, while it is not waiting

	restedAt int64 // value of lastIn at the last rest; belongs to the ping alarm

	ending atomic.Pointer[ending]
	label  atomic.Pointer[string] // what the client calls itself, for the log

	inMsgs, inBytes atomic.Uint64
	lastIn          atomic.Int64 // when the last operation came, in Unix nanoseconds
	stalls          atomic.Uint64
	tally           atomic.Pointer[tally] // nil before the first message
}

// work is what a reader needs to carry out operations.
type work struct {
	parser wire.Parser
	batch  batch
	cache  cache

	consumed       int          // bytes parsed in this batch
	msgs, bytes    uint64       // received in this batch, not yet published
	fanOut, size   counts       // likewise, for the tally
	active         bool         // an operation came that shows the client to be alive
	interrupt      func() error // to be called before what follows the operation is parsed
	picks          []*group     // of the current message
	chosen         []*group     // memory for picks
	peers          []*group     // that get the current message
	unserved       [][]byte     // queue groups named by a peer that have no member here
	tail, stripped []byte
	shown          []byte // the subject that clients are to see instead of that of the message
	line           []byte // memory for what precedes the tail, if that is not the same every time
}

func (n *Node) newWork(c *conn) *work {
	w, ok := n.works.Get().(*work)
	if !ok {
		w = new(work)
	}
	w.batch.init(c)
	w.cache.init(c, &w.batch)
	return w
}

func (c *conn) init(n *Node, nc net.Conn, h handler) {
	c.node, c.handler = n, h
	c.home.Store(n.accounts.global)
	c.start = time.Now()
	c.sock.init(nc)
	c.in.init(&c.sock, &n.buffers, c.pause)
	c.remote = nc.RemoteAddr().String()
	if f := c.sock.frames; f != nil {
		f.init(c)
	}
}

// serve reads the connection until it ends.
func (c *conn) serve() {
	err := c.readAll()
	switch err {
	case errRested:
		c.node.wg.Go(c.serve)
		return
	case errHandedOver:
		c.handler.(*route).handOver()
		return
	}
	c.conclude(err)
}

// writeDeadline is how long a blocked write may take.
func (c *conn) writeDeadline() time.Duration {
	o := c.node.options()
	if d := o.Cluster.WriteDeadline; d > 0 && c.isRoute {
		return d
	}
	return o.WriteDeadline
}

// conclude ends a connection that is not read any more because of err.
func (c *conn) conclude(err error) {
	c.ending.CompareAndSwap(nil, endingOf(err))
	e := c.ending.Load()
	c.release()
	subscriptions := c.subs.len()
	// From here on nobody chooses this connection any more, and what was on its way still arrives.
	c.unsubscribeAll()
	c.visitors.wait()
	if e.hold > 0 {
		c.ignore(e.hold)
	}
	if e.text != "" {
		c.sendLine(wire.AppendErr(nil, e.text))
	}
	flushed := c.flush(min(flushTime, c.writeDeadline()))
	if f := c.sock.frames; f != nil && flushed {
		f.sayWhy(e)
	}
	switch {
	case !flushed && c.sock.tls != nil: // somebody is still writing
	case e.reason == reasonTLSHandshake && !isProbe(e.err):
		c.linger(alertTime)
	case e.text != "":
		c.linger(lingerTime) // the other side should see why
	case e.reason == reasonServerShutdown && !c.isRoute:
		c.hearOut()
	case c.sock.tls != nil:
		_ = c.sock.tls.CloseWrite() // the other side should know that nothing was cut off
	}
	c.sock.nc.Close()
	if f := c.sock.frames; f != nil {
		f.release()
	}
	c.out.discard(&c.node.budget)
	c.in.release()
	if w := c.idle.Swap(nil); w != nil {
		w.cache.forget()
	}
	c.handler.left(e, subscriptions)
	c.logEnding(e)
}

func (c *conn) readAll() error {
	for {
		if c.early {
			c.early = false
		} else if err := c.in.fill(); err != nil {
			if isTimeout(err) && c.wake() {
				return errRested
			}
			return err
		}
		if err := c.carryOut(c.resume()); err != nil {
			return err
		}
		if c.handler.introduced() {
			return errRested
		}
	}
}

// carryOut carries out what was read, as one batch.
func (c *conn) carryOut(w *work) error {
	if err := c.handler.admit(c.in.unread()); err != nil {
		return err
	}
	for b := c.in.unread(); len(b) > 0; b = c.in.unread() {
		n, err := w.parser.Next(b)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := c.handler.handle(w, &w.parser.Op); err != nil {
			return err
		}
		c.in.advance(n)
		w.consumed += n
		if f := w.interrupt; f != nil {
			w.interrupt = nil
			if err := f(); err != nil {
				return err
			}
		}
		if w.batch.full {
			c.finish(w)
			if e := c.ending.Load(); e != nil && !c.hearing {
				return e // a long batch must not hold up a shutdown
			}
		}
	}
	c.finish(w)
	return nil
}

// release ends the work of the reader.
func (c *conn) release() {
	if w := c.current; w != nil {
		c.finish(w)
		w.cache.forget()
		c.current = nil
		c.node.works.Put(w)
	}
}

// errRested is what a reader returns that leaves its connection to a fresh goroutine, whose stack
// is small. Most connections wait most of the time; what their stacks have grown to while there was
// something to do would be their largest part.
var errRested = errors.New("node: the reader rests")

// rest takes from a connection that has fallen silent what its reader has gathered: the cache, and
// the stack that has grown while there was something to do. It does nothing unless something came
// since the last time.
func (c *conn) rest() {
	if w := c.idle.Swap(nil); w != nil {
		w.cache.forget()
	}
	if last := c.lastIn.Load(); last != c.restedAt {
		c.restedAt = last
		c.sock.nc.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	}
}

// wake makes a reader whose wait was ended wait again, unless the connection is to end.
func (c *conn) wake() bool {
	c.sock.nc.SetReadDeadline(time.Time{})
	return c.ending.Load() == nil // end sets the reason before the deadline
}

// resume returns what the reader needs to go on after it has waited.
func (c *conn) resume() *work {
	w := c.current
	if w == nil {
		w = c.idle.Swap(nil)
	}
	if w == nil {
		w = c.node.newWork(c)
	}
	if c.current == nil {
		w.parser.Reset()
		c.handler.configure(&w.parser)
		c.current = w
	}
	return w
}

// pause is called before the reader waits.
func (c *conn) pause() {
	w := c.current
	if w == nil {
		return
	}
	c.current = nil
	if w.cache.bytes > 0 {
		c.idle.Store(w)
	} else {
		c.node.works.Put(w)
	}
}

// finish ends a batch: everything is sent and counted, and if a receiver cannot follow, the reader
// waits a little before it takes more from its own client.
func (c *conn) finish(w *work) {
	now := time.Now().UnixNano()
	w.batch.gathering.now = now
	w.batch.flush()
	w.cache.flushed()
	if w.msgs > 0 {
		c.inMsgs.Add(w.msgs)
		c.inBytes.Add(w.bytes)
		c.count(w)
		w.msgs, w.bytes = 0, 0
	}
	if w.active {
		c.lastIn.Store(now)
		w.active = false
	}
	// A route is never held up: that would slow down everybody for the sake of one.
	if w.batch.waiting > c.node.options().crowded() && !c.node.options().NoFastProducerStall && !c.isRoute {
		c.stalls.Add(1)
		w.batch.stall(c.node.options().crowded(), w.consumed)
	}
	w.batch.waiting, w.batch.crowded = 0, nil
	w.consumed = 0
}

// end asks the connection to end in good order. It may be called from any goroutine; the first
// reason counts. It reports whether that is e.
func (c *conn) end(e *ending) bool {
	first := c.ending.CompareAndSwap(nil, e)
	if first {
		c.sock.nc.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	}
	return first
}

// cut ends the connection at once, even if it is ending in good order already. What waits for it is
// lost. It reports whether e is the reason.
func (c *conn) cut(e *ending) bool {
	first := c.ending.CompareAndSwap(nil, e)
	c.out.discard(&c.node.budget)
	c.sock.nc.Close()
	return first
}

// cutSlow cuts a connection that does not read fast enough.
func (c *conn) cutSlow(reason closeReason, err error) {
	if c.cut(&ending{reason: reason, err: err}) {
		c.node.slowConsumers.count(c)
		c.home.Load().slowConsumers.Add(1)
	}
}

// hearOut takes what a client has sent before it could know that its connection ends: a node that
// stops should not lose messages that were published to it.
func (c *conn) hearOut() {
	half, ok := c.sock.stream().(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.sock.nc.SetReadDeadline(time.Now().Add(lingerTime))
	c.hearing = true
	var err error
	if len(c.in.unread()) > 0 {
		err = c.carryOut(c.resume())
	}
	for err == nil || err == errRested {
		err = c.readAll() // until the client closes as well, or the time is up
	}
	c.release()
	c.unsubscribeAll()
}

// linger lets the other side read the error before the connection is torn down.
func (c *conn) linger(d time.Duration) {
	half, ok := c.sock.stream().(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		c.ignore(d)
	}
}

// ignore drops what comes until the time is up, it is too much or the other side closes.
func (c *conn) ignore(d time.Duration) {
	nc := c.sock.nc
	nc.SetReadDeadline(time.Now().Add(d))
	buf := c.node.buffers.get(minBufferSize)
	defer c.node.buffers.put(buf)
	for total := 0; total < lingerBytes; {
		n, err := nc.Read(buf.data)
		if err != nil {
			return
		}
		total += n
	}
}

// endSubscription takes a subscription out of everything. It may be called more than once.
func (c *conn) endSubscription(s *subscription) {
	changing := &c.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	if c.subs.remove(s) {
		s.takeOut()
	}
}

func (c *conn) unsubscribeAll() {
	changing := &c.node.accounts.changing
	changing.RLock()
	for _, s := range c.subs.removeAll() {
		s.takeOut()
	}
	changing.RUnlock()
	if !c.isRoute {
		c.node.interest.announce(&c.node.buffers)
	}
}

// LogValue implements [slog.LogValuer]: the attributes by which the log tells connections apart.
func (c *conn) LogValue() slog.Value {
	number := "cid"
	if c.isRoute {
		number = "rid"
	}
	addr := c.remote
	if client, ok := c.handler.(*client); ok && client.web != nil {
		addr = client.web.forwarded + addr
	}
	attrs := []slog.Attr{slog.String("addr", addr), slog.Uint64(number, c.id)}
	if label := c.label.Load(); label != nil {
		attrs = append(attrs, slog.String("client", *label))
	}
	return slog.GroupValue(attrs...)
}

// log logs something about the connection. What a client can cause as often as it likes is limited.
func (c *conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	l := c.node.log
	ctx := context.Background()
	if !l.Enabled(ctx, level) {
		return
	}
	if level >= slog.LevelWarn {
		ok, suppressed := c.node.warnings.allow(time.Now(), maxWarnings)
		if suppressed > 0 {
			l.LogAttrs(ctx, slog.LevelWarn, "Warnings and errors of clients were not logged, there were too many",
				slog.Int("number", suppressed))
		}
		if !ok {
			return
		}
	}
	l.LogAttrs(ctx, level, msg, append(attrs, slog.Any("conn", c))...)
}

func (c *conn) logEnding(e *ending) {
	level := slog.LevelDebug
	switch e.reason {
	case reasonSlowPending, reasonSlowWrite:
		level = slog.LevelWarn
	case reasonProtocol, reasonMaxPayload, reasonMaxControlLine,
		reasonAuthFailure, reasonAuthTimeout, reasonTLSHandshake, reasonMaxConnections, reasonClusterName, reasonDuplicateName:
		level = slog.LevelError
	}
	if e.reason == reasonTLSHandshake && !c.isRoute && isProbe(e.err) {
		level = slog.LevelDebug
	}
	if r, ok := c.handler.(*route); ok && r.registered.Load() {
		level = max(level, slog.LevelInfo) // peers are few, and each that is lost is news
	}
	msg := c.handler.kind() + " connection closed: " + string(e.reason)
	if e.err != nil && !errors.Is(e.err, net.ErrClosed) {
		c.log(level, msg, slog.String("error", e.err.Error()))
		return
	}
	c.log(level, msg)
}
