package node

import (
	"errors"
	"testing"
)

// tracedTail is what follows the subject of a message that is traced.
const tracedTail = " 35 37\r\nNATS/1.0\r\nNats-Trace-Dest: a.b\r\n\r\nhi\r\n"

// deaf is a service of the system that forgets what it is told.
type deaf struct{ SystemService }

func (deaf) UserInfo(Asker) []byte                  { return nil }
func (deaf) Connected(string, func() Connection)    {}
func (deaf) Disconnected(string, func() Connection) {}
func (deaf) Refused(func() Connection)              {}
func (deaf) Traced(string, string, *MessageTrace)   {}

// FuzzClient feeds a node what two clients could send, split at every possible place, and checks
// that nothing panics and that nothing is left of them in the end.
func FuzzClient(f *testing.F) {
	for _, d := range dialogues {
		f.Add([]byte(d.send), []byte(quiet+"SUB > 1\r\nSUB a.* q 2\r\nUNSUB 2 3\r\nPUB a.b c 1\r\nx\r\n"), uint8(7))
	}
	f.Add([]byte(quiet+"SUB a.* 1\r\nSUB a.b q 2\r\nHPUB a.b"+tracedTail), []byte(`CONNECT {"echo":false,"headers":true}`+
		"\r\nSUB a.b 1\r\nHPUB a.b r"+tracedTail), uint8(20))
	null := newSink(f)
	n, err := New(Options{MaxPayload: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	n.Attach(deaf{})
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
				left, err := feed(c, &c.conn, append(unread[c], rest[:k]...))
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
			c.left(&ending{reason: reasonClientClosed}, 0)
		}
		if got := n.accounts.len(); got != 0 {
			t.Fatalf("%d subscriptions are left", got)
		}
		if got := n.cacheBytes.Load(); got != 0 {
			t.Fatalf("%d bytes of cache are left", got)
		}
	})
}

// FuzzRoute feeds a node what a peer could send, whole and byte by byte, while a client of the node
// subscribes, and checks that nothing panics and that nothing is left of the peer in the end.
func FuzzRoute(f *testing.F) {
	hello := aRoute("X")
	for _, seed := range []string{
		"PONG\r\nRS+ $G a.b\r\nRS+ $G a.b q 3\r\nRMSG $G a.b 2\r\nhi\r\nRS- $G a.b\r\nRS- $G a.b q\r\n",
		"PONG\r\nRMSG $G a.b + r q1 q2 2\r\nhi\r\nHMSG $G a.b | q2 12 14\r\nNATS/1.0\r\n\r\nhi\r\nLMSG l $G a.b 0 0\r\n\r\n",
		"RS+ $G a.b\r\nHMSG $G a.b" + tracedTail + "PONG\r\nHMSG $G a.b | q" + tracedTail,
		"LS+ l $G a.b q 1\r\nPONG\r\nRS+ $G a.b q 1\r\nRMSG $G a.b | q nope 0\r\n\r\n",
		`INFO {"server_id":"Y","ip":"nats-route://127.0.0.1:9/","cluster":"C"}` + "\r\n" + `INFO {"server_id":"X","ldm":true}` + "\r\n",
		`INFO {"server_id":"","route_acc_add_reqid":"x","route_account":"A"}` + "\r\nA+ x\r\n-ERR 'x'\r\n",
	} {
		f.Add([]byte(hello), []byte(seed))
	}
	f.Add([]byte(`CONNECT {"cluster":"C"}`+"\r\n"), []byte(`INFO {"server_id":"X","route_account":"$SYS","shoal":{"proto":1}}`+"\r\nRS+ a\r\nRMSG a 0\r\n\r\n"))
	null := newSink(f)
	n, err := New(Options{Cluster: ClusterOptions{Name: "C", Port: RandomPort, PoolSize: 2}})
	if err != nil {
		f.Fatal(err)
	}
	n.Attach(deaf{})
	f.Fuzz(func(t *testing.T, hello, rest []byte) {
		c := n.newClient(null)
		if _, err := feed(c, &c.conn, []byte(quiet+"SUB a.b q 1\r\nSUB > 2\r\n")); err != nil {
			t.Fatal(err)
		}
		for _, step := range []int{1 << 20, 1} {
			r := n.newRoute(null, nil)
			var unread []byte
			var err error
			for _, part := range [][]byte{hello, rest} {
				for len(part) > 0 && err == nil {
					k := min(step, len(part))
					unread, err = feed(r, &r.conn, append(unread, part[:k]...))
					part = part[k:]
				}
			}
			r.registered.Store(true) // so that nothing is dialled again
			r.unsubscribeAll()
			if w := r.idle.Swap(nil); w != nil {
				w.cache.forget()
			}
			r.left(&ending{reason: reasonClientClosed}, 0)
			if got := len(n.Routes()); got != 0 {
				t.Fatalf("%d routes are left", got)
			}
		}
		c.unsubscribeAll()
		if w := c.idle.Swap(nil); w != nil {
			w.cache.forget()
		}
		c.left(&ending{reason: reasonClientClosed}, 0)
		if got := n.accounts.len(); got != 0 {
			t.Fatalf("%d subscriptions are left", got)
		}
	})
}

// feed is what conn.readAll does with one read. It returns what is left for the next.
func feed(h handler, c *conn, b []byte) ([]byte, error) {
	defer c.pause()
	w := c.resume()
	defer c.finish(w)
	if len(b) > 0 {
		if err := h.admit(b); err != nil {
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
		if err := h.handle(w, &w.parser.Op); err != nil {
			return nil, err
		}
		if w.interrupt != nil {
			return nil, errors.New("compression begins")
		}
		b = b[k:]
	}
	return b, nil
}
