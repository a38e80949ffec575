package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"shoal/wire"
)

// Parsers as the tables name them; each case works on a copy.
var (
	client    = wire.Parser{Role: wire.FromClient, Headers: true}
	route     = wire.Parser{Role: wire.FromRoute}
	dedicated = wire.Parser{Role: wire.FromRoute, DedicatedAccount: []byte("ACC")}
	server    = wire.Parser{Role: wire.FromServer}
)

// transcript is what one side of a connection writes and what must be understood of it.
type transcript struct {
	name string
	p    wire.Parser
	in   string
	ops  []string // as show renders them
	err  string   // a text of -ERR, or, for a silent close, a part of the reason
	left int      // bytes of an incomplete operation at the end of in
}

// outcome is what a parser made of a stream of bytes.
type outcome struct {
	ops  []string
	ends []int // where in the stream each operation ends
	err  error
	at   int // how much of the stream had arrived when the error was found
	left int
}

// replay feeds in to a copy of p as a connection would, with more bytes at each of the cuts, and
// holds the parser to the contract of Next and Want on the way.
func replay(t testing.TB, p wire.Parser, in []byte, cuts []int) (got outcome) {
	t.Helper()
	pos := 0
	for _, end := range append(slices.Clone(cuts), len(in)) {
		for pos < end {
			// Without spare capacity, whoever reads behind the input panics.
			b := in[pos:end:end]
			before := p.Want()
			n, err := p.Next(b)
			want := p.Want()
			switch {
			case err != nil:
				if n != 0 {
					t.Fatalf("Next = %d with error %v", n, err)
				}
				got.err, got.at = err, end
				return got
			case n < 0 || n > len(b):
				t.Fatalf("Next = %d for %d bytes", n, len(b))
			case n > 0 && (want != 0 || before != 0 && before != n):
				t.Fatalf("Next = %d, Want before %d, after %d", n, before, want)
			case n == 0 && want != 0 && want <= len(b):
				t.Fatalf("Next wants %d bytes and more, but has %d", want, len(b))
			}
			if n == 0 {
				break
			}
			pos += n
			got.ops = append(got.ops, show(&p.Op))
			got.ends = append(got.ends, pos)
		}
	}
	got.left = len(in) - pos
	return got
}

// everyByte cuts n bytes into pieces of one.
func everyByte(n int) []int {
	cuts := make([]int, n)
	for i := range cuts {
		cuts[i] = i
	}
	return cuts
}

// fineCuts is everyByte, but of a very long line it cuts the middle into larger pieces, to save
// time; TestLongLinesByteByByte goes the whole way with a few.
func fineCuts(n int) (cuts []int) {
	const long, edge, piece = 3 * wire.DefaultMaxControlLine, 300, 97
	for i := 0; i < n; i++ {
		if n > long && i > edge && i < n-edge-piece {
			i += piece
		}
		cuts = append(cuts, i)
	}
	return cuts
}

// randomCuts cuts n bytes into a few pieces.
func randomCuts(r *rand.Rand, n int) []int {
	cuts := make([]int, r.IntN(6))
	for i := range cuts {
		cuts[i] = r.IntN(n + 1)
	}
	slices.Sort(cuts)
	return cuts
}

// sameOutcome fails unless both replays understood the same.
func sameOutcome(t testing.TB, what string, a, b outcome) {
	t.Helper()
	if !slices.Equal(a.ops, b.ops) || !slices.Equal(a.ends, b.ends) {
		t.Fatalf("%s: other operations\n%s\ninstead of\n%s", what,
			strings.Join(b.ops, "\n"), strings.Join(a.ops, "\n"))
	}
	if !sameError(a.err, b.err) {
		t.Fatalf("%s: error %q instead of %q", what, b.err, a.err)
	}
	if a.err == nil && a.left != b.left {
		t.Fatalf("%s: %d bytes left instead of %d", what, b.left, a.left)
	}
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var x, y *wire.Error
	return errors.As(a, &x) && errors.As(b, &y) && *x == *y
}

// checkError compares an error with the err of a transcript.
func checkError(t testing.TB, err error, want string) {
	t.Helper()
	var e *wire.Error
	switch {
	case want == "" && err == nil:
	case !errors.As(err, &e):
		t.Fatalf("error %v, want %q", err, want)
	case e.Error() == "":
		t.Fatal("error says nothing")
	case e.Reply == want && want != "":
	case e.Reply != "" || want == "" || !strings.Contains(e.Reason, want):
		t.Fatalf("error %#v, want %q", e, want)
	}
}

// show renders every field of an operation that is set; for a verb whose arguments have fields of
// their own it leaves out Arg.
func show(o *wire.Op) string {
	s := []byte(o.Verb.String())
	if o.Verb == wire.RHMsg {
		s = []byte("RHMSG") // to tell it from the HMSG that a client gets
	}
	field := func(name string, v []byte) {
		if v != nil {
			s = append(append(s, ' '), name...)
			s = strconv.AppendQuote(append(s, '='), string(v))
		}
	}
	number := func(name string, n int) {
		if n != 0 {
			s = fmt.Appendf(s, " %s=%d", name, n)
		}
	}
	switch o.Verb {
	case wire.Info, wire.Connect, wire.Err, wire.Account, wire.Ping, wire.Pong, wire.OK:
		field("arg", o.Arg)
	}
	field("origin", o.Origin)
	field("acct", o.Account)
	field("subj", o.Subject)
	field("reply", o.Reply)
	field("sid", o.SID)
	field("q", o.Queue)
	if o.Queues != nil {
		field("qs", bytes.Join(o.Queues, []byte(" ")))
	}
	number("max", o.Max)
	field("size", o.SizeText)
	number("hdr", o.HeaderLen)
	field("pay", o.Payload)
	field("tail", o.Tail)
	return string(s)
}

// list makes the ops of a transcript.
func list(ops ...string) []string { return ops }

// limit returns p with limits, where 0 is the default.
func limit(p wire.Parser, line, payload int) wire.Parser {
	p.MaxControlLine, p.MaxPayload = line, payload
	return p
}
