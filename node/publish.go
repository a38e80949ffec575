package node

import (
	"fmt"
	"strconv"
	"time"

	"shoal/subjects"
	"shoal/wire"
)

// publish carries out PUB and HPUB.
func (c *client) publish(w *work, op *wire.Op) {
	w.msgs++
	w.bytes += uint64(len(op.Payload))

	if c.options.Pedantic && !literal(op.Subject) {
		c.refuse(w, wire.TextInvalidPublishSubject)
	}
	e := w.lookup(op) // the permission is one for where the message goes
	if e.denied && !c.mayAnswer(op.Subject) {
		c.refusePublish(w, fmt.Sprintf("%s%q", wire.TextPermissionPublish, op.Subject))
		return
	}
	if reservedReply(op.Reply) {
		c.refusePublish(w, fmt.Sprintf("%s%q", wire.TextPermissionReply, op.Reply))
		return
	}
	c.ok(w)
	delivered := w.deliverAll(e, op, longestChain)
	if !delivered && len(op.Reply) > 0 && c.options.NoResponders {
		c.noResponders(w, op)
	}
}

// mayAnswer reports whether a client may publish to a subject that is otherwise denied to it, because it
// was asked to reply there.
func (c *client) mayAnswer(subject []byte) bool {
	owes := c.owes.Load()
	return owes != nil && !reservedSubject(subject) && owes.Use(string(subject), time.Now())
}

// literal reports whether a subject names one subject: it has no empty token and no wildcard.
func literal(subject []byte) bool {
	return subjects.Publishable(subject) && !subjects.HasWildcard(subject)
}

// manyReceivers is the number of groups from which a message may have to be flushed in parts.
const manyReceivers = 16

// deliver renders a message for everybody who is to receive it. It reports whether there is anybody.
func (w *work) deliver(e *entry, op *wire.Op) bool {
	b := &w.batch
	// Who unsubscribes waits for the readers that are visiting it, see visitors. Before this reader
	// was visible as a visitor, the entry may have become stale; hence the second look at it.
	for {
		w.choose(e, op)
		if b.gaveUp && len(w.picks) > manyReceivers {
			b.flush()
		}
		touched := false
		for _, list := range [...][]*group{w.picks, w.peers} {
			for _, g := range list {
				if g.set.batch != b.n {
					b.touch(g.set)
					touched = true
				}
			}
		}
		if !touched || w.cache.index.Fresh(e.stamp) {
			break
		}
		e = w.cache.lookup(op.Subject)
	}
	receivers := 0
	if w.traced != nil {
		receivers = w.spread(op)
	}
	if len(w.picks)+len(w.peers) == 0 {
		w.fanOut.add(receivers)
		return receivers > 0
	}
	size := len(op.Payload)
	headers := op.HasHeaders() && op.HeaderLen > 0
	tail := op.Tail
	if tail == nil || op.HasHeaders() && !headers {
		w.tail = appendTail(w.tail[:0], op, headers)
		tail = w.tail
	}
	var stripped []byte
	for i, g := range w.picks {
		if !w.claim(g) {
			if g.subs[0].queue == "" {
				continue
			}
			if g = w.another(op, g.subs[0].queue); g == nil {
				continue
			}
			if g.peer != nil {
				w.carry(g)
				continue
			}
		}
		receivers += len(g.subs)
		if g.routed {
			w.cache.routed.sent(len(g.subs), size)
		}
		if g.answers && len(op.Reply) > 0 {
			g.expectAnswers(op.Reply)
		}
		if w.shown != nil {
			g = w.showing(g, op)
		}
		switch {
		case !headers:
			b.add(g, g.bare, tail, size)
		case !g.noHeaders:
			b.add(g, g.prefix, tail, size)
		default:
			if stripped == nil {
				w.stripped = appendStripped(w.stripped[:0], op)
				stripped = w.stripped
			}
			b.add(g, g.bare, stripped, size-op.HeaderLen)
		}
		if b.full && i < len(w.picks)-1 {
			b.flushPart()
		}
	}
	for _, g := range w.peers {
		receivers += len(g.subs)
		w.cache.routed.sent(len(g.subs), size)
		if b.full {
			b.flushPart()
		}
		switch {
		case !headers:
			w.relay(g, g.bare, op, tail, size)
		case !g.noHeaders:
			w.relay(g, g.prefix, op, tail, size)
		default:
			if stripped == nil {
				w.stripped = appendStripped(w.stripped[:0], op)
				stripped = w.stripped
			}
			w.relay(g, g.bare, op, stripped, size-op.HeaderLen)
		}
	}
	w.fanOut.add(receivers)
	return receivers > 0
}

// claim reserves a delivery to g, which fails if g is limited and another publisher has just taken
// the last one.
func (w *work) claim(g *group) bool {
	if !g.limited {
		return true
	}
	s := g.subs[0]
	ok, last := s.claim()
	if last {
		w.batch.ended = append(w.batch.ended, s)
	}
	return ok
}

// another chooses and claims a member of a queue group when the one chosen first has had its fill.
func (w *work) another(op *wire.Op, queue string) *group {
	for {
		e := w.cache.lookup(op.Subject)
		q := e.queue(queue)
		if q == nil {
			return nil
		}
		g := q.pick()
		if g == nil {
			return nil
		}
		if g.set.batch != w.batch.n {
			w.batch.touch(g.set)
			if !w.cache.index.Fresh(e.stamp) {
				continue
			}
		}
		if w.claim(g) {
			return g
		}
	}
}

// appendTail appends what follows the prefix of a message, for a line that was not written
// canonically or whose headers are empty.
func appendTail(b []byte, op *wire.Op, headers bool) []byte {
	if len(op.Reply) > 0 {
		b = append(b, op.Reply...)
		b = append(b, ' ')
	}
	if headers {
		b = append(b, op.HeaderText...)
		b = append(b, ' ')
	}
	b = append(b, op.SizeText...)
	b = append(b, wire.CRLF...)
	b = append(b, op.Payload...)
	return append(b, wire.CRLF...)
}

// appendStripped is appendTail for receivers that understand no headers.
func appendStripped(b []byte, op *wire.Op) []byte {
	if len(op.Reply) > 0 {
		b = append(b, op.Reply...)
		b = append(b, ' ')
	}
	body := op.Payload[op.HeaderLen:]
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, wire.CRLF...)
	b = append(b, body...)
	return append(b, wire.CRLF...)
}

// noResponders tells a requester at once that nobody received its request, by a message with status
// 503 to the subscription that waits for the reply.
func (c *client) noResponders(w *work, op *wire.Op) {
	var waiting *subscription
	w.cache.index.Match(op.Reply, &w.cache.result)
	for _, s := range w.cache.result.Plain {
		if s.conn == &c.conn && !s.full() {
			waiting = s
			break
		}
	}
	if waiting == nil {
		return
	}
	header := "NATS/1.0 503\r\nNats-Subject: " + string(op.Subject) + "\r\n\r\n"
	answer := wire.Op{
		Verb:      wire.HMsg,
		Subject:   op.Reply,
		SID:       []byte(waiting.sid),
		HeaderLen: len(header),
		Payload:   []byte(header),
	}
	w.batch.reply(answer.Append(nil))
}
