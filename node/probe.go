package node

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// probeTime is how long a route that is under suspicion may take to answer.
const probeTime = 2 * time.Second

const (
	// silentTime and silentRepeats are how long the peer's TCP may acknowledge nothing, and how often
	// something was sent again meanwhile, before it counts as out of reach.
	silentTime    = 4 * time.Second
	silentRepeats = 3
	// slowTime is how long a route may take to answer that gets on, though slowly, and slowStep how often
	// that is looked at.
	slowTime = 30 * time.Second
	slowStep = 250 * time.Millisecond
)

// reach is what TCP knows of a peer that does not answer.
type reach int

const (
	reachable   reach = iota // it has got everything, or that is not known
	struggling               // it has not, but acknowledges something now and then
	unreachable              // nothing gets through
)

// reach returns what TCP knows of the peer. Whoever hangs is reachable: his system still acknowledges.
func (r *route) reach() reach {
	repeats, silence := r.sock.unacknowledged()
	switch {
	case repeats == 0:
		return reachable
	case silence < silentTime || repeats < silentRepeats:
		return struggling
	}
	return unreachable
}

// errOutOfReach is why a route is cut to a peer that is unreachable.
var errOutOfReach = errors.New("nothing gets through to it")

// giveUp cuts a route to a peer that is out of reach.
func (r *route) giveUp() {
	if r.reach() == unreachable {
		r.endStale(r.cut, errOutOfReach) // it cannot be told
	}
}

// getsOn reports whether a route works, though slowly, so that the answer may be behind something else.
func (r *route) getsOn(reach reach, now time.Time) bool {
	return reach == struggling || reach == reachable && now.UnixNano()-r.lastIn.Load() < int64(silentTime)
}

// probe closes a route unless it answers a PING in time. To one that gets on slowly it gives more time.
type probe struct {
	alarm alarm

	mu    sync.Mutex // guards the rest
	sent  time.Time  // when the PING was sent
	until time.Time  // when the route is closed, zero if nothing is waited for
	pongs uint64     // that had come when the PING was sent
}

// probe closes the route unless it answers a PING within the given time. If it is being probed already, the
// earlier end counts.
func (r *route) probe(within time.Duration) {
	p := &r.probing
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	until := now.Add(within)
	pongs := r.pongs.Load()
	switch {
	case p.until.IsZero() || pongs != p.pongs:
		p.sent, p.until, p.pongs = now, until, pongs
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
	if p.until.IsZero() || r.pongs.Load() != p.pongs {
		p.until = time.Time{}
		p.mu.Unlock()
		return time.Time{}
	}
	reach := r.reach()
	if !now.Before(p.until) && r.getsOn(reach, now) && now.Sub(p.sent) < slowTime {
		p.until = now.Add(slowStep)
	}
	if now.Before(p.until) {
		defer p.mu.Unlock()
		return p.until
	}
	p.until = time.Time{}
	took := now.Sub(p.sent).Round(time.Millisecond)
	p.mu.Unlock()
	if reach == unreachable {
		r.endStale(r.cut, errOutOfReach) // it cannot be told
	} else {
		r.endStale(r.end, fmt.Errorf("no answer for %v", took))
	}
	return time.Time{}
}
