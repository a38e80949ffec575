package command

import (
	"bytes"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestScreen(t *testing.T) {
	at := time.Date(2026, 11, 24, 14, 3, 22, 123e6, time.UTC)
	const indent = "                      "
	tests := []struct {
		name string
		msg  nats.Msg
		raw  bool
		want string
	}{
		{"text", nats.Msg{Subject: "orders.new", Data: []byte("hello")}, false,
			"14:03:22.123      #1  orders.new  (5 bytes, note)\n" + indent + "hello\n"},
		{"nothing", nats.Msg{Subject: "a"}, false, "14:03:22.123      #1  a  (0 bytes, note)\n"},
		{"no subject", nats.Msg{Data: []byte("x")}, false, "14:03:22.123      #1  1 byte, note\n" + indent + "x\n"},
		{"lines", nats.Msg{Subject: "a", Data: []byte("one\r\ntwo\n\nfour\n")}, false,
			"14:03:22.123      #1  a  (15 bytes, note)\n" + indent + "one\n" + indent + "two\n" + indent + "\n" + indent + "four\n"},
		{"headers", nats.Msg{Subject: "a", Data: []byte("b"), Header: nats.Header{"K": {"1", "2"}, "A": {"x\x1b[2J"}}}, false,
			"14:03:22.123      #1  a  (1 byte, note)\n" + indent + "A: x\\x1b[2J\n" + indent + "K: 1\n" + indent + "K: 2\n\n" + indent + "b\n"},
		{"hostile subject", nats.Msg{Subject: "a\x1b]0;x\x07"}, false, `14:03:22.123      #1  a\x1b]0;x\a  (0 bytes, note)` + "\n"},
		{"binary", nats.Msg{Subject: "a", Data: []byte("a\x00b")}, false,
			"14:03:22.123      #1  a  (3 bytes, note)\n" + indent +
				"00000000  61 00 62                                          |a.b|\n"},
		{"raw", nats.Msg{Subject: "a", Data: []byte("a\x00b")}, true, "a\x00b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newScreen(&out, tt.raw)
			s.show(at, &tt.msg, tt.msg.Subject, "note")
			if err := s.flush(); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != tt.want {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestScreenCutsLongBinary(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out, false)
	s.show(time.Now(), &nats.Msg{Subject: "a", Data: make([]byte, 1000)}, "a")
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != 1+maxDump/16+1 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
	if want := []byte("... and 744 bytes more, --raw writes them all\n"); !bytes.HasSuffix(out.Bytes(), want) {
		t.Errorf("got %s", out.String())
	}
}

func TestIsText(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "plain": true, "tab\tand\nline\r\n": true, "世界 👩‍🚀": true, "end\r": true,
		"\x00": false, "\xff": false, "over\rwritten": false, "\x1b[31m": false, "\u202egpj": false, "\x7f": false, "\u0085": false,
	} {
		if got := isText([]byte(text)); got != want {
			t.Errorf("isText(%q) = %t", text, got)
		}
	}
}
