package wire_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"shoal/wire"
)

// transcripts are all tables.
var transcripts = slices.Concat(
	clientTranscripts, clientLineTranscripts, clientErrorTranscripts,
	routeTranscripts, routeMessageTranscripts, serverTranscripts, limitTranscripts(),
)

func TestTranscripts(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range transcripts {
		if seen[c.name] {
			t.Errorf("two transcripts are called %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := []byte(c.in)
			whole := replay(t, c.p, in, nil)
			checkError(t, whole.err, c.err)
			if !slices.Equal(whole.ops, c.ops) {
				t.Fatalf("operations\n%q\nwant\n%q", whole.ops, c.ops)
			}
			if whole.err == nil && whole.left != c.left {
				t.Fatalf("%d bytes left, want %d", whole.left, c.left)
			}
			bytewise := replay(t, c.p, in, fineCuts(len(in)))
			sameOutcome(t, "byte by byte", whole, bytewise)
			r := rand.New(rand.NewPCG(1, uint64(len(in))))
			for range 20 {
				cuts := randomCuts(r, len(in))
				sameOutcome(t, "split", whole, replay(t, c.p, in, cuts))
			}
			if !bytes.Equal(in, []byte(c.in)) {
				t.Fatal("the parser wrote to its input")
			}
		})
	}
}

// An operation must be found as soon as its last byte is there: a server that waits for one more
// answers nobody.
func TestNothingIsLate(t *testing.T) {
	for _, c := range transcripts {
		in := []byte(c.in)
		p := c.p
		pos := 0
		for _, end := range append(fineCuts(len(in)), len(in)) {
			n, err := p.Next(in[pos:end])
			if err != nil {
				break
			}
			if n != 0 && n != end-pos {
				t.Fatalf("%s: operation of %d bytes found only when %d were there", c.name, n, end-pos)
			}
			pos += n
		}
	}
}

func TestLongLinesByteByByte(t *testing.T) {
	long := strings.Repeat(" ", 64<<10)
	for _, c := range []struct {
		p       wire.Parser
		in, end string
	}{
		{client, "PING" + long, "\n"},
		{client, "PUB" + long, "a 1\r\nx\r\n"},
		{route, "RMSG" + long, "$G a 1\r\nx\r\n"},
		{route, "RS+ $G" + long[:65000] + "a", "\r\n"},
		{server, "INFO {\"x\":" + long + long, "1}\r\n"},
	} {
		in := []byte(c.in + c.end)
		got := replay(t, c.p, in, everyByte(len(in)))
		if got.err != nil || len(got.ops) != 1 || got.left != 0 {
			t.Errorf("%.10q: error %v, %d operations, %d left", in, got.err, len(got.ops), got.left)
		}
		got = replay(t, c.p, []byte(c.in+" "), everyByte(len(c.in)+1))
		if wantErr := c.p.Role == wire.FromClient || strings.HasPrefix(c.in, "RMSG"); (got.err != nil) != wantErr {
			t.Errorf("%.10q and a blank more: %v", in, got.err)
		}
	}
}

// What lies behind the input must not matter: it is what an earlier read has left there.
func TestNothingBehindInputIsRead(t *testing.T) {
	poisons := []string{"", "\n", "\r\n", "\r\n\r\n", "1\r\n", " 1\r\nx\r\n", "x", "PING\r\n", "\x00"}
	for _, c := range transcripts {
		if len(c.in) > 4096 {
			continue // the limits have transcripts with short twins
		}
		var first outcome
		for i, poison := range poisons {
			got := prefixes(t, c.p, c.in, poison)
			if i == 0 {
				first = got
				continue
			}
			sameOutcome(t, c.name, first, got)
			if first.at != got.at {
				t.Fatalf("%s: error after %d instead of %d bytes", c.name, got.at, first.at)
			}
		}
	}
}

// prefixes replays in byte by byte, each time from a fresh array in which poison follows.
func prefixes(t *testing.T, p wire.Parser, in, poison string) (got outcome) {
	pos := 0
	for end := 1; end <= len(in); end++ {
		b := append([]byte(in[pos:end]), poison...)[:end-pos]
		n, err := p.Next(b)
		if err != nil {
			got.err, got.at = err, end
			return got
		}
		if n > len(b) {
			t.Fatalf("Next = %d for %d bytes", n, len(b))
		}
		if n > 0 {
			pos += n
			got.ops = append(got.ops, show(&p.Op))
			got.ends = append(got.ends, pos)
		}
	}
	got.left = len(in) - pos
	return got
}

// The parser remembers what it has seen of an incomplete operation; nothing of that may leak into
// the next one.
func TestParserIsReusable(t *testing.T) {
	byConfig := map[string][]transcript{}
	for _, c := range transcripts {
		if c.err == "" && c.left == 0 && c.p.MaxControlLine == 0 && c.p.MaxPayload == 0 && len(c.in) < 1000 {
			key := string(c.p.DedicatedAccount) + string(rune('0'+c.p.Role))
			if c.p.Headers || c.p.Role != wire.FromClient {
				byConfig[key] = append(byConfig[key], c)
			}
		}
	}
	r := rand.New(rand.NewPCG(2, 3))
	for _, cases := range byConfig {
		for range 50 {
			var in []byte
			var want []string
			for range 20 {
				c := cases[r.IntN(len(cases))]
				in = append(in, c.in...)
				want = append(want, c.ops...)
			}
			for _, cuts := range [][]int{nil, randomCuts(r, len(in)), randomCuts(r, len(in))} {
				got := replay(t, cases[0].p, in, cuts)
				if got.err != nil || got.left != 0 || !slices.Equal(got.ops, want) {
					t.Fatalf("%q: error %v, %d left, operations\n%q\nwant\n%q", in, got.err, got.left, got.ops, want)
				}
			}
		}
	}
}

// After Reset, whatever was incomplete must not colour the next stream.
func TestReset(t *testing.T) {
	for _, partial := range []string{"PUB   a 10\r\nxyz", "PING", "HPUB a", "CONNECT   ", "SUB \n"} {
		for _, in := range []string{"PUB b 1\r\nx\r\n", "SUB a 1\r\n", "PING\r\n", "hpub a 0 0\r\n\r\n"} {
			p := client
			if n, err := p.Next([]byte(partial)); n != 0 || err != nil {
				t.Fatalf("%q: Next = %d, %v", partial, n, err)
			}
			p.Reset()
			fresh := replay(t, client, []byte(in), nil)
			sameOutcome(t, partial+" and "+in, fresh, replay(t, p, []byte(in), nil))
			if len(fresh.ops) != 1 {
				t.Errorf("%q: %q", in, fresh.ops)
			}
		}
	}
}
