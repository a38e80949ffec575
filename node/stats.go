package node

import (
	"sync/atomic"
	"time"
)

// Stats are the figures of a node at one moment.
type Stats struct {
	// Start is when the node was made, which a process does at its start.
	Start time.Time
	// Connections are the connected clients, TotalConnections those since Start.
	Connections, TotalConnections uint64
	// InMsgs and InBytes are the messages that clients published, and their bytes of payload.
	InMsgs, InBytes uint64
	// OutMsgs and OutBytes are the messages that were delivered to clients.
	OutMsgs, OutBytes uint64
	// RouteInMsgs to RouteOutBytes are the messages that came from peers and went to them.
	RouteInMsgs, RouteInBytes, RouteOutMsgs, RouteOutBytes uint64
	// Subscriptions is the number of subscriptions of clients.
	Subscriptions int
	// Remotes is the number of peers that there is a route to, Routes that of the connections to
	// them.
	Remotes, Routes int
	// SlowConsumers counts clients that were cut because they read too slowly, SlowRoutes routes.
	SlowConsumers, SlowRoutes uint64
	// StaleConnections counts clients that were closed because they did not answer PING, StaleRoutes
	// routes.
	StaleConnections, StaleRoutes uint64
	// StalledClients is the number of times that publishers were held up for a crowded consumer.
	StalledClients uint64
	// PendingBytes is the memory that holds bytes for connections that cannot take them yet, and
	// CacheBytes that of what readers remember about who receives what.
	PendingBytes, CacheBytes int64
	// FanOut has the number of receivers of every message, and Batch how many messages of one
	// connection were taken at once.
	FanOut, Batch Histogram
	// Resolved counts messages whose receivers had to be looked up.
	Resolved uint64
}

// Stats returns the current figures. It visits every connection.
func (n *Node) Stats() Stats {
	connections, clients := n.clients.total()
	peers := n.routes.total()
	subscriptions, routes := n.accounts.len(), n.routes.registered()
	for _, r := range routes {
		subscriptions -= r.subs.len()
	}
	if n.system != nil {
		subscriptions -= n.system.subs.len()
	}
	s := Stats{
		Start:            n.start,
		Connections:      uint64(connections),
		TotalConnections: n.totalConnections.Load(),
		InMsgs:           clients.inMsgs,
		InBytes:          clients.inBytes,
		OutMsgs:          clients.outMsgs,
		OutBytes:         clients.outBytes,
		RouteInMsgs:      peers.inMsgs,
		RouteInBytes:     peers.inBytes,
		RouteOutMsgs:     peers.outMsgs,
		RouteOutBytes:    peers.outBytes,
		Subscriptions:    subscriptions,
		Remotes:          len(n.routes.list()),
		Routes:           len(routes),
		SlowConsumers:    n.slowConsumers.clients.Load(),
		SlowRoutes:       n.slowConsumers.routes.Load(),
		StaleConnections: n.staleConnections.clients.Load(),
		StaleRoutes:      n.staleConnections.routes.Load(),
		StalledClients:   clients.stalls,
		PendingBytes:     n.budget.bytes.Load(),
		CacheBytes:       n.cacheBytes.Load(),
	}
	clients.merge(&peers)
	s.FanOut, s.Batch, s.Resolved = clients.fanOut, clients.batch, clients.resolved
	return s
}

// mishaps counts what happens to connections, by their kind.
type mishaps struct{ clients, routes atomic.Uint64 }

func (m *mishaps) count(c *conn) {
	if c.isRoute {
		m.routes.Add(1)
	} else {
		m.clients.Add(1)
	}
}
