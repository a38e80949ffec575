package node

import (
	"errors"
	"time"

	"shoal/wire"
)

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
	traced         *tracing     // of the current message, nil for all but a few
	clients        []*group     // memory for picks of a message that is traced
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

func (c *conn) readAll() error {
	for {
		if c.early {
			c.early = false
		} else if err := c.in.fill(); err != nil {
			if !isTimeout(err) || !c.wake() {
				return err
			}
			if came, err := c.listen(); err != nil {
				return err
			} else if !came {
				return errRested
			}
		}
		if err := c.carryOut(); err != nil {
			return err
		}
		if c.handler.introduced() {
			return errRested
		}
	}
}

// carryOut carries out what was read, as one batch.
func (c *conn) carryOut() error {
	if err := c.handler.admit(c.in.unread()); err != nil {
		return err
	}
	w := c.resume()
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
	c.heard.Store(now)
	w.batch.gathering.now = now
	c.count(w)
	w.batch.flush()
	w.cache.flushed()
	if w.active {
		c.lastIn.Store(now)
		w.active = false
	}
	// A route is never held up: that would slow down everybody for the sake of one.
	if w.batch.waiting > c.node.options().crowded() && !c.node.options().NoFastProducerStall && !c.isRoute {
		c.stalls.Add(1)
		w.batch.stall(c.node.options().crowded(), w.consumed)
	}
	w.batch.waiting, w.batch.routed, w.batch.crowded = 0, 0, nil
	w.consumed = 0
}
