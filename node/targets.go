package node

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"
)

// targetState is what the node is doing about a route to a peer.
type targetState string

const (
	targetWaiting   targetState = "waiting"   // for the time of the next attempt
	targetDialing   targetState = "dialing"   // or in the handshake
	targetConnected targetState = "connected" // whoever of the two has dialled
	targetSelf      targetState = "self"      // the address is the node's own
)

// Back-off of attempts to connect, doubled from one to the next, with a fifth of jitter.
const (
	minBackoff           = 100 * time.Millisecond
	maxConfiguredBackoff = 2 * time.Second
	maxLearnedBackoff    = 30 * time.Second
	// courtesy is how long a peer that was accepted is left to dial again after its route is lost.
	courtesy = time.Second
	// learnedMemory is how long a peer is looked for that was only learned about, or that a name led to: that
	// may lead elsewhere by now.
	learnedMemory = time.Hour
)

// target is an address that the node wants a route to. Its fields belong to [targets].
type target struct {
	addr       string   // host:port
	url        *url.URL // with the credentials, for a configured peer
	configured bool     // rather than learned about
	found      bool     // configured because a name of join led there
	foreign    bool     // a peer says that it is no shoal node and wants the password
	mode       int      // gossip mode under which it was learned about
	id         string   // of the server there, if known
	state      targetState
	tries      int  // attempts ever
	attempts   int  // failed since the last success
	passedOver bool // the last one because the peer has preferred another connection
	next       time.Time
	lost       time.Time // since when there is no route
	proposed   time.Time // since when gossip knows it to be alive, as of the last attempt
	stop       func()    // ends the attempt, nil if it is none or beyond that
	again      bool      // the next attempt is due as soon as this one ends
}

// attempt is a target to dial, as it was when that was decided.
type attempt struct {
	target
	of        *target
	pooled    bool // there is a connection, but its pool is not full
	poolIndex int  // of the connection in the pool
}

// targets are the addresses that the node wants a route to, and what has become of it. It decides who is
// to be dialled when; it does not dial, and it is told the time.
type targets struct {
	wake func() // called, without lock, when due may have something new to say

	mu      sync.Mutex // guards the rest
	retries int        // of learned peers; 0 is no limit
	byAddr  map[string]*target
	routed  map[string]bool      // IDs with a registered route
	gone    map[string]time.Time // IDs of servers that have said that they stop, and when
}

func (t *targets) init(retries int, wake func()) {
	t.retries, t.wake = retries, wake
	t.byAddr, t.routed, t.gone = make(map[string]*target), make(map[string]bool), make(map[string]time.Time)
}

// configure adds a peer that is dialled for ever.
func (t *targets) configure(u *url.URL) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given(u).found = false
}

// find adds a peer that a name of join leads to now. Unless it is configured otherwise, it is dialled as long
// as that may still be so.
func (t *targets) find(u *url.URL, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.byAddr[routeAddress(u)]; p != nil && p.configured && !p.found {
		return
	}
	p := t.given(u)
	p.found, p.lost = true, now
}

// given returns the target of a configured peer. The caller holds mu.
func (t *targets) given(u *url.URL) *target {
	addr := routeAddress(u)
	p := t.byAddr[addr]
	if p == nil {
		p = &target{addr: addr, state: targetWaiting}
		t.byAddr[addr] = p
	}
	p.url, p.configured = u, true
	return p
}

// unconfigure has an address be one that was only learned about.
func (t *targets) unconfigure(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byAddr[addr]
	switch {
	case p == nil:
	case p.id == "" && p.state != targetDialing:
		delete(t.byAddr, addr)
	default:
		p.url, p.configured = nil, false
	}
}

// limit changes how often learned peers are tried again; 0 is no limit.
func (t *targets) limit(retries int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retries = retries
}

// learn notes that the server with that ID is said to be at addr, unless it has stopped; foreign is as in
// [target].
func (t *targets) learn(now time.Time, id, addr string, mode int, foreign bool) {
	t.mu.Lock()
	if t.hasStopped(id) {
		t.mu.Unlock()
		return
	}
	p := t.byAddr[addr]
	if p == nil {
		p = &target{addr: addr, id: id, state: targetWaiting, lost: now}
		t.byAddr[addr] = p
	}
	if p.id != id {
		// Another server was started there: what was before it does not count.
		p.id, p.attempts, p.next, p.lost = id, 0, now, now
	}
	if mode != gossipKeep {
		p.mode = mode
	}
	p.foreign = foreign
	if t.routed[id] {
		p.reached()
	} else if p.state == targetConnected {
		p.state = targetWaiting
	}
	t.mu.Unlock()
	t.wake()
}

// propose is learn for a server that gossip knows to be alive since then: if it has come back, the
// waiting time of attempts before that does not count, nor that of one under way, whose packets may be
// sent again only in some seconds.
func (t *targets) propose(now time.Time, id, addr string, since time.Time) {
	t.mu.Lock()
	p := t.byAddr[addr]
	known := p != nil && p.id == id
	if known && p.stop != nil && p.attempts > 0 && !p.proposed.Equal(since) {
		p.proposed, p.again = since, true
		p.stop()
	}
	if t.hasStopped(id) || known && (p.state != targetWaiting || p.proposed.Equal(since)) {
		t.mu.Unlock()
		return
	}
	if known {
		p.proposed, p.attempts, p.next = since, 0, now
	}
	t.mu.Unlock()
	if known {
		t.wake()
		return
	}
	t.learn(now, id, addr, gossipDefault, false)
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.byAddr[addr]; p != nil {
		p.proposed = since
	}
}

