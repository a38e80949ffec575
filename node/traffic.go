package node

import "sync/atomic"

// traffic is what went over connections.
type traffic struct {
	inMsgs, inBytes, outMsgs, outBytes, stalls uint64
}

func (t *traffic) add(o traffic) {
	t.inMsgs += o.inMsgs
	t.inBytes += o.inBytes
	t.outMsgs += o.outMsgs
	t.outBytes += o.outBytes
	t.stalls += o.stalls
}

func (t *traffic) subtract(o traffic) {
	t.inMsgs -= o.inMsgs
	t.inBytes -= o.inBytes
	t.outMsgs -= o.outMsgs
	t.outBytes -= o.outBytes
	t.stalls -= o.stalls
}

// sent adds a message of that size to so many receivers.
func (t *traffic) sent(receivers, size int) {
	t.outMsgs += uint64(receivers)
	t.outBytes += uint64(receivers * size)
}

// past is what is to be remembered of connections that have ended.
type past struct {
	traffic
	fanOut, batch Histogram
	resolved      uint64
}

// routedTraffic is what went over routes in an account. Many readers add to it, once for each batch.
type routedTraffic struct {
	inMsgs, inBytes, outMsgs, outBytes atomic.Uint64
}

// count adds what a reader has had to do with peers, and empties it.
func (a *account) count(t *traffic) {
	if t.inMsgs > 0 {
		a.routed.inMsgs.Add(t.inMsgs)
		a.routed.inBytes.Add(t.inBytes)
	}
	if t.outMsgs > 0 {
		a.routed.outMsgs.Add(t.outMsgs)
		a.routed.outBytes.Add(t.outBytes)
	}
	*t = traffic{}
}

func (c *conn) traffic() traffic {
	t := traffic{
		inMsgs:  c.inMsgs.Load(),
		inBytes: c.inBytes.Load(),
		stalls:  c.stalls.Load(),
	}
	t.outMsgs, t.outBytes = c.out.sent()
	return t
}

// count adds a connection.
func (p *past) count(c *conn) {
	p.traffic.add(c.traffic())
	if t := c.tally.Load(); t != nil {
		p.fanOut.add(&t.fanOut)
		p.batch.add(&t.batch)
		p.resolved += t.resolved.Load()
	}
}

func (p *past) merge(o *past) {
	p.traffic.add(o.traffic)
	p.fanOut.merge(&o.fanOut)
	p.batch.merge(&o.batch)
	p.resolved += o.resolved
}
