package node

import (
	"runtime"
	"time"
)

// gatherTime is how long after something has come from one connection a few bytes from another one
// are a sign that more is about to come.
const gatherTime = 50 * time.Microsecond

// gathering is the connections that a batch has bytes for which wait for those of others. Many
// readers with little to say to the same receiver would each make a write of their own, which costs
// more than everything else they do. So they queue their bytes, let the goroutines run that are
// ready to, which may add theirs, and then write once. If none is ready, nothing waits.
type gathering struct {
	now   int64 // of the batch
	conns []*conn
}

// wants reports whether s is to wait for what others have for c.
func (g *gathering) wants(c *conn, from uint64, s *stream) bool {
	return len(s.buf) <= smallWrite && c.out.sharedBy(from, g.now)
}

// sharedBy notes that a connection sends something, and reports whether another one did so just now.
func (o *outbound) sharedBy(from uint64, now int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	shared := o.from != from && now-o.at < int64(gatherTime)
	o.from, o.at = from, now
	return shared
}

// add queues s for a connection, and returns the number of bytes that wait.
func (g *gathering) add(c *conn, s *stream) (waiting int) {
	waiting, mine := c.offer(s, false)
	if mine {
		g.conns = append(g.conns, c)
	}
	return waiting
}

// write writes what has gathered.
func (g *gathering) write() {
	if len(g.conns) == 0 {
		return
	}
	runtime.Gosched()
	for _, c := range g.conns {
		c.out.mu.Lock()
		c.combine()
	}
	clear(g.conns)
	g.conns = g.conns[:0]
}
