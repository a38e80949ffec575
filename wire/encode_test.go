package wire_test

import (
	"bytes"
	"testing"

	"shoal/wire"
)

// text makes the slices of an Op shorter to write.
func text(s string) []byte { return []byte(s) }

func groups(names ...string) (all [][]byte) {
	for _, n := range names {
		all = append(all, []byte(n))
	}
	return all
}

// encodings are operations and what Append must make of them.
var encodings = []struct {
	p    wire.Parser // reads it back
	op   wire.Op
	want string
}{
	{client, wire.Op{Verb: wire.Ping}, "PING\r\n"},
	{client, wire.Op{Verb: wire.Pong}, "PONG\r\n"},
	{client, wire.Op{Verb: wire.OK}, "+OK\r\n"},
	{client, wire.Op{Verb: wire.Err, Arg: text("'x y'")}, "-ERR 'x y'\r\n"},
	{client, wire.Op{Verb: wire.Connect, Arg: text("{}")}, "CONNECT {}\r\n"},
	{server, wire.Op{Verb: wire.Info, Arg: text("{}")}, "INFO {} \r\n"},

	{client, wire.Op{Verb: wire.Sub, Subject: text("a"), SID: text("1")}, "SUB a 1\r\n"},
	{client, wire.Op{Verb: wire.Sub, Subject: text("a"), Queue: text("q"), SID: text("1")}, "SUB a q 1\r\n"},
	{client, wire.Op{Verb: wire.Unsub, SID: text("1")}, "UNSUB 1\r\n"},
	{client, wire.Op{Verb: wire.Unsub, SID: text("1"), Max: 5}, "UNSUB 1 5\r\n"},

	{client, wire.Op{Verb: wire.Pub, Subject: text("a"), Payload: text("hi")}, "PUB a 2\r\nhi\r\n"},
	{client, wire.Op{Verb: wire.Pub, Subject: text("a"), Reply: text("r"), SizeText: text("002"), Payload: text("hi")},
		"PUB a r 002\r\nhi\r\n"},
	{client, wire.Op{Verb: wire.HPub, Subject: text("a"), HeaderLen: 1, Payload: text("hi")}, "HPUB a 1 2\r\nhi\r\n"},
	{server, wire.Op{Verb: wire.Msg, Subject: text("a"), SID: text("1"), Payload: text("")}, "MSG a 1 0\r\n\r\n"},
	{server, wire.Op{Verb: wire.Msg, Subject: text("a"), SID: text("1"), Reply: text("r"), Payload: text("hi")},
		"MSG a 1 r 2\r\nhi\r\n"},
	{server, wire.Op{Verb: wire.HMsg, Subject: text("a"), SID: text("1"), HeaderLen: 2, Payload: text("hi")},
		"HMSG a 1 2 2\r\nhi\r\n"},

	{route, wire.Op{Verb: wire.RSub, Account: text("$G"), Subject: text("a")}, "RS+ $G a\r\n"},
	{route, wire.Op{Verb: wire.RSub, Account: text("$G"), Subject: text("a"), Queue: text("q"), Max: 3}, "RS+ $G a q 3\r\n"},
	{route, wire.Op{Verb: wire.RUnsub, Account: text("$G"), Subject: text("a")}, "RS- $G a\r\n"},
	{route, wire.Op{Verb: wire.RUnsub, Account: text("$G"), Subject: text("a"), Queue: text("q")}, "RS- $G a q\r\n"},
	{route, wire.Op{Verb: wire.LSub, Origin: text("LC"), Account: text("$G"), Subject: text("a"), Queue: text("q"), Max: 1},
		"LS+ LC $G a q 1\r\n"},
	{route, wire.Op{Verb: wire.LUnsub, Origin: text("LC"), Account: text("$G"), Subject: text("a"), Queue: text("q")},
		"LS- LC $G a q\r\n"},
	{route, wire.Op{Verb: wire.RMsg, Account: text("$G"), Subject: text("p"), Payload: text("hi")}, "RMSG $G p 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.RMsg, Account: text("$G"), Subject: text("p"), Reply: text("r"), Payload: text("hi")},
		"RMSG $G p r 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.RMsg, Account: text("$G"), Subject: text("p"), Queues: groups("q1", "q2"), Payload: text("hi")},
		"RMSG $G p | q1 q2 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.RMsg, Account: text("$G"), Subject: text("p"), Reply: text("r"), Queues: groups("q"), Payload: text("hi")},
		"RMSG $G p + r q 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.RHMsg, Account: text("$G"), Subject: text("p"), Queues: groups("q"), HeaderLen: 2, Payload: text("hi")},
		"HMSG $G p | q 2 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.RHMsg, Account: text("$G"), Subject: text("p"), Reply: text("r"), Queues: groups("q"), Payload: text("hi")},
		"HMSG $G p + r q 0 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.LMsg, Origin: text("LC"), Account: text("$G"), Subject: text("p"), Reply: text("r"), Payload: text("hi")},
		"LMSG LC $G p r 0 2\r\nhi\r\n"},
	{route, wire.Op{Verb: wire.Account, Arg: text("+ x")}, "A+ x\r\n"},
}

