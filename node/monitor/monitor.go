// Package monitor describes a running node in documents that the tools of NATS already know, field by
// field. A [Monitor] makes them; a [Handler] serves them over HTTP, as JSON. It writes nothing and changes
// nothing, and it asks for no password: bind it to an address that only friends can reach.
package monitor

import (
	"sync/atomic"
	"time"

	"shoal/node"
)

// Source is the node that is looked at, and what is around it. Its methods are called by many goroutines
// at once.
type Source interface {
	// Node returns the node.
	Node() *node.Node
	// Started reports whether the node has begun to serve clients. Before that there is nothing to count.
	Started() bool
	// Healthy returns nil while the node accepts clients, or why it does not.
	Healthy() error
	// Complete fills in what the node itself does not know: where the monitor listens, and what is
	// known of the configuration.
	Complete(*Varz)
	// Clusterz describes the cluster as the node sees it. Now may stay empty.
	Clusterz() Clusterz
}

// Monitor makes the documents about one node. It may be used by many goroutines at once.
type Monitor struct {
	source   Source
	process  *process
	requests map[string]*atomic.Int64 // by path, of all Handlers

	dashboard dashboard
}

// New returns a monitor of source.
func New(source Source) *Monitor {
	m := &Monitor{source: source, process: newProcess(), requests: map[string]*atomic.Int64{}}
	m.dashboard.source = source
	for path := range pages {
		m.requests[path] = new(atomic.Int64)
	}
	return m
}

// header is how most documents begin.
type header struct {
	ServerID string    `json:"server_id"`
	Now      time.Time `json:"now"`
}

func (m *Monitor) header() header {
	return header{ServerID: m.source.Node().ID(), Now: time.Now().UTC()}
}
