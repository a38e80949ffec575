package wire_test

import (
	"bytes"
	"testing"

	"shoal/wire"
)

const payload16 = "0123456789abcdef\r\n"

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct {
		name string
		p    wire.Parser
		in   string
	}{
		{"PUB", client, "PUB foo.bar 16\r\n" + payload16},
		{"PUB reply", client, "PUB foo.bar _INBOX.0123456789abcdef.1 16\r\n" + payload16},
		{"PUB blanks", client, "PUB foo.bar  16\r\n" + payload16}, // what the fast path does not take
		{"HPUB", client, "HPUB foo.bar 22 38\r\nNATS/1.0\r\nFoo: bar\r\n\r\n" + payload16},
		{"RMSG", route, "RMSG $G foo.bar 16\r\n" + payload16},
		{"RMSG groups", route, "RMSG $G foo.bar | q1 q2 16\r\n" + payload16},
		{"SUB", client, "SUB foo.bar 17\r\n"},
		{"SUB queue", client, "SUB foo.bar workers 17\r\n"},
		{"RS+", route, "RS+ $G foo.bar\r\n"},
		{"MSG", server, "MSG foo.bar 17 16\r\n" + payload16},
		{"PING", client, wire.PingLine},
	} {
		b.Run(c.name, func(b *testing.B) {
			in, p := []byte(c.in), c.p
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if n, err := p.Next(in); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkBuffer reads what one read of a busy socket brings.
func BenchmarkBuffer(b *testing.B) {
	line := []byte("PUB foo.bar 16\r\n" + payload16)
	in := bytes.Repeat(line, 64<<10/len(line))
	ops := 0
	p := client
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for rest := in; len(rest) > 0; ops++ {
			n, err := p.Next(rest)
			if n == 0 || err != nil {
				b.Fatal(n, err)
			}
			rest = rest[n:]
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(ops), "ns/msg")
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name string
		op   wire.Op
	}{
		{"MSG", wire.Op{Verb: wire.Msg, Subject: text("foo.bar"), SID: text("17"), SizeText: text("16"), Payload: text(payload16[:16])}},
		{"HMSG", wire.Op{Verb: wire.HMsg, Subject: text("foo.bar"), SID: text("17"), HeaderLen: 12, Payload: text("NATS/1.0\r\n\r\n" + payload16[:16])}},
		{"RMSG groups", wire.Op{Verb: wire.RMsg, Account: text("$G"), Subject: text("foo.bar"), Queues: groups("q1", "q2"), SizeText: text("16"), Payload: text(payload16[:16])}},
	} {
		b.Run(c.name, func(b *testing.B) {
			buf := c.op.Append(nil)
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				buf = c.op.Append(buf[:0])
			}
		})
	}
}

func BenchmarkInfo(b *testing.B) {
	info := wire.ServerInfo{ID: "N", Name: "a", Version: "2.11.0", Proto: 1, Host: "0.0.0.0", Port: 4222, ConnectURLs: []string{"a:4222", "b:4222"}}
	arg := bytes.TrimSpace(bytes.TrimPrefix(info.Append(nil), []byte("INFO ")))
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			info.Append(nil)
		}
	})
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := wire.ParseInfo(arg); err != nil {
				b.Fatal(err)
			}
		}
	})
}
