package node

import (
	"strings"
	"sync"
	"time"
)

// closedClients are the clients that have gone last.
type closedClients struct {
	mu   sync.Mutex   // guards the rest
	ring []Connection // grows up to its limit, and is overwritten from then on
	next int          // the oldest one, once the ring has its full size
}

// longestRemembered bounds what is kept of each text that a client has said of itself, in bytes.
const longestRemembered = 128

// epitaph describes a client that goes. One that was refused has the name that it has given. Texts are
// copied, so that they hold nothing else in memory.
func (c *client) epitaph(e *ending, subscriptions int) Connection {
	v := c.describe()
	v.IP, v.Port = c.from()
	v.Stop, v.Reason = time.Now(), string(e.reason)
	v.Subscriptions, v.Pending, v.Certificates = subscriptions, e.waiting, nil
	if e.reason == reasonAuthFailure {
		v.User = c.presented()
		if !c.connected {
			v.Account = GlobalAccount // what it was without credentials it has never made use of
		}
	}
	for _, text := range []*string{&v.Name, &v.Lang, &v.Version, &v.User} {
		*text = strings.Clone((*text)[:min(len(*text), longestRemembered)])
	}
	return *v
}

// add remembers a client, and forgets the oldest ones above the limit.
func (t *closedClients) add(v Connection, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit < 0 {
		limit = 0
	}
	if len(t.ring) > limit || t.next > 0 && len(t.ring) < limit {
		t.ring, t.next = t.latest(limit), 0
	}
	switch {
	case limit == 0:
	case len(t.ring) < limit:
		t.ring = append(t.ring, v)
	default:
		t.ring[t.next] = v
		t.next = (t.next + 1) % limit
	}
}

// latest returns a copy of what is remembered, up to a number of clients, the one last that has gone
// last. The caller holds the lock.
func (t *closedClients) latest(limit int) []Connection {
	all := make([]Connection, 0, len(t.ring))
	all = append(all, t.ring[t.next:]...)
	all = append(all, t.ring[:t.next]...)
	return all[max(0, len(all)-limit):]
}

// all returns what is remembered, the client last that has gone last.
func (t *closedClients) all() []Connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latest(len(t.ring))
}
