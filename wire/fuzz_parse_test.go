package wire_test

import (
	"math/rand/v2"
	"testing"

	"shoal/wire"
)

// Bits of the second argument of the parser's fuzz targets.
const (
	fuzzHeaders   = 1 << iota // the client may use HPUB
	fuzzDedicated             // the route carries one account
	fuzzShortLine             // lines of 24 bytes are the limit
	fuzzSmall                 // messages of 8 bytes are the limit
)

func fuzzParser(role wire.Role, config uint8) wire.Parser {
	p := wire.Parser{Role: role, Headers: config&fuzzHeaders != 0}
	if role == wire.FromRoute && config&fuzzDedicated != 0 {
		p.DedicatedAccount = []byte("ACC")
	}
	if config&fuzzShortLine != 0 {
		p.MaxControlLine = 24
	}
	if config&fuzzSmall != 0 {
		p.MaxPayload = 8
	}
	return p
}

func FuzzClient(f *testing.F) { fuzzStream(f, wire.FromClient) }

func FuzzRoute(f *testing.F) { fuzzStream(f, wire.FromRoute) }

func FuzzServer(f *testing.F) { fuzzStream(f, wire.FromServer) }

// fuzzStream holds the parser to what must be true of any input: it is understood in the same way
// however it is cut and however its verbs are written, and what is understood can be written and
// understood again.
func fuzzStream(f *testing.F, role wire.Role) {
	f.Fuzz(func(t *testing.T, in []byte, config uint8, seed uint64) {
		if len(in) > 4096 {
			return // nothing but slower
		}
		p := fuzzParser(role, config)
		whole := replay(t, p, in, nil)
		sameOutcome(t, "byte by byte", whole, replay(t, p, in, everyByte(len(in))))
		r := rand.New(rand.NewPCG(seed, 0))
		sameOutcome(t, "split", whole, replay(t, p, in, randomCuts(r, len(in))))
		sameOutcome(t, "slow path", whole, replay(t, p, lowerVerbs(in, whole.ends), nil))
		rewrite(t, p, in)
	})
}

// lowerVerbs changes the case of the first letter of each operation, which the fast paths of the
// parser do not recognise then.
func lowerVerbs(in []byte, ends []int) []byte {
	out := append([]byte(nil), in...)
	for _, start := range append([]int{0}, ends...) {
		if start < len(out) && (out[start] == 'P' || out[start] == 'R') {
			out[start] += 'a' - 'A'
		}
	}
	return out
}

// rewrite appends every operation of in and reads it again: it must be the same, and written in the
// same way a second time.
func rewrite(t *testing.T, p wire.Parser, in []byte) {
	reader := wire.Parser{Role: p.Role, Headers: true, DedicatedAccount: p.DedicatedAccount}
	for len(in) > 0 {
		n, err := p.Next(in)
		if n == 0 || err != nil {
			return
		}
		in = in[n:]
		op := p.Op
		first, line := canonical(op), appendOp(&p, op)
		if n, err := reader.Next(line); n != len(line) || err != nil {
			t.Fatalf("%s is written as %q and read as %d, %v", first, line, n, err)
		}
		if second := canonical(reader.Op); second != first {
			t.Fatalf("%s is written as %q and read as %s", first, line, second)
		}
		if again := appendOp(&p, reader.Op); string(again) != string(line) {
			t.Fatalf("%q is written as %q the second time", line, again)
		}
	}
}

// canonical renders an operation without what depends on how it was written.
func canonical(op wire.Op) string {
	op.Tail = nil
	return show(&op)
}

// appendOp writes an operation as the peer of p would.
func appendOp(p *wire.Parser, op wire.Op) []byte {
	if p.DedicatedAccount != nil {
		op.Account = nil
	}
	return op.Append(nil)
}
