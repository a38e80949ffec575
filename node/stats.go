package node

import "time"

// Stats are the figures of a node at one moment.
type Stats struct {
	// Start is when the node began to listen.
	Start time.Time
	// Connections are the connected clients, TotalConnections those since Start.
	Connections, TotalConnections uint64
	// InMsgs and InBytes are the messages that clients published, and their bytes of payload.
	InMsgs, InBytes uint64
	// OutMsgs and OutBytes are the messages that were delivered to clients.
	OutMsgs, OutBytes uint64
	// Subscriptions is the number of subscriptions of clients.
	Subscriptions int
	// Remotes is the number of peers that there is a route to, Routes that of the connections to
	// them.
	Remotes, Routes int
	// SlowConsumers counts connections that were cut because they read too slowly.
	SlowConsumers uint64
	// StaleConnections counts connections that were closed because they did not answer PING.
	StaleConnections uint64
	// StalledClients is the number of times that publishers were held up for a crowded consumer.
	StalledClients uint64
	// PendingBytes is the memory that holds bytes for connections that cannot take them yet.
	PendingBytes int64
}

// traffic is what went over a connection.
type traffic struct {
	inMsgs, inBytes, outMsgs, outBytes, stalls uint64
}

func (t *traffic) add(o traffic) {
	t.inMsgs += o.inMsgs
	t.inBytes += o.inBytes
	t.outMsgs += o.outMsgs
	t.outBytes += o.outBytes
	t.stalls += o.stalls
}

func (c *conn) traffic() traffic {
	t := traffic{
		inMsgs:  c.inMsgs.Load(),
		inBytes: c.inBytes.Load(),
		stalls:  c.stalls.Load(),
	}
	t.outMsgs, t.outBytes = c.out.sent()
	return t
}

// Stats returns the current figures. It visits every connection.
func (n *Node) Stats() Stats {
	connections, t := n.clients.total()
	subscriptions, routes := n.accounts.len(), n.routes.registered()
	for _, r := range routes {
		subscriptions -= r.subs.len()
	}
	return Stats{
		Start:            n.start,
		Connections:      uint64(connections),
		TotalConnections: n.totalConnections.Load(),
		InMsgs:           t.inMsgs,
		InBytes:          t.inBytes,
		OutMsgs:          t.outMsgs,
		OutBytes:         t.outBytes,
		Subscriptions:    subscriptions,
		Remotes:          len(n.routes.list()),
		Routes:           len(routes),
		SlowConsumers:    n.slowConsumers.Load(),
		StaleConnections: n.staleConnections.Load(),
		StalledClients:   t.stalls,
		PendingBytes:     n.budget.bytes.Load(),
	}
}
