package node

import (
	"strconv"

	"shoal/wire"
)

// spread notes in the trace of a message who is chosen to get it, and sends it to peers itself, for each of
// them has to know its number. It leaves the clients that are to get it in w.picks, and returns how many
// others are dealt with.
func (w *work) spread(op *wire.Op) (others int) {
	t := w.traced
	w.traceExcluded(op)
	clients := w.clients[:0]
	for _, g := range w.picks {
		switch {
		case g.routed:
			continue
		case t.only:
			others += len(g.subs)
		default:
			clients = append(clients, g)
		}
		for _, s := range g.subs {
			t.addClient(w.cache.account, g, s, op)
		}
	}
	for _, g := range w.picks {
		if !g.routed {
			continue
		}
		for _, s := range g.subs {
			others += w.relayTraced(w.cache.routedGroup(op.Subject, s, false), op)
		}
	}
	for _, g := range w.peers {
		others += w.relayTraced(g, op)
	}
	w.clients, w.picks, w.peers = clients, clients, w.peers[:0]
	return others
}

// addClient notes that a subscription is chosen that is found in an account.
func (t *tracing) addClient(in *account, g *group, s *subscription, op *wire.Op) {
	switch {
	case s.conn.isSystem: // is this server
	case s.account != in:
		to := g.shown
		setDefault(&to, string(op.Subject))
		t.add(&traceStream{newTraceEvent("se"), s.account.name, to})
	default:
		t.addEgress(s, "")
	}
}

// addEgress notes that a message is for a subscription of a client, or why not.
func (t *tracing) addEgress(s *subscription, why string) {
	e := &traceEgress{traceEvent: newTraceEvent("eg"), Kind: traceClient, ID: s.conn.id,
		Subscription: s.subject, Queue: s.queue, Error: why}
	if c, ok := s.conn.handler.(*client); ok {
		e.Name = c.introduction().name
	}
	t.add(e)
}

// traceExcluded notes who has a subscription that matches, but does not get the message.
func (w *work) traceExcluded(op *wire.Op) {
	c := &w.cache
	c.index.Match(op.Subject, &c.result)
	for _, s := range c.result.Plain {
		x := s.special.Load()
		switch {
		case s.conn.isRoute, s.account != c.account, x != nil && x.origin != nil:
		case c.excluded(s):
			w.traced.addEgress(s, traceNoEcho)
		case x != nil && x.filter != nil && x.filter.Denies(string(op.Subject)):
			w.traced.addEgress(s, traceDenied)
		}
	}
}

// relayTraced sends the message to the peer of a group, and returns 1 unless that is not possible.
func (w *work) relayTraced(g *group, op *wire.Op) int {
	t, to := w.traced, g.subs[0].conn
	peer := to.handler.(*route).tracePeer()
	t.Hops++
	e := &traceEgress{traceEvent: newTraceEvent("eg"), Kind: traceRoute, ID: to.id, Name: peer.Name, Hop: strconv.Itoa(t.Hops)}
	if t.hop != "" {
		e.Hop = t.hop + "." + e.Hop
	}
	t.add(e)
	hopped := *op
	switch knows := peer.Proto >= traceProto && !g.noHeaders; {
	case !knows && t.only:
		e.Error = traceOnlyUnknown
		return 0
	case !knows:
		e.Error = traceUnknown
	}
	if g.noHeaders {
		w.tail = appendStripped(w.tail[:0], op)
		w.relay(g, g.bare, op, w.tail, len(op.Payload)-op.HeaderLen)
	} else {
		setHeader(&hopped, traceHopHeader, e.Hop)
		w.tail = appendTail(w.tail[:0], &hopped, true)
		w.relay(g, g.prefix, &hopped, w.tail, len(hopped.Payload))
	}
	w.cache.routed.sent(1, len(op.Payload))
	if w.batch.full {
		w.batch.flushPart()
	}
	return 1
}

// leaveTrace notes that a request, or the response to one, goes on to an account from a subject in this one.
// What becomes of it there is the business of that account, so that it is not traced any further until
// w.traced is set again. If it is only to be traced, which leaveTrace reports, it goes nowhere.
func (w *work) leaveTrace(to *account, op *wire.Op, from []byte) (only bool) {
	t := w.traced
	t.add(&traceService{newTraceEvent("si"), to.name, string(from), string(op.Subject)})
	if !t.only {
		w.traced = nil
		setHeader(op, traceDestHeader, traceDisabled)
	}
	return t.only
}
