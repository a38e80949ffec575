package loadtest

import (
	"testing"

	"pgregory.net/rapid"

	"shoal/wire"
)

func TestStampSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := stamp{
			publisher: rapid.IntRange(0, 1<<16-1).Draw(t, "publisher"),
			seq:       rapid.Uint64Range(0, low48).Draw(t, "seq"),
			at:        rapid.Int64Range(0, low48).Draw(t, "at"),
		}
		mark := rapid.Uint16().Draw(t, "mark")
		payload := make([]byte, stampSize+3)
		s.put(payload, mark)
		if got, ok := readStamp(payload, mark); !ok || got != s {
			t.Fatalf("the payload says %+v, %v, want %+v", got, ok, s)
		}
		if _, ok := readStamp(payload, mark+1); ok {
			t.Fatal("another run takes the message for its own")
		}
		token := make([]byte, tokenSize)
		s.putToken(token, mark)
		if got, ok := readToken(append([]byte("_INBOX.x."), token...), mark); !ok || got != s {
			t.Fatalf("the token says %+v, %v, want %+v", got, ok, s)
		}
	})
}

func TestForeignStamps(t *testing.T) {
	for _, text := range []string{"", "short", "0123456789abcde"} {
		if _, ok := readStamp([]byte(text), 0); ok {
			t.Errorf("payload %q is taken for ours", text)
		}
	}
	for _, text := range []string{"", "a.b", "_INBOX.0123456789abcdef0123456789abcdeg", "_INBOX.0123456789ABCDEF0123456789abcdef"} {
		if _, ok := readToken([]byte(text), 0); ok {
			t.Errorf("subject %q is taken for ours", text)
		}
	}
}

// What a publisher renders is what the protocol demands, whatever its shape.
func TestForm(t *testing.T) {
	for _, tt := range []struct {
		inbox string
		size  int
	}{{"", 16}, {"", 128}, {"_INBOX.x.", 128}, {"_INBOX.x.", 3}, {"_INBOX.x.", 15}} {
		f := newForm("a.b", tt.inbox, tt.size)
		s := stamp{publisher: 7, seq: 1 << 40, at: 12345}
		text := f.append([]byte("before"), s, 99)[len("before"):]
		var p wire.Parser
		n, err := p.Next(text)
		if err != nil || n != len(text) || p.Op.Verb != wire.Pub || string(p.Op.Subject) != "a.b" || len(p.Op.Payload) != tt.size {
			t.Fatalf("%q is read as %+v, %d, %v", text, p.Op, n, err)
		}
		if got, ok := readStamp(p.Op.Payload, 99); tt.size >= stampSize && (!ok || got != s) {
			t.Errorf("the payload of %q says %+v, %v", text, got, ok)
		}
		if got, ok := readToken(p.Op.Reply, 99); tt.inbox != "" && (!ok || got != s || len(p.Op.Reply) != len(tt.inbox)+tokenSize) {
			t.Errorf("the reply subject of %q says %+v, %v", text, got, ok)
		}
	}
}
