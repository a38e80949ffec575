package node

import (
	"sync"
	"time"

	"shoal/wire"
)

// probeTime is how long a route that is under suspicion may take to answer.
const probeTime = 2 * time.Second

// probe closes a route unless it answers a PING in time.
type probe struct {
	alarm alarm

	mu    sync.Mutex // guards the rest
	until time.Time  // when the route is closed, zero if nothing is waited for
	pongs uint64     // that had come when the PING was sent
}

// probe closes the route unless it answers a PING within the given time. If it is being probed already, the
// earlier end counts.
func (r *route) probe(within time.Duration) {
	p := &r.probing
	p.mu.Lock()
	defer p.mu.Unlock()
	until := time.Now().Add(within)
	pongs := r.pongs.Load()
	switch {
	case p.until.IsZero() || pongs != p.pongs:
		p.until, p.pongs = until, pongs
		r.sendLine(pingLine)
	case until.Before(p.until):
		p.until = until
	default:
		return
	}
	r.node.alarms.set(&p.alarm, p.until)
}

// checkProbe is the alarm.
func (r *route) checkProbe(now time.Time) time.Time {
	p := &r.probing
	p.mu.Lock()
	until := p.until
	answered := r.pongs.Load() != p.pongs
	if !answered && now.Before(until) {
		p.mu.Unlock()
		return until
	}
	p.until = time.Time{}
	p.mu.Unlock()
	if !until.IsZero() && !answered && r.end(&ending{reason: reasonStale, text: wire.TextStale}) {
		r.node.staleConnections.count(&r.conn)
	}
	return time.Time{}
}
