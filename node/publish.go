package node

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

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
	e := w.cache.lookup(op.Subject)
	if e.reserved {
		c.refuse(w, fmt.Sprintf("%s%q", wire.TextPermissionPublish, op.Subject))
		return
	}
	if reservedReply(op.Reply) {
		c.refuse(w, fmt.Sprintf("%s%q", wire.TextPermissionReply, op.Reply))
		return
	}
	c.ok(w)
	if !w.deliver(e, op) && len(op.Reply) > 0 && c.options.NoResponders {
		c.noResponders(w, op)
	}
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
		w.choose(e)
		if b.gaveUp && len(w.picks) > manyReceivers {
			b.flush()
		}
		touched := false
		for _, g := range w.picks {
			if g.set.batch != b.n {
				b.touch(g.set)
				touched = true
			}
		}
		if !touched || w.cache.index.Fresh(e.stamp) {
			break
		}
		e = w.cache.lookup(op.Subject)
	}
	if len(w.picks) == 0 {
		return false
	}
	size := len(op.Payload)
	headers := op.HasHeaders() && op.HeaderLen > 0
	tail := op.Tail
	if tail == nil || op.HasHeaders() && !headers {
		w.tail = appendTail(w.tail[:0], op, headers)
		tail = w.tail
	}
	var stripped []byte
	delivered := false
	for i, g := range w.picks {
		if !w.claim(g) {
			if g.subs[0].queue == "" {
				continue
			}
			if g = w.another(op, g.subs[0].queue); g == nil {
				continue
			}
		}
		delivered = true
		switch {
		case !headers:
			b.add(g, g.prefix[1:], tail, size)
		case !g.noHeaders:
			b.add(g, g.prefix, tail, size)
		default:
			if stripped == nil {
				w.stripped = appendStripped(w.stripped[:0], op)
				stripped = w.stripped
			}
			b.add(g, g.prefix[1:], stripped, size-op.HeaderLen)
		}
		if b.full && i < len(w.picks)-1 {
			b.flushPart()
		}
	}
	return delivered
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
		i := slices.IndexFunc(e.queues, func(members []*group) bool { return members[0].subs[0].queue == queue })
		if i < 0 {
			return nil
		}
		g := pick(e.queues[i])
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

// choose sets w.picks to the groups that receive a message: all plain ones, and one member of each
// queue group.
func (w *work) choose(e *entry) {
	if len(e.queues) == 0 {
		w.picks = e.groups
		return
	}
	w.chosen = append(w.chosen[:0], e.groups...)
	for _, members := range e.queues {
		if g := pick(members); g != nil {
			w.chosen = append(w.chosen, g)
		}
	}
	w.picks = w.chosen
}

// pick chooses a member of a queue group at random, all with the same chance. Members that have had
// their fill but are not yet gone are passed over.
func pick(members []*group) *group {
	n := len(members)
	first := 0
	if n > 1 {
		first = rand.IntN(n)
	}
	for i := range n {
		g := members[(first+i)%n]
		if !g.subs[0].full() {
			return g
		}
	}
	return nil
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
