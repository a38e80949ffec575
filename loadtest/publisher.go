package loadtest

import (
	"context"
	"strings"
	"sync/atomic"

	"shoal/wire"
)

// batchBytes is when a publisher stops adding to a batch and writes it.
const batchBytes = 32 << 10

// publisher sends messages, or requests.
type publisher struct {
	index  int
	run    *run
	conn   *conn
	credit *credit
	forms  []form // one for each subject
	quota  uint64 // how many messages to send after the warm-up; 0 for as many as there is time for

	seq       uint64        // number of the next message
	attempted atomic.Uint64 // messages that were or are being written
	written   atomic.Uint64
	slept     waiting
	late      *recorder
	buf       []byte

	// Results, to be read when the publisher has ended.
	warm  bool   // whether the warm-up is over
	first uint64 // number of the first message that counts
	ended int64  // when the last message was sent
}

// form is a message without its stamps.
type form struct {
	text []byte
	// Where the stamps go; below 0 if there is none.
	payload, token int
}

// newForm renders a message to subject with size bytes of payload. With an inbox it asks for a
// reply there.
func newForm(subject, inbox string, size int) form {
	op := wire.Op{Verb: wire.Pub, Subject: []byte(subject), Payload: filler(size)}
	f := form{payload: -1, token: -1}
	if inbox != "" {
		op.Reply = []byte(inbox + strings.Repeat("0", tokenSize))
		f.token = len(wire.Pub.String()+" "+subject+" ") + len(inbox)
	}
	f.text = op.Append(nil)
	if size >= stampSize {
		f.payload = len(f.text) - len(wire.CRLF) - size
	}
	return f
}

// filler returns text that neither is empty nor compresses to nothing.
func filler(size int) []byte {
	b := make([]byte, size)
	state := uint32(1)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = 'a' + byte(state>>24)%26
	}
	return b
}

// append renders a message with a stamp.
func (f *form) append(b []byte, s stamp, mark uint16) []byte {
	at := len(b)
	b = append(b, f.text...)
	if f.payload >= 0 {
		s.put(b[at+f.payload:], mark)
	}
	if f.token >= 0 {
		s.putToken(b[at+f.token:], mark)
	}
	return b
}

// add renders the next message.
func (p *publisher) add(at int64) {
	f := &p.forms[0]
	if len(p.forms) > 1 {
		f = &p.forms[p.seq%uint64(len(p.forms))]
	}
	p.buf = f.append(p.buf, stamp{p.index, p.seq, at}, p.run.mark)
	p.seq++
}

// greet sends a greeting to the last subject, which the receivers subscribed to last.
func (p *publisher) greet() error {
	b := p.forms[len(p.forms)-1].append(nil, stamp{p.index, greeting, p.run.clock.now()}, p.run.mark)
	if err := p.conn.write(b); err != nil {
		return p.conn.lost(err)
	}
	return nil
}

// publish sends messages until the run is over or ctx ends.
func (p *publisher) publish(ctx context.Context) error {
	send := p.flood
	if p.run.config.Rate > 0 {
		send = p.pace
	}
	if err := send(ctx); err != nil {
		return err
	}
	if len(p.credit.ledgers) == 0 {
		// Nobody else would tell when the server has taken everything.
		if err := p.confirm(); err != nil {
			return err
		}
		p.ended = p.run.clock.now()
	}
	return nil
}

// flood sends as fast as the receivers receive.
func (p *publisher) flood(ctx context.Context) error {
	// A publisher that goes on for every single message that has arrived would write single
	// messages. Requests are to be so many at any time, however.
	least := uint64(1)
	if p.run.config.Mode != Request {
		least = max(1, p.credit.window/4)
	}
	for {
		allowed := p.credit.take(ctx, p.seq, least)
		now := p.run.clock.now()
		allowed = min(allowed, p.left(now))
		if allowed == 0 {
			return nil
		}
		for end := p.seq + allowed; p.seq < end && len(p.buf) < batchBytes; {
			p.add(now)
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
}

// pace sends each message at its time, or as soon after it as possible. A message that is late
// carries the time when it was due: whoever waits for it does not care why it is late.
func (p *publisher) pace(ctx context.Context) error {
	for n := 0; ; {
		due := p.run.due(n, p.index)
		if p.left(due) == 0 || !p.sleep(ctx, due) {
			return nil
		}
		now := p.run.clock.now()
		for due <= now && len(p.buf) < batchBytes && p.left(due) > 0 {
			p.add(due)
			if p.warm {
				p.late.add(now - due)
			}
			n++
			due = p.run.due(n, p.index)
		}
		p.late.flush()
		if err := p.flush(); err != nil {
			return err
		}
	}
}

// left returns how many messages are still to be sent at a time.
func (p *publisher) left(at int64) uint64 {
	if at < p.run.from.Load() {
		return maxAhead
	}
	if !p.warm {
		p.warm, p.first = true, p.seq
	}
	switch {
	case p.quota > 0:
		return p.first + p.quota - p.seq
	case at < p.run.until:
		return maxAhead
	}
	return 0
}

// flush writes the batch.
func (p *publisher) flush() error {
	p.attempted.Store(p.seq)
	if err := p.conn.write(p.buf); err != nil {
		return p.conn.lost(err)
	}
	p.buf = p.buf[:0]
	p.written.Store(p.seq)
	p.ended = p.run.clock.now()
	return nil
}

// confirm waits until the server has handled everything. The end of the connection ends it, too.
func (p *publisher) confirm() error {
	p.attempted.Store(p.seq + 1) // what is under way is not only in the hands of the system
	defer func() { p.attempted.Store(p.seq) }()
	if err := p.conn.write([]byte(wire.PingLine)); err != nil {
		return p.conn.lost(err)
	}
	select {
	case <-p.conn.pongs:
	case <-p.run.over:
	}
	return nil
}

// measured returns how many messages count.
func (p *publisher) measured() uint64 {
	if !p.warm {
		return 0
	}
	return p.seq - p.first
}
