package command

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// mostHTTPConnections is how many connections a listener for people and tools has at a time.
const mostHTTPConnections = 256

// crowd bounds the connections of an HTTP server. When there are too many, the one goes that has waited
// longest for a request, or if none does, has been busy longest with one. So nobody can keep others out by
// opening connections and saying nothing, or asking and not reading.
type crowd struct {
	most int

	mu     sync.Mutex // guards the rest
	visits map[net.Conn]visit
}

// visit is what a connection does, and since when.
type visit struct {
	busy  bool
	since time.Time
}

func newCrowd(most int) *crowd { return &crowd{most: most, visits: make(map[net.Conn]visit)} }

// track implements the ConnState of [http.Server].
func (c *crowd) track(nc net.Conn, state http.ConnState) {
	if surplus := c.note(nc, state); surplus != nil {
		surplus.Close()
	}
}

// note notes what a connection does, and returns one that has to go, if there is one.
func (c *crowd) note(nc net.Conn, state http.ConnState) (surplus net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle, http.StateActive:
		c.visits[nc] = visit{state == http.StateActive, time.Now()}
	default:
		delete(c.visits, nc)
	}
	if state != http.StateNew || len(c.visits) <= c.most {
		return nil
	}
	for other, v := range c.visits {
		if other != nc && (surplus == nil || v.goesBefore(c.visits[surplus])) {
			surplus = other
		}
	}
	delete(c.visits, surplus)
	return surplus
}

func (v visit) goesBefore(other visit) bool {
	if v.busy != other.busy {
		return other.busy
	}
	return v.since.Before(other.since)
}
