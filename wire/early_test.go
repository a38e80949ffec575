package wire_test

import (
	"strings"
	"testing"

	"shoal/wire"
)

// earlyErrors end with the byte that makes the error certain, whatever may follow.
var earlyErrors = []struct {
	p  wire.Parser
	in string
}{
	{client, " "}, {client, "\r"}, {client, "\n"}, {client, "\x00"}, {client, "Z"},
	{client, "M"}, {client, "R"}, {client, "L"}, {client, "A"}, {client, "G"}, {client, "HM"},
	{client, "PA"}, {client, "PINX"}, {client, "PUBX"}, {client, "PUB\r"}, {client, "SUBS"}, {client, "-ERR\r"},
	{client, "+OX"}, {client, "CONNECX"}, {client, "HPUB\n"}, {client, "UNSUB\x00"},
	{route, "M"}, {route, "S"}, {route, "H "}, {route, "HP"}, {route, "RS "}, {route, "RS+\r"}, {route, "LS*"},
	{route, "A "}, {route, "A++"}, {route, "A-\n"}, {route, "PU"}, {route, "RMSG\n"},
	{server, "C"}, {server, "S"}, {server, "R"}, {server, "HP"}, {server, "MSG\r"},
	{client, "PUB a b c 2\r\n"}, {client, "PUB a 0000000002\n"}, {client, "SUB a\r\n"}, {client, "UNSUB \r\n"},
	{client, "HPUB a 3 2\r\n"}, {wire.Parser{}, "HPUB a 0 2\r\n"}, {limit(client, 0, 1), "PUB a 2\r\n"},
	{client, "PUB a 2\r\nhi\n"}, {client, "PUB a 2\r\nhi!"}, {client, "PUB a 2\r\nhi\r\r"}, {client, "PUB a 0\r\nP"},
	{limit(client, 8, 0), "SUB 123456789"}, {limit(client, 8, 0), "SUB 12345678\rx"}, {limit(client, 8, 0), "SUB 12345678\r\r"},
}

func TestErrorsAreEarly(t *testing.T) {
	for _, c := range earlyErrors {
		got := replay(t, c.p, []byte(c.in), everyByte(len(c.in)))
		if got.err == nil || got.at != len(c.in) {
			t.Errorf("%q: error %v after %d bytes", c.in, got.err, got.at)
		}
	}
}

// verbForms are the legal beginnings of a line, with a blank for one that must follow.
var verbForms = map[wire.Role][]string{
	wire.FromClient: {"PUB ", "HPUB ", "SUB ", "UNSUB ", "PING", "PONG", "CONNECT", "INFO", "+OK", "-ERR "},
	wire.FromRoute: {"RMSG ", "HMSG ", "LMSG ", "RS+ ", "RS- ", "LS+ ", "LS- ", "A+ ", "A- ",
		"PING", "PONG", "CONNECT", "INFO", "+OK", "-ERR "},
	wire.FromServer: {"MSG ", "HMSG ", "PING", "PONG", "INFO", "+OK", "-ERR "},
}

// Every byte behind every beginning of a verb is either wrong at once or may still become right.
func TestVerbByteByByte(t *testing.T) {
	for role, forms := range verbForms {
		for _, form := range forms {
			for n := range len(form) {
				for c := range 256 {
					in := form[:n] + string([]byte{byte(c)})
					if n%2 == 1 {
						in = strings.ToLower(in[:n]) + in[n:]
					}
					p := wire.Parser{Role: role}
					got, err := p.Next([]byte(in))
					if wantErr := !mayBegin(forms, in); got != 0 || (err != nil) != wantErr {
						t.Fatalf("role %d, %q: Next = %d, %v; error expected: %v", role, in, got, err, wantErr)
					}
				}
			}
		}
	}
}

// mayBegin says whether a line may begin with in, which is no longer than any form that it holds.
func mayBegin(forms []string, in string) bool {
	in = strings.ReplaceAll(in, "\t", " ")
	for _, form := range forms {
		k := min(len(in), len(form))
		if asciiUpper(in[:k]) == form[:k] {
			return true
		}
	}
	return false
}

// asciiUpper leaves alone what is no ASCII letter, unlike [strings.ToUpper].
func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 32
		}
	}
	return string(b)
}

func TestWant(t *testing.T) {
	for _, c := range []struct {
		p    wire.Parser
		in   string
		want int
	}{
		{client, "", 0},
		{client, "PUB a 5\r", 0},
		{client, "PUB a 5\r\n", 16},
		{client, "pub \t a  5 \n12", 19},
		{client, "PUB a 5\r\n12345\r", 16},
		{client, "HPUB a r 2 0005\r\n", 24},
		{client, "PUB a 999999999\r\n", 17 + 999999999 + 2},
		{client, "PING", 0},
		{route, "RMSG $G a | q 5\r\n123", 24},
		{server, "MSG a 1 5\r\n123", 18},
	} {
		p := c.p
		if n, err := p.Next([]byte(c.in)); n != 0 || err != nil || p.Want() != c.want {
			t.Errorf("%q: Next = %d, %v, Want = %d; want %d", c.in, n, err, p.Want(), c.want)
		}
	}
}

// Arg must be the arguments without the blanks in front and the line end.
func TestArg(t *testing.T) {
	for _, c := range []struct {
		p        wire.Parser
		in, want string
	}{
		{client, "PUB a r 2\r\nhi\r\n", "a r 2"},
		{client, "PUB \t a  2 \nhi\r\n", "a  2 "},
		{client, "HPUB a 1 2\r\nhi\r\n", "a 1 2"},
		{client, "SUB a\r1 \r\n", "a\r1 "},
		{client, "UNSUB 1 2\n", "1 2"},
		{client, "-ERR 'x' \r\n", "'x' "},
		{client, "CONNECT {} \t\r\n", "{}"},
		{route, "RMSG $G a | q 1\r\nx\r\n", "$G a | q 1"},
		{route, "RMSG $G a 1\r\nx\r\n", "$G a 1"},
		{route, "RS+ $G a q 1\r\n", "$G a q 1"},
		{server, "MSG a 1 1\r\nx\r\n", "a 1 1"},
	} {
		p := c.p
		if n, err := p.Next([]byte(c.in)); n != len(c.in) || err != nil || string(p.Op.Arg) != c.want {
			t.Errorf("%q: Next = %d, %v, Arg %q", c.in, n, err, p.Op.Arg)
		}
	}
}
