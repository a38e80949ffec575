package node

import (
	"math/rand/v2"
	"slices"

	"shoal/wire"
)

// queueGroup is the members of one queue group that are interested in a subject.
type queueGroup struct {
	name    string
	members []*group
	remote  bool // some are at peers
}

// queue returns the queue group of that name, or nil. A peer that names very many of them must not hold up
// what comes behind.
func (e *entry) queue(name string) *queueGroup {
	if len(e.queues) <= few {
		for i := range e.queues {
			if e.queues[i].name == name {
				return &e.queues[i]
			}
		}
		return nil
	}
	if e.places == nil {
		e.places = make(map[string]int, len(e.queues))
		for i := range e.queues {
			e.places[e.queues[i].name] = i
		}
	}
	if i, ok := e.places[name]; ok {
		return &e.queues[i]
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
	if w.cache.self.isRoute && !w.cache.onward {
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
		g.named, g.namedBytes = g.named[:0], 0
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

// maxNamed bounds the names of queue groups in a message to a peer, in bytes: it takes no line that is much
// longer. Who subscribes in more groups does not get the message in the others.
const maxNamed = spareControlLine / 2

// carry has the message to a peer name the queue group of a member there.
func (w *work) carry(member *group) {
	peer := member.peer
	if c := member.subs[0].conn; !c.queued.Load() {
		c.handler.(*route).vigil.begin()
	}
	if i := slices.IndexFunc(w.peers, func(g *group) bool { return g.set == peer.set }); i >= 0 {
		peer = w.peers[i]
	} else {
		peer.named, peer.namedBytes = peer.named[:0], 0
		w.peers = append(w.peers, peer)
	}
	if queue := member.subs[0].queue; peer.namedBytes+len(queue) < maxNamed {
		peer.named = append(peer.named, queue)
		peer.namedBytes += len(queue) + 1
	}
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
func (s *subscription) secondChoice() bool { return s.leaf || s.conn.avoid.any() }

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