func TestAppend(t *testing.T) {
	for _, c := range encodings {
		got := c.op.Append([]byte("before"))
		if string(got) != "before"+c.want {
			t.Errorf("%s: %q, want %q", show(&c.op), got, c.want)
		}
		p := c.p
		if n, err := p.Next([]byte(c.want)); n != len(c.want) || err != nil {
			t.Errorf("%q is not read back: Next = %d, %v", c.want, n, err)
		}
		if c.op.SizeText == nil && c.op.Payload != nil {
			p.Op.SizeText = nil
		}
		p.Op.Tail = nil
		if back := show(&p.Op); back != show(&c.op) {
			t.Errorf("%q is read back as %s", c.want, back)
		}
	}
}

// A group of weight 0 would be none at all, so there is none on the wire.
func TestAppendWeight(t *testing.T) {
	op := wire.Op{Verb: wire.RSub, Account: text("$G"), Subject: text("a"), Queue: text("q")}
	if got := string(op.Append(nil)); got != "RS+ $G a q 1\r\n" {
		t.Error(got)
	}
	op.Queue, op.Max = nil, 7
	if got := string(op.Append(nil)); got != "RS+ $G a\r\n" {
		t.Error(got)
	}
}

func TestLines(t *testing.T) {
	for verb, line := range map[wire.Verb]string{
		wire.Ping: wire.PingLine, wire.Pong: wire.PongLine, wire.OK: wire.OKLine,
	} {
		op := wire.Op{Verb: verb}
		if got := string(op.Append(nil)); got != line {
			t.Errorf("%q, want %q", line, got)
		}
	}
	got := wire.AppendErr([]byte("+OK\r\n"), wire.TextUnknownOp)
	if string(got) != "+OK\r\n-ERR 'Unknown Protocol Operation'\r\n" {
		t.Errorf("%q", got)
	}
}

// Tail must let a server pass a message on by putting another beginning in front.
func TestTailBehindAnotherPrefix(t *testing.T) {
	in := "PUB a.b reply 0003\r\nhi!\r\n"
	p := client
	if n, err := p.Next([]byte(in)); n != len(in) || err != nil {
		t.Fatal(n, err)
	}
	msg := append([]byte("MSG a.b 17 "), p.Op.Tail...)
	want := wire.Op{Verb: wire.Msg, Subject: p.Op.Subject, SID: text("17"), Reply: p.Op.Reply,
		SizeText: p.Op.SizeText, Payload: p.Op.Payload}
	if !bytes.Equal(msg, want.Append(nil)) {
		t.Errorf("%q", msg)
	}
	if rmsg := append([]byte("RMSG $G a.b "), p.Op.Tail...); string(rmsg) != "RMSG $G a.b reply 0003\r\nhi!\r\n" {
		t.Errorf("%q", rmsg)
	}
}

// Errors must say something in a log even if the peer is told nothing, and no more than is good
// for it.
func TestErrorText(t *testing.T) {
	for _, in := range []string{"PUB a x\r\n", "SUB " + string(bytes.Repeat([]byte("a b "), 1000)) + "\r\n", "UNSUB \n1 \xff \x00\n"} {
		p := client
		_, err := p.Next([]byte(in))
		if err == nil || err.Error() == "" || len(err.Error()) > 400 {
			t.Errorf("%.20q: %v", in, err)
		}
	}
	if (&wire.Error{Reply: "x"}).Error() != "x" {
		t.Error("an error without reason is empty")
	}
}
