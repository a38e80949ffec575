package node

import (
	"time"

	"shoal/wire"
)

// doubt is called by the alarm of a connection whose other side has not answered its PINGs. That may be
// because this node has not yet read the answers, so the reader looks whether there is anything before
// the connection ends. Some streams cannot be looked at: they have another interval to show something.
func (c *conn) doubt(now time.Time, interval time.Duration) {
	heard, at := c.heard.Load(), now.UnixNano()
	if at-heard < int64(interval) {
		return
	}
	before := c.doubted.Swap(at)
	switch {
	case c.ending.Load() != nil:
	case c.sock.codec == nil && c.sock.frames == nil:
		c.sock.nc.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	case before > heard:
		c.isGone()
	}
}

// listen has the reader, which was woken, look whether anything has come if there is doubt about that. It
// reports whether there is something to carry out.
func (c *conn) listen() (came bool, err error) {
	since := c.doubted.Swap(0)
	if since == 0 {
		return false, nil
	}
	_, err = c.hear()
	if err != nil && !isTimeout(err) {
		return false, err
	}
	if err != nil && c.heard.Load() < since {
		c.isGone()
	}
	if !c.wake() {
		return false, c.ending.Load()
	}
	return err == nil, nil
}

// isGone ends the connection because its other side is silent.
func (c *conn) isGone() { c.endStale(c.end, nil) }

// endStale ends the connection by end or cut, because its other side is taken for gone for that reason.
func (c *conn) endStale(by func(*ending) bool, reason error) {
	if by(&ending{reason: reasonStale, text: wire.TextStale, err: reason}) {
		c.node.staleConnections.count(c)
	}
}
