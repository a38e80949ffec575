package node

import (
	"math/rand/v2"
	"slices"

	"shoal/subjects"
	"shoal/wire"
)

// queueGroup is the members of one queue group that are interested in a subject.
type queueGroup struct {
	name    string
	members []*group
	remote  bool // some are at peers
}

// queue returns the queue group of that name, or nil.
func (e *entry) queue(name string) *queueGroup {
	for i := range e.queues {
		if e.queues[i].name == name {
			return &e.queues[i]
		}
	}
	return nil
}

// choose sets w.picks and w.peers to the clients and the peers that receive a message: all that are
// interested outside of queue groups, and one member of each queue group. If the message comes from
// a peer, only of those that it has named.
func (w *work) choose(e *entry, op *wire.Op) {
	w.peers, w.unserved = w.peers[:0], w.unserved[:0]
	if len(e.queues) == 0 {
		w.picks, w.unserved = e.groups, append(w.unserved, op.Queues...)
		return
	}
	w.chosen = append(w.chosen[:0], e.groups...)
	if w.cache.self.isRoute {
		for _, name := range op.Queues {
			var g *group
			if q := e.queue(string(name)); q != nil {
				g = q.pick()
			}
			if g == nil {
				w.unserved = append(w.unserved, name)
			} else {
				w.chosen = append(w.chosen, g)
			}
		}
		w.picks = w.chosen
		return
	}
	for _, g := range e.peers {
		g.named = g.named[:0]
		if g.plain {
			w.peers = append(w.peers, g)
		}
	}
	for i := range e.queues {
		switch g := e.queues[i].pick(); {
		case g == nil:
		case g.peer != nil:
			w.carry(g)
		default:
			w.chosen = append(w.chosen, g)
		}
	}
	w.picks = w.chosen
}

// carry has the message to a peer name the queue group of a member there.
func (w *work) carry(member *group) {
	peer := member.peer
	if i := slices.IndexFunc(w.peers, func(g *group) bool { return g.set == peer.set }); i >= 0 {
		peer = w.peers[i]
	} else {
		peer.named = peer.named[:0]
		w.peers = append(w.peers, peer)
	}
	peer.named = append(peer.named, member.subs[0].queue)
}

// relay renders a message for a peer.
func (w *work) relay(g *group, prefix []byte, op *wire.Op, tail []byte, size int) {
	if len(g.named) > 0 {
		line := append(w.line[:0], prefix...)
		if len(op.Reply) > 0 {
			line = append(line, '+', ' ')
			line = append(line, op.Reply...)
			tail = tail[len(op.Reply)+1:] // the tail begins with the reply
		} else {
			line = append(line, '|')
		}
		for _, name := range g.named {
			line = append(line, ' ')
			line = append(line, name...)
		}
		line = append(line, ' ')
		w.line, prefix = line, line
	}
	w.batch.add(g, prefix, tail, size)
}

// pick chooses a member at random, each with the same chance, wherever it is. Members that have had
// their fill but are not yet gone are passed over.
func (q *queueGroup) pick() *group {
	if q.remote {
		return q.pickWeighted()
	}
	n := len(q.members)
	first := 0
	if n > 1 {
		first = rand.IntN(n)
	}
	for i := range n {
		g := q.members[(first+i)%n]
		if !g.subs[0].full() {
			return g
		}
	}
	return nil
}

// pickWeighted is pick when some members are at peers, each of which may stand for several. Members
// behind leaf nodes, and those whose connection is about to end, are chosen only if there are no
// others.
func (q *queueGroup) pickWeighted() *group {
	for _, second := range [...]bool{false, true} {
		total := 0
		for _, g := range q.members {
			if g.subs[0].secondChoice() == second {
				total += g.subs[0].chances()
			}
		}
		if total == 0 {
			continue
		}
		at := rand.IntN(total)
		var last *group
		for _, g := range q.members {
			if g.subs[0].secondChoice() != second {
				continue
			}
			if n := g.subs[0].chances(); n > 0 {
				last = g
				if at -= n; at < 0 {
					break
				}
			}
		}
		if last != nil { // what was counted may have changed in between
			return last
		}
	}
	return nil
}

// secondChoice reports whether other members of the queue group come first.
func (s *subscription) secondChoice() bool { return s.leaf || s.conn.avoid.Load() }

// chances returns how many members of the queue group the subscription stands for.
func (s *subscription) chances() int {
	switch {
	case s.conn.isRoute:
		return int(s.weight.Load())
	case s.full():
		return 0
	}
	return 1
}

// resolveQueue fills in a queue group of an entry.
func (c *cache) resolveQueue(e *entry, subject []byte, found *subjects.Group[*subscription], admitted bool) {
	q := queueGroup{name: found.Name}
	for _, s := range found.Members {
		if c.excluded(s) {
			continue
		}
		if s.conn.isRoute {
			q.remote = true
			q.members = append(q.members, c.remoteMember(e, subject, s, admitted))
			continue
		}
		r := c.receiver(s.conn)
		q.members = append(q.members, c.clientGroup(subject, r, s, c.keyOf(r, s), s.limit.Load() > 0, admitted))
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
	for _, noHeaders := range [...]bool{false, true} {
		var g *group
		for _, s := range c.remote {
			if s.conn.headers.Load() == noHeaders {
				continue
			}
			// A peer may have several patterns that match; it gets one copy.
			of := func(o *subscription) bool { return o.conn == s.conn }
			switch {
			case g == nil:
				g = c.routedGroup(subject, s, admitted)
				e.groups = append(e.groups, g)
			case !slices.ContainsFunc(g.subs, of):
				c.join(g, c.receiver(s.conn), s)
			}
		}
		if g != nil && len(g.subs) > 1 {
			c.internSet(g)
		}
	}
}

// routedGroup returns a group of peers, the first of which has the interest s.
func (c *cache) routedGroup(subject []byte, s *subscription, admitted bool) *group {
	n := len("HMSG ") + len(globalAccount) + len(" ") + len(subject) + len(" ")
	g := c.newGroup(2*n, c.receiver(s.conn), s, admitted)
	for _, verb := range [...]string{"HMSG ", "RMSG "} {
		g.prefix = append(g.prefix, verb...)
		g.prefix = append(g.prefix, globalAccount...)
		g.prefix = append(g.prefix, ' ')
		g.prefix = append(g.prefix, subject...)
		g.prefix = append(g.prefix, ' ')
	}
	g.prefix, g.bare = g.prefix[:n:n], g.prefix[n:]
	g.noHeaders = !s.conn.headers.Load()
	return g
}
