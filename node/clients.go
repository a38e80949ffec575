package node

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"shoal/wire"
)

// clients are the connected clients of a node.
type clients struct {
	left atomic.Uint64 // how many have been here and left

	mu     sync.Mutex // guards the rest
	max    int
	byID   map[uint64]*client
	closed *ending            // why nobody may connect any more
	held   *ending            // why nobody may connect for the time being
	empty  chan struct{}      // closed when nobody is connected and nobody may connect any more
	gone   map[*account]*past // of clients that have left
}

func (t *clients) init(max int) {
	t.max = max
	t.byID = make(map[uint64]*client)
	t.gone = make(map[*account]*past)
	t.empty = make(chan struct{})
}

// add registers a client, for which a goroutine is going to be started, or says why it is refused.
func (t *clients) add(c *client) *ending {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return t.closed
	}
	if t.held != nil {
		return t.held
	}
	if len(t.byID) >= t.max {
		return tooManyClients
	}
	t.byID[c.id] = c
	// Under the lock, so that a node that has refused everybody waits for all who came before.
	c.node.wg.Add(1)
	return nil
}

// tooManyClients is how clients end that are more than may be.
var tooManyClients = &ending{reason: reasonMaxConnections, text: wire.TextMaxConnections}

// limit changes how many clients there may be, and returns the most recent ones that are too many.
func (t *clients) limit(most int) []*client {
	t.mu.Lock()
	t.max = most
	t.mu.Unlock()
	all := t.all()
	return all[min(len(all), max(0, most)):]
}

// hold lets nobody connect for the time being, or everybody again if e is nil.
func (t *clients) hold(e *ending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = e
}

func (t *clients) remove(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[c.id] == c {
		delete(t.byID, c.id)
		t.past(c.home.Load()).count(&c.conn)
		t.left.Add(1)
		if t.closed != nil && len(t.byID) == 0 {
			close(t.empty)
		}
	}
}

// past returns what clients that have left an account are remembered by. The caller holds the lock.
func (t *clients) past(a *account) *past {
	if t.gone[a] == nil {
		t.gone[a] = new(past)
	}
	return t.gone[a]
}

// moves has a client go to another account. What it has sent and received until now stays with the old one.
func (t *clients) moves(c *client, to *account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until := c.traffic(); until != (traffic{}) {
		t.past(c.home.Load()).traffic.add(until)
		t.past(to).subtract(until) // below zero, which adding what the client has makes up for
	}
	c.home.Store(to)
}

// get returns the client of that number, or nil.
func (t *clients) get(id uint64) *client {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// count returns how many clients are connected.
func (t *clients) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// all returns the clients in the order in which they connected.
func (t *clients) all() []*client {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*client, 0, len(t.byID))
	for _, c := range t.byID {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *client) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return all
}

// total returns how many clients there are and what all clients, also those that left, have sent
// and received.
func (t *clients) total() (n int, sum past) {
	t.mu.Lock()
	all := slices.Collect(maps.Values(t.byID))
	for _, gone := range t.gone {
		sum.merge(gone)
	}
	t.mu.Unlock()
	for _, c := range all {
		sum.count(&c.conn)
	}
	return len(all), sum
}

// byAccount returns what the clients of every account, also those that left, have sent and received.
func (t *clients) byAccount() map[*account]traffic {
	t.mu.Lock()
	homes := make(map[*client]*account, len(t.byID)) // as long as gone is that of before they moved
	for _, c := range t.byID {
		homes[c] = c.home.Load()
	}
	sums := make(map[*account]traffic, len(t.gone))
	for a, gone := range t.gone {
		sums[a] = gone.traffic
	}
	t.mu.Unlock()
	for c, home := range homes {
		sum := sums[home]
		sum.add(c.traffic())
		sums[home] = sum
	}
	return sums
}

// close ends all clients in good order and refuses new ones.
func (t *clients) close(e *ending) {
	t.refuse(e)
	for _, c := range t.all() {
		c.end(e)
	}
}

// cut ends all clients at once.
func (t *clients) cut(e *ending) {
	t.refuse(e)
	var cutting sync.WaitGroup
	for _, c := range t.all() {
		cutting.Go(func() { c.cut(e) }) // waits for whoever reads from the socket, and that may take its turn
	}
	cutting.Wait()
}

func (t *clients) refuse(e *ending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed == nil {
		t.closed = e
		if len(t.byID) == 0 {
			close(t.empty)
		}
	}
}
