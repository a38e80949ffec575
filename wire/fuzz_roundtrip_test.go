package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"shoal/wire"
)

// opSource makes an operation of the bytes that the fuzzer has chosen.
type opSource struct{ data []byte }

func (s *opSource) number(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	x := int(s.data[0])
	s.data = s.data[1:]
	return x % n
}

// bytes returns up to n bytes as they are.
func (s *opSource) bytes(n int) []byte {
	n = min(s.number(n+1), len(s.data))
	b := s.data[:n:n]
	s.data = s.data[n:]
	return bytes.Clone(b)
}

// token returns 1 to 8 bytes that may stand in a line.
func (s *opSource) token() []byte {
	b := append([]byte("t"), s.bytes(8)...)
	if len(b) > 1 {
		b = b[1:]
	}
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n':
			b[i] = c + 'A'
		}
	}
	return b
}

func (s *opSource) optional() []byte {
	if s.number(2) == 0 {
		return nil
	}
	return s.token()
}

func (s *opSource) message(op *wire.Op) {
	op.Payload = append([]byte{}, s.bytes(40)...)
	op.SizeText = fmt.Appendf(nil, "%0*d", 1+s.number(9), len(op.Payload))
	op.Reply = s.optional()
	if op.HasHeaders() {
		op.HeaderLen = s.number(len(op.Payload) + 1)
	}
}

func (s *opSource) routed(op *wire.Op) {
	for range s.number(4) {
		op.Queues = append(op.Queues, s.token())
	}
}

// op returns an operation as a correct peer may send it, and who that is.
func (s *opSource) op() (op wire.Op, role wire.Role) {
	verbs := []struct {
		verb wire.Verb
		role wire.Role
	}{
		{wire.Pub, wire.FromClient}, {wire.HPub, wire.FromClient}, {wire.Sub, wire.FromClient}, {wire.Unsub, wire.FromClient},
		{wire.Msg, wire.FromServer}, {wire.HMsg, wire.FromServer},
		{wire.RSub, wire.FromRoute}, {wire.RUnsub, wire.FromRoute}, {wire.LSub, wire.FromRoute}, {wire.LUnsub, wire.FromRoute},
		{wire.RMsg, wire.FromRoute}, {wire.RHMsg, wire.FromRoute}, {wire.LMsg, wire.FromRoute},
		{wire.Ping, wire.FromClient}, {wire.Pong, wire.FromRoute}, {wire.OK, wire.FromServer},
		{wire.Err, wire.FromServer}, {wire.Info, wire.FromServer}, {wire.Connect, wire.FromRoute},
	}
	choice := verbs[s.number(len(verbs))]
	op.Verb = choice.verb
	switch op.Verb {
	case wire.Pub, wire.HPub:
		op.Subject = s.token()
		s.message(&op)
	case wire.Msg, wire.HMsg:
		op.Subject, op.SID = s.token(), s.token()
		s.message(&op)
	case wire.RMsg, wire.RHMsg, wire.LMsg:
		op.Account, op.Subject = s.token(), s.token()
		if op.Verb == wire.LMsg {
			op.Origin = s.token()
		}
		s.message(&op)
		s.routed(&op)
	case wire.Sub:
		op.Subject, op.SID, op.Queue = s.token(), s.token(), s.optional()
	case wire.Unsub:
		op.SID, op.Max = s.token(), s.number(256)
	case wire.RSub, wire.RUnsub, wire.LSub, wire.LUnsub:
		op.Account, op.Subject, op.Queue = s.token(), s.token(), s.optional()
		if op.Verb == wire.LSub || op.Verb == wire.LUnsub {
			op.Origin = s.token()
		}
		if op.Queue != nil && (op.Verb == wire.RSub || op.Verb == wire.LSub) {
			op.Max = 1 + s.number(255)
		}
	case wire.Err, wire.Info, wire.Connect:
		op.Arg = s.token()
	}
	return op, choice.role
}

// FuzzRoundTrip writes operations and reads them back, alone and one behind the other.
func FuzzRoundTrip(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &opSource{data}
		streams := map[wire.Role][]byte{}
		want := map[wire.Role][]string{}
		for range 8 {
			op, role := s.op()
			line := op.Append(nil)
			p := wire.Parser{Role: role, Headers: true}
			if n, err := p.Next(line); n != len(line) || err != nil {
				t.Fatalf("%s is written as %q and read as %d, %v", show(&op), line, n, err)
			}
			checkTail(t, &p.Op, line)
			if got := canonical(p.Op); got != show(&op) {
				t.Fatalf("%s is written as %q and read as %s", show(&op), line, got)
			}
			streams[role] = append(streams[role], line...)
			want[role] = append(want[role], show(&p.Op))
		}
		for role, stream := range streams {
			p := wire.Parser{Role: role, Headers: true}
			got := replay(t, p, stream, nil)
			if got.err != nil || got.left != 0 || fmt.Sprint(got.ops) != fmt.Sprint(want[role]) {
				t.Fatalf("%q is read as %q, %v, and %d bytes left", stream, got.ops, got.err, got.left)
			}
		}
	})
}

// checkTail compares the tail of an operation that Append has written with the end of its line.
func checkTail(t *testing.T, op *wire.Op, line []byte) {
	hasTail := op.Payload != nil && len(op.Queues) == 0
	if hasTail != (op.Tail != nil) || !bytes.HasSuffix(line, op.Tail) {
		t.Fatalf("%q has tail %q", line, op.Tail)
	}
	if !hasTail {
		return
	}
	prefix := wire.Op{Verb: op.Verb, Origin: op.Origin, Account: op.Account, Subject: op.Subject, SID: op.SID}
	for _, token := range [][]byte{[]byte(op.Verb.String()), prefix.Origin, prefix.Account, prefix.Subject, prefix.SID} {
		if token != nil {
			line = line[len(token)+1:]
		}
	}
	if !bytes.Equal(line, op.Tail) {
		t.Fatalf("tail %q, want %q", op.Tail, line)
	}
}
