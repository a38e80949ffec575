package loadtest

import (
	"sync/atomic"

	"shoal/wire"
)

// responder is the handler of who answers requests, with what they say.
type responder struct {
	conn *conn
	from *atomic.Int64
	out  []byte
	n    uint64 // requests in the batch at hand
	now  int64

	// Results, to be read when the reader has ended.
	answered uint64
	last     int64
}

func (r *responder) begin(now int64) { r.now = now }

func (r *responder) message(op *wire.Op) {
	if len(op.Reply) == 0 {
		return
	}
	reply := wire.Op{Verb: wire.Pub, Subject: op.Reply, Payload: op.Payload[op.HeaderLen:]}
	r.out = reply.Append(r.out)
	r.n++
}

func (r *responder) end() error {
	if r.n == 0 {
		return nil
	}
	if r.now >= r.from.Load() {
		r.answered += r.n
		r.last = r.now
	}
	err := r.conn.write(r.out)
	r.out, r.n = r.out[:0], 0
	if err != nil {
		return r.conn.lost(err)
	}
	return nil
}
