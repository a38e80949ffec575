package node

import (
	"slices"
	"strconv"

	"shoal/subjects"
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
	if s.conn.isSystem {
		return // is this server
	}
	if s.account == in {
		t.addEgress(s, s.subject, "")
		return
	}
	to := g.shown
	setDefault(&to, string(op.Subject))
	t.add(&traceStream{newTraceEvent("se"), s.account.name, to})
	if subject, ok := s.tracedBy(in, string(op.Subject)); ok {
		t.addEgress(s, subject, "")
	}
}

// tracedBy returns what a subscription is in another account from which it gets a message, if the imports
// by which it does allow to trace that.
func (s *subscription) tracedBy(in *account, subject string) (pattern string, ok bool) {
	x := s.special.Load()
	if x == nil {
		return "", false
	}
	i := slices.IndexFunc(x.shadows, func(shadow *subscription) bool {
		return shadow.account == in && subjects.Match(shadow.subject, subject)
	})
	if i < 0 {
		return "", false
	}
	shadow := x.shadows[i].special.Load()
	for shadow.trace && shadow.above != nil {
		shadow = shadow.above.special.Load()
	}
	return x.shadows[i].subject, shadow.trace
}

// addEgress notes that a message is for a subscription of a client, found by a pattern, or why not.
func (t *tracing) addEgress(s *subscription, pattern, why string) {
	e := &traceEgress{traceEvent: newTraceEvent("eg"), Kind: traceClient, ID: s.conn.id,
		Subscription: pattern, Queue: s.queue, Error: why}
	if c, ok := s.conn.handler.(*client); ok {
		e.Name = c.introduction().name
	}
	if name := s.account.name; name != t.ingress.Account {
		e.Account = name
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
		case c.excluded(s, op.Subject):
			w.traced.addEgress(s, s.subject, traceNoEcho)
		case x != nil && x.filter != nil && x.filter.Denies(string(op.Subject)):
			w.traced.addEgress(s, s.subject, traceDenied)
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

// leaveTrace notes that a request goes on to an account by an import, or the response to one by none, from a
// subject in this account. It is not traced any further, until returnTrace, unless the import allows that:
// then servers that it is sent to tell by a reply subject of that account. If it is only to be traced and
// that account does not show it, which leaveTrace reports, it goes nowhere.
func (w *work) leaveTrace(to *account, op *wire.Op, from []byte, by *serviceImport) (over bool) {
	t := w.traced
	t.add(&traceService{newTraceEvent("si"), to.name, string(from), string(op.Subject)})
	switch {
	case by != nil && by.trace:
		subject, news := to.replies.expect(&owed{
			to:        w.cache.account,
			subject:   t.dests[len(t.dests)-1].subject,
			threshold: by.threshold,
		})
		w.batch.changed = w.batch.changed || news
		t.dests = append(t.dests, traceDest{subject, t.Hops})
		setHeader(op, traceDestHeader, subject)
	case t.only:
		return true
	default:
		w.traced = nil
		setHeader(op, traceDestHeader, traceDisabled)
	}
	return false
}

// returnTrace ends what leaveTrace has begun for the trace t, which may be none.
func (w *work) returnTrace(t *tracing, from *account) {
	if w.traced != nil {
		last := len(t.dests) - 1
		if d := t.dests[last]; d.hops == t.Hops {
			from.replies.drop(d.subject) // nobody else will tell
		}
		t.dests = t.dests[:last]
	}
	w.traced = t
}
