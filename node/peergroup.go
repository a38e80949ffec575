package node

import (
	"slices"

	"shoal/subjects"
)

// resolveQueue fills in a queue group of an entry.
func (c *cache) resolveQueue(e *entry, subject []byte, found *subjects.Group[*subscription], admitted bool) {
	q := queueGroup{name: found.Name}
	for _, s := range found.Members {
		if c.excluded(s, subject) {
			continue
		}
		if s.conn.isRoute {
			q.remote = true
			q.members = append(q.members, c.remoteMember(e, subject, s, admitted))
			continue
		}
		s, shown, ok := c.shown(s, subject)
		if !ok {
			continue
		}
		r := c.receiver(s.conn)
		q.members = append(q.members, c.clientGroup(subject, r, s, c.keyOf(r, s, shown), s.limit.Load() > 0, admitted))
	}
	if len(q.members) > 0 {
		e.queues = append(e.queues, q)
	}
}

// remoteMember returns the group of a member at a peer, and has the peer among those of e.
func (c *cache) remoteMember(e *entry, subject []byte, s *subscription, admitted bool) *group {
	g := c.newGroup(0, c.receiver(s.conn), s, admitted)
	g.peer = c.peerGroup(e, subject, s, admitted)
	return g
}

// peerGroup returns the group of the peer that s is of, and has it among the peers of e.
func (c *cache) peerGroup(e *entry, subject []byte, s *subscription, admitted bool) *group {
	for _, g := range e.peers {
		if g.subs[0].conn == s.conn {
			return g
		}
	}
	g := c.routedGroup(subject, s, admitted)
	e.peers = append(e.peers, g)
	return g
}

// resolvePeers fills in the peers that are interested outside of queue groups. All of them get the
// same bytes, unless queue groups are to be named.
func (c *cache) resolvePeers(e *entry, subject []byte, admitted bool) {
	if len(c.remote) == 0 {
		return
	}
	if len(e.peers) > 0 {
		for _, s := range c.remote {
			c.peerGroup(e, subject, s, admitted).plain = true
		}
		return
	}
	first := len(e.groups)
	for _, s := range c.remote {
		alike := func(g *group) bool {
			other := g.subs[0].conn
			return g.noHeaders == !s.conn.headers.Load() && other.dedicated() == s.conn.dedicated()
		}
		i := slices.IndexFunc(e.groups[first:], alike)
		if i < 0 {
			e.groups = append(e.groups, c.routedGroup(subject, s, admitted))
			continue
		}
		// A peer may have several patterns that match; it gets one copy.
		g := e.groups[first+i]
		if !slices.ContainsFunc(g.subs, func(o *subscription) bool { return o.conn == s.conn }) {
			c.join(g, c.receiver(s.conn), s)
		}
	}
	for _, g := range e.groups[first:] {
		if len(g.subs) > 1 {
			c.internSet(g)
		}
	}
}

// routedGroup returns a group of peers, the first of which has the interest s.
func (c *cache) routedGroup(subject []byte, s *subscription, admitted bool) *group {
	account := c.account.name + " "
	if s.conn.dedicated() {
		account = ""
	}
	n := len("HMSG ") + len(account) + len(subject) + len(" ")
	g := c.newGroup(2*n, c.receiver(s.conn), s, admitted)
	for _, verb := range [...]string{"HMSG ", "RMSG "} {
		g.prefix = append(g.prefix, verb...)
		g.prefix = append(g.prefix, account...)
		g.prefix = append(g.prefix, subject...)
		g.prefix = append(g.prefix, ' ')
	}
	g.prefix, g.bare = g.prefix[:n:n], g.prefix[n:]
	g.noHeaders, g.routed = !s.conn.headers.Load(), true
	return g
}
