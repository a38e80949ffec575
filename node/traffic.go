package node

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

// past is what is to be remembered of connections that have ended.
type past struct {
	traffic
	fanOut, batch Histogram
	resolved      uint64
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
