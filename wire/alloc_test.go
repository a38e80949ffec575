package wire_test

import (
	"testing"

	"shoal/wire"
)

// Parsing and appending are the inner loop of the broker: whatever they allocate is garbage once
// per message.
func TestNothingIsAllocated(t *testing.T) {
	for _, c := range []struct {
		p  wire.Parser
		in string
	}{
		{client, "PUB foo.bar 16\r\n0123456789abcdef\r\n"},
		{client, "PUB foo.bar _INBOX.x 16\r\n0123456789abcdef\r\n"},
		{client, "pub foo.bar _INBOX.x 16\r\n0123456789abcdef\r\n"},
		{client, "HPUB foo.bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
		{client, "SUB foo.* workers 17\r\n"},
		{client, "UNSUB 17 3\r\n"},
		{client, "PING\r\n"},
		{route, "RMSG $G foo.bar 16\r\n0123456789abcdef\r\n"},
		{route, "RMSG $G foo.bar + r q1 q2 q3 q4 16\r\n0123456789abcdef\r\n"},
		{route, "HMSG $G foo.bar | q 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
		{route, "RS+ $G foo.bar q 3\r\n"},
		{server, "MSG foo.bar 17 16\r\n0123456789abcdef\r\n"},
		{server, "HMSG foo.bar 17 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
	} {
		in := []byte(c.in)
		p := c.p
		if n, err := p.Next(in); n != len(in) || err != nil {
			t.Fatalf("%q: %d, %v", in, n, err)
		}
		if allocs := testing.AllocsPerRun(100, func() {
			// In two pieces, and whole.
			_, _ = p.Next(in[:len(in)-1])
			_, _ = p.Next(in)
			_, _ = p.Next(in)
		}); allocs != 0 {
			t.Errorf("%q: %v allocations in Next", in, allocs)
		}
		buf := make([]byte, 0, 2*len(in))
		if allocs := testing.AllocsPerRun(100, func() { buf = p.Op.Append(buf[:0]) }); allocs != 0 {
			t.Errorf("%q: %v allocations in Append", in, allocs)
		}
	}
	buf := make([]byte, 0, 100)
	if allocs := testing.AllocsPerRun(100, func() { buf = wire.AppendErr(buf[:0], wire.TextStale) }); allocs != 0 {
		t.Errorf("%v allocations in AppendErr", allocs)
	}
}
