package loadtest

import (
	"bytes"
	"sync/atomic"

	"shoal/wire"
)

// receiver is the handler of who gets messages: a subscriber, or a requester with its replies. It
// checks and measures them.
type receiver struct {
	run    uint16
	read   func(op *wire.Op, run uint16) (stamp, bool)
	ledger *ledger
	// from is when the measurement begins; what was sent before does not count.
	from      *atomic.Int64
	latencies *recorder

	// What the batch at hand has, and when it arrived.
	now  int64
	warm int64
	keys []uint64
	late []uint64 // the keys of those behind others with higher numbers

	next []uint64 // for each publisher, the lowest number that is not out of order

	// Results, to be read when the reader has ended.
	measured uint64 // messages that count
	last     int64  // when the last of them came
	foreign  uint64
}

func newReceiver(r *run, index int, l *ledger, read func(*wire.Op, uint16) (stamp, bool)) *receiver {
	return &receiver{run: r.mark, read: read, ledger: l, from: &r.from,
		latencies: r.latencies.recorder(index), next: make([]uint64, len(l.arrived))}
}

// payloadStamp reads the stamp of a published message.
func payloadStamp(op *wire.Op, run uint16) (stamp, bool) {
	return readStamp(op.Payload[op.HeaderLen:], run)
}

// subjectStamp reads the stamp of a reply, which its subject carries: the payload is the service's.
func subjectStamp(op *wire.Op, run uint16) (stamp, bool) { return readToken(op.Subject, run) }

func (r *receiver) begin(now int64) { r.now, r.warm = now, r.from.Load() }

func (r *receiver) message(op *wire.Op) {
	s, ok := r.read(op, r.run)
	switch {
	case !ok || !r.ledger.covers(s.publisher):
		r.foreign++
		return
	case op.HeaderLen > 0 && bytes.HasPrefix(op.Payload, noResponders):
		r.ledger.refused.Store(true)
		return
	case s.seq == greeting:
		r.ledger.greet(s.publisher)
		return
	}
	next := &r.next[s.publisher-r.ledger.first]
	if s.seq >= *next {
		*next = s.seq + 1
		r.keys = append(r.keys, s.key())
	} else {
		r.late = append(r.late, s.key())
	}
	if s.at >= r.warm {
		r.measured++
		r.last = r.now
		r.latencies.add(r.now - s.at)
	}
}

var noResponders = []byte("NATS/1.0 503")

func (r *receiver) end() error {
	r.ledger.add(r.keys, r.late)
	r.keys, r.late = r.keys[:0], r.late[:0]
	r.latencies.flush()
	return nil
}
