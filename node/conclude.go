package node

import (
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"time"

	"shoal/wire"
)

// lingerTime and lingerBytes bound how long a connection is still read that was sent an error. Closing
// it with unread bytes would reset it, and the other side might never see why.
const (
	lingerTime = 200 * time.Millisecond
	// alertTime is the same for the alert by which TLS says why there is no handshake. Whoever gets it has
	// a good deal to compute first, and may write before it reads.
	alertTime   = time.Second
	lingerBytes = 1 << 20
)

// hearTime and hearBytes bound how long a client is waited for, and heard, that goes on to send although its
// node stops. One that has sent nothing for lingerTime has nothing more to say, and what was on its way is no
// more than two sockets hold. The time in which the node carries out what has come is not that of the client.
const (
	hearTime  = 2 * time.Second
	hearBytes = 32 << 20
)

// flushTime bounds how long a connection that ends may take to receive what waits for it. A route of a node
// that stops has the time that any write has.
const flushTime = time.Second

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
		c.ignore(e.hold, lingerBytes)
	}
	if e.text != "" {
		c.sendLine(wire.AppendErr(nil, e.text))
	}
	stops := e.reason == reasonServerShutdown
	patience := c.writeDeadline()
	if !stops || !c.isRoute {
		patience = min(patience, flushTime)
	}
	flushed := c.flush(patience)
	if f := c.sock.frames; f != nil && flushed {
		f.sayWhy(e)
	}
	switch {
	case !flushed && c.sock.tls != nil: // somebody is still writing
	case e.reason == reasonTLSHandshake && !isProbe(e.err):
		c.linger(alertTime, lingerBytes)
	case e.text != "":
		c.linger(lingerTime, lingerBytes) // the other side should see why
	case stops && !c.isRoute:
		c.hearOut()
	case stops && flushed:
		c.linger(patience, math.MaxInt) // what clients have sent should arrive
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

// cutSlow cuts a connection that does not read fast enough, and for which so many bytes wait.
func (c *conn) cutSlow(reason closeReason, waiting int, err error) {
	if c.cut(&ending{reason: reason, err: err, waiting: waiting}) {
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
	c.hearing = true
	var err error
	if len(c.in.unread()) > 0 {
		err = c.carryOut()
	}
	var waited, took time.Duration
	for heard := 0; err == nil && waited < hearTime && heard < hearBytes && c.node.hears(); waited += took {
		before := len(c.in.unread())
		took, err = c.hear()
		heard += len(c.in.unread()) - before
		if err == nil {
			err = c.carryOut()
		}
	}
	c.release()
	c.unsubscribeAll()
}

// hears reports whether a node that stops has time to hear its clients out.
func (n *Node) hears() bool {
	until := n.hearUntil.Load()
	return until == 0 || time.Now().UnixNano() < until
}

// hear waits for more from the other side, but not for long, and returns how long: nothing if it is there
// already.
func (c *conn) hear() (waited time.Duration, err error) {
	if err := c.look(); !isTimeout(err) {
		return 0, err
	}
	began := time.Now()
	c.sock.nc.SetReadDeadline(began.Add(lingerTime))
	err = c.in.fill()
	waited = min(time.Since(began), lingerTime) // a reader whose turn comes late has not waited for the other side
	if isTimeout(err) {
		err = c.look() // on a busy machine the time can be up before the socket was looked at
	}
	return waited, err
}

// look reads what has come, without waiting. Of a stream that can only wait it says that nothing has.
func (c *conn) look() error {
	if !c.sock.wait(false) {
		return os.ErrDeadlineExceeded
	}
	c.sock.nc.SetReadDeadline(time.Time{})
	err := c.in.fill()
	c.sock.wait(true)
	return err
}

// linger lets the other side read what it was sent before the connection is torn down, see ignore.
func (c *conn) linger(d time.Duration, most int) {
	half, ok := c.sock.stream().(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		c.ignore(d, most)
	}
}

// ignore drops what comes until the time is up, it is more than most bytes or the other side closes.
func (c *conn) ignore(d time.Duration, most int) {
	nc := c.sock.nc
	nc.SetReadDeadline(time.Now().Add(d))
	buf := c.node.buffers.get(minBufferSize)
	defer c.node.buffers.put(buf)
	for total := 0; total < most; {
		n, err := nc.Read(buf.data)
		if err != nil {
			return
		}
		total += n
	}
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