// left forgets a server that has said that it leaves, unless it is configured.
func (t *targets) left(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, p := range t.byAddr {
		if p.id == id && !p.configured && p.state != targetDialing {
			delete(t.byAddr, addr)
		}
	}
}

// stops notes that a server has said that it is about to stop. It does not come back under this ID, so news
// of it that are late, and connections that were begun before, do not count any more.
func (t *targets) stops(now time.Time, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.gone, func(_ string, since time.Time) bool { return now.Sub(since) > learnedMemory })
	t.gone[id] = now
}

// stopped reports whether a server has said that it stops.
func (t *targets) stopped(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hasStopped(id)
}

// hasStopped is stopped for who holds the lock.
func (t *targets) hasStopped(id string) bool {
	_, ok := t.gone[id]
	return ok
}

// pending reports whether a configured peer with that ID is about to be dialled.
func (t *targets) pending(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.byAddr {
		if p.id == id && p.configured && (p.state == targetWaiting || p.state == targetDialing) {
			return true
		}
	}
	return false
}

// dials notes how the attempt to connect to p is ended, or, if stop is nil, that it is over.
func (t *targets) dials(p *target, stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.stop = stop
}

// reached notes that there is a route.
func (p *target) reached() {
	p.state, p.attempts, p.passedOver, p.again = targetConnected, 0, false, false
}

// due returns the peers that are to be dialled now, and marks them so. next is when to ask again, or
// zero if only an event can change the answer.
func (t *targets) due(now time.Time) (list []attempt, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dialing := make(map[string]bool) // one address of a server is enough
	for _, p := range t.byAddr {
		if p.state == targetDialing && p.id != "" {
			dialing[p.id] = true
		}
	}
	for addr, p := range t.byAddr {
		if p.state != targetWaiting {
			continue
		}
		if t.forget(p, now) {
			delete(t.byAddr, addr)
			continue
		}
		if p.next.After(now) {
			next = earlier(next, p.next)
			continue
		}
		if dialing[p.id] {
			continue
		}
		if p.id != "" {
			dialing[p.id] = true
		}
		p.state = targetDialing
		p.tries++
		a := attempt{target: *p, of: p}
		if p.configured {
			// Whoever is told of this node by it should tell others.
			a.mode = gossipDefault
		}
		list = append(list, a)
	}
	return list, next
}

// earlier returns the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// forget reports whether there is no hope for a peer that is not configured as such.
func (t *targets) forget(p *target, now time.Time) bool {
	if p.configured {
		return p.found && now.Sub(p.lost) > learnedMemory
	}
	return t.retries > 0 && p.attempts > t.retries || now.Sub(p.lost) > learnedMemory
}

// failed notes that an attempt to reach p has failed, and returns how many have. It may be that the
// peer has passed over the connection in favour of another one.
func (t *targets) failed(p *target, passedOver bool, now time.Time) (attempts int) {
	t.mu.Lock()
	if p.state == targetDialing {
		p.passedOver = passedOver
		p.attempts++
		p.state = targetWaiting
		p.next = now.Add(p.backoff())
		if p.again {
			p.again, p.attempts, p.next = false, 0, now
		}
	}
	attempts = p.attempts
	t.mu.Unlock()
	t.wake()
	return attempts
}

func (p *target) backoff() time.Duration {
	most := maxLearnedBackoff
	if p.configured {
		most = maxConfiguredBackoff
	}
	d := most
	if p.attempts < 16 {
		d = min(most, minBackoff<<max(p.attempts-1, 0))
	}
	return d + rand.N(d/5)
}

// isSelf notes that the node has dialled itself. A name may stand for other servers as well, so it
// is tried again from time to time.
func (t *targets) isSelf(p *target, final bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.state = targetSelf
	if !final {
		p.state, p.next = targetWaiting, now.Add(maxConfiguredBackoff)
	}
}

// identified notes which server answers at p. It reports whether there is a route to it already, in
// which case the attempt is over.
func (t *targets) identified(p *target, id string) (routed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.id = id
	if t.routed[id] {
		p.reached()
		return true
	}
	return false
}

// connected notes that a route to the server with that ID is registered.
func (t *targets) connected(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routed[id] = true
	for _, p := range t.byAddr {
		if p.id == id {
			p.reached()
		}
	}
}

// disconnected notes that the route to a server is lost. One that has said that it leaves is
// forgotten unless it is configured.
func (t *targets) disconnected(id string, now time.Time, solicited, left bool) {
	t.mu.Lock()
	delete(t.routed, id)
	left = left || t.hasStopped(id)
	for addr, p := range t.byAddr {
		switch {
		case p.id != id:
		case left && !p.configured:
			delete(t.byAddr, addr)
		case p.state == targetConnected:
			p.state, p.attempts, p.lost = targetWaiting, 0, now
			wait := minBackoff
			if !solicited && !p.configured {
				wait = courtesy
			}
			p.next = now.Add(rand.N(wait))
		}
	}
	t.mu.Unlock()
	t.wake()
}

// settled reports whether every configured or learned peer has been tried: it has a route, or an
// attempt has failed. A connection that was passed over is no failure yet, for the other one may
// just be about to become the route.
func (t *targets) settled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.byAddr {
		tried := p.attempts > 0
		if p.passedOver {
			tried = p.attempts > 2
		}
		if !tried && (p.state == targetWaiting || p.state == targetDialing) {
			return false
		}
	}
	return true
}

// all returns a copy of every target, by address.
func (t *targets) all() []target {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]target, 0, len(t.byAddr))
	for _, p := range t.byAddr {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b target) int { return cmp.Compare(a.addr, b.addr) })
	return all
}
