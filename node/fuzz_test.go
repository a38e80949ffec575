package node

import (
	"testing"
)

// FuzzClient feeds a node what two clients could send, split at every possible place, and checks
// that nothing panics and that nothing is left of them in the end.
func FuzzClient(f *testing.F) {
	for _, d := range dialogues {
		f.Add([]byte(d.send), []byte(quiet+"SUB > 1\r\nSUB a.* q 2\r\nUNSUB 2 3\r\nPUB a.b c 1\r\nx\r\n"), uint8(7))
	}
	null := newSink(f)
	n, err := New(Options{MaxPayload: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b []byte, split uint8) {
		one, two := n.newClient(null), n.newClient(null)
		inputs := map[*client][]byte{one: a, two: b}
		unread := make(map[*client][]byte)
		for step := int(split)%64 + 1; len(inputs) > 0; {
			for _, c := range []*client{one, two} {
				rest, ok := inputs[c]
				if !ok {
					continue
				}
				k := min(step, len(rest))
				inputs[c] = rest[k:]
				left, err := feed(c, append(unread[c], rest[:k]...))
				unread[c] = left
				if err != nil || k == len(rest) {
					delete(inputs, c)
				}
			}
		}
		for _, c := range []*client{one, two} {
			c.unsubscribeAll()
			if w := c.idle.Swap(nil); w != nil {
				w.cache.forget()
			}
			c.left()
		}
		if got := n.index.Len(); got != 0 {
			t.Fatalf("%d subscriptions are left", got)
		}
		if got := n.cacheBytes.Load(); got != 0 {
			t.Fatalf("%d bytes of cache are left", got)
		}
	})
}

// feed is what conn.readAll does with one read. It returns what is left for the next.
func feed(c *client, b []byte) ([]byte, error) {
	defer c.pause()
	w := c.resume()
	defer c.finish(w)
	if len(b) > 0 {
		if err := c.admit(b); err != nil {
			return nil, err
		}
	}
	for len(b) > 0 {
		k, err := w.parser.Next(b)
		if err != nil {
			return nil, err
		}
		if k == 0 {
			break
		}
		if err := c.handle(w, &w.parser.Op); err != nil {
			return nil, err
		}
		b = b[k:]
	}
	return b, nil
}
