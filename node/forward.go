package node

import (
	"time"

	"shoal/subjects"
	"shoal/wire"
)

// detour is what happens to a message on a subject besides that those get it who subscribe to it in the
// account of its publisher. Few subjects have one.
type detour struct {
	mapping  *mapping         // replaces the subject
	services []*serviceImport // the message goes to other accounts
	reply    bool             // it answers a request of another account
}

// detourOf returns the detour of a subject, or nil.
func (c *cache) detourOf(subject []byte) *detour {
	var d detour
	t := c.account.terms.Load()
	if t.mappings != nil {
		d.mapping = mostSpecific(t.mappings, subject)
	}
	if t.services != nil {
		var r subjects.Result[*serviceImport]
		t.services.Match(subject, &r)
		d.services = r.Plain
	}
	if hasPrefix(subject, systemRequestPrefix) {
		if s := t.system[string(subject)]; s != nil {
			d.services = append(d.services, s)
		}
	}
	d.reply = hasPrefix(subject, c.account.replies.prefix)
	if d.mapping == nil && len(d.services) == 0 && !d.reply {
		return nil
	}
	return &d
}

// mostSpecific returns a mapping that matches, and if there are several, one with fewer wildcards.
func mostSpecific(x *subjects.Index[*mapping], subject []byte) *mapping {
	var r subjects.Result[*mapping]
	x.Match(subject, &r)
	var best *mapping
	for _, m := range r.Plain {
		if best == nil || subjects.Covers(best.from, m.from) {
			best = m
		}
	}
	return best
}

// lookup returns who receives a message in the current account, of which it gets the subject that the
// account has for it.
func (w *work) lookup(op *wire.Op) *entry {
	e := w.cache.lookup(op.Subject)
	if d := e.detour; d != nil && d.mapping != nil {
		op.Subject = []byte(d.mapping.pick(string(op.Subject)))
		if w.traced != nil {
			w.traced.add(&traceMapping{newTraceEvent("sm"), string(op.Subject)})
		}
		e = w.cache.lookup(op.Subject)
	}
	return e
}

// deliverAll delivers a message in the current account, and in those that the account has services of.
func (w *work) deliverAll(e *entry, op *wire.Op, depth int) bool {
	d := e.detour // e may be used again for another subject
	delivered := w.deliver(e, op)
	if d == nil {
		return delivered
	}
	if d.reply && w.answer(op) {
		delivered = true
	}
	if depth > 0 {
		for _, s := range d.services {
			if w.serve(s, op, depth-1) {
				delivered = true
			}
		}
	}
	return delivered
}

// serve delivers a request in the account of the service.
func (w *work) serve(s *serviceImport, op *wire.Op, depth int) bool {
	if s.answer != nil {
		return w.answerHere(s, op)
	}
	subject, ok := s.there.Apply(string(op.Subject))
	if !ok {
		return false
	}
	home := w.cache.place
	request := *op
	request.Subject, request.Tail = []byte(subject), nil
	traced := w.traced
	if traced != nil && w.leaveTrace(s.to, &request, op.Subject, s) {
		return true
	}
	w.introduce(&request)
	w.redirect(&request, s.to, s.once, s.threshold)
	w.cache.enter(s.to)
	delivered := w.deliverAll(w.lookup(&request), &request, depth)
	w.cache.move(home)
	w.returnTrace(traced, s.to)
	if !delivered || traced != nil && traced.only {
		s.to.replies.drop(string(request.Reply))
	}
	return delivered
}

// redirect gives a message that leaves the current account a reply subject in the one that it goes to.
func (w *work) redirect(op *wire.Op, other *account, once bool, threshold time.Duration) {
	if len(op.Reply) == 0 {
		return
	}
	reply, news := other.replies.expect(&owed{
		to:        w.cache.account,
		subject:   string(op.Reply),
		once:      once,
		threshold: threshold,
	})
	op.Reply, op.Tail = []byte(reply), nil
	w.batch.changed = w.batch.changed || news
}

// answer delivers the response of a service in the account that has asked.
func (w *work) answer(op *wire.Op) bool {
	home := w.cache.place
	here := home.account
	o := here.replies.take(string(op.Subject))
	if o == nil {
		return false
	}
	response := *op
	response.Subject, response.Queues = []byte(o.subject), nil
	traced := w.traced
	if traced != nil && w.leaveTrace(o.to, &response, op.Subject, nil) {
		return true
	}
	w.redirect(&response, o.to, o.once, o.threshold)
	w.cache.answer(o.to)
	delivered := w.deliverAll(w.cache.lookup(response.Subject), &response, 0)
	w.cache.move(home)
	w.traced = traced
	if !delivered {
		o.to.replies.drop(string(response.Reply))
	}
	if !delivered || len(op.Payload) == 0 { // an empty message ends a stream
		here.replies.drop(string(op.Subject))
	}
	return delivered
}
