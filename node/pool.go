package node

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"shoal/wire"
)

// A peer may be reached by one connection, or by a pool of them, over which accounts are spread, plus
// one for each account that has a connection of its own. Each has its slot in link.routes.
const soleSlot = "0"

// link is all connections to one peer.
type link struct {
	routes map[string]*route // by slot
	pool   *pool             // nil unless this node has to fill it
}

// pool is what is needed to dial the connections of a pool.
type pool struct {
	attempt  attempt // the one by which the first was made
	size     int
	dialing  map[int]bool
	failures int
	next     time.Time
}

// first returns the connection that is used for what concerns the peer as a whole.
func (l *link) first() *route {
	var first *route
	for _, r := range l.routes {
		if first == nil || r.id < first.id {
			first = r
		}
	}
	return first
}

// poolSize returns the number of connections that two servers use, 0 if one of them has no pool.
func poolSize(ours, theirs int) int {
	if ours <= 0 || theirs <= 0 {
		return 0
	}
	return max(ours, theirs)
}

// accountIndex returns the number of the connection that carries an account, given the sender's own
// size of the pool.
func accountIndex(account string, size int) int {
	h := fnv.New32a()
	h.Write([]byte(account))
	return int(h.Sum32() % uint32(size))
}

// place finds the slot of a connection whose other side has introduced itself.
func (r *route) place() error {
	own, peer := r.node.opts.Cluster.PoolSize, r.peer()
	size := poolSize(own, peer.RoutePoolSize)
	index := peer.RoutePoolIdx
	if r.attempt != nil {
		if index != 0 {
			return refusal(fmt.Sprintf("Route pool index should not be set but is set to %d", index))
		}
		index = r.attempt.poolIndex
	}
	account := peer.RouteAccount
	switch {
	case account != "" && !r.node.accounts.has(account):
		return refusal(fmt.Sprintf("Unable to lookup account %q: account missing", account))
	case account != "":
		// Without a pool, the other side will see that it cannot have this connection. Were it
		// told so, it would try again for ever.
		r.slot, r.carriage = account, carriage{account: account}
		return nil
	case size == 0:
		r.slot = soleSlot
		return nil
	case index < 0 || index >= size:
		return refusal(fmt.Sprintf("Invalid route pool index: %d - pool size is %d", index, size))
	}
	r.slot = strconv.Itoa(index)
	r.carriage = carriage{index: index, size: own}
	if !r.isShoal {
		r.carriage.apart = r.node.accounts.system.name // as nats-server has it
	}
	return nil
}

func refusal(text string) error { return &ending{reason: reasonProtocol, text: text} }

// fillPool has the connections of a pool dialled, of which r is the first that this node has made.
func (t *routes) fillPool(r *route) {
	size := poolSize(r.node.opts.Cluster.PoolSize, r.peer().RoutePoolSize)
	if size == 0 || r.attempt == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.links[r.peer().ID]
	if l == nil {
		return
	}
	if l.pool == nil {
		l.pool = &pool{attempt: *r.attempt, size: size, dialing: make(map[int]bool)}
		l.pool.attempt.id = r.peer().ID
	}
	l.pool.failures = 0
	l.pool.next = time.Time{}
}

// due returns the connections of pools that are to be dialled now, and when to ask again. A pool is
// filled one by one: the next is dialled when the last is registered.
func (t *routes) due(now time.Time) (list []attempt, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.links {
		p := l.pool
		if p == nil || len(p.dialing) > 0 {
			continue
		}
		for index := range p.size {
			if l.routes[strconv.Itoa(index)] != nil {
				continue
			}
			if p.next.After(now) {
				next = earlier(next, p.next)
				break
			}
			p.dialing[index] = true
			a := p.attempt
			a.pooled, a.poolIndex = true, index
			list = append(list, a)
			break
		}
	}
	return list, next
}

// poolDialed notes the outcome of dialling a connection of a pool.
func (t *routes) poolDialed(id string, index int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.links[id]
	if l == nil || l.pool == nil {
		return
	}
	p := l.pool
	delete(p.dialing, index)
	if ok {
		p.failures = 0
		return
	}
	p.failures = min(p.failures+1, 6)
	wait := minBackoff << p.failures
	p.next = time.Now().Add(wait + rand.N(wait/5))
}

// dedicatedAccount returns the account that all operations of a route are about, nil if they name it.
func (r *route) dedicatedAccount() []byte {
	if !r.dedicated() {
		return nil
	}
	return []byte(r.carriage.account)
}

// acknowledge answers a peer that gives an account a connection of its own.
func (r *route) acknowledge(info *wire.ServerInfo) {
	info.RouteAccount = ""
	r.sendLine(info.Append(nil))
}
