package node

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"shoal/wire"
)

// sink is a connection that takes everything at once.
type sink struct{ *os.File }

func newSink(t testing.TB) sink {
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return sink{f}
}

func (sink) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (sink) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// fanOut returns a client that publishes, and the function that carries out a read of it: messages
// of the given size to that many receivers.
func fanOut(t testing.TB, receivers, size, messages int, sameSID bool) (run func()) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	null := newSink(t)
	for i := range receivers {
		c := n.newClient(null)
		sid := "1"
		if !sameSID {
			sid = fmt.Sprint(1000 + i)
		}
		s := &subscription{conn: &c.conn, subject: "subject.of.test", sid: sid}
		c.subs.add(s)
		n.accounts.global.index.Insert(s.subject, "", s)
	}
	publisher := n.newClient(null)
	publisher.options = wire.ConnectOptions{Echo: true}
	batch := []byte(strings.Repeat(fmt.Sprintf("PUB subject.of.test %d\r\n%s\r\n", size, strings.Repeat("x", size)), messages))
	return func() {
		w := publisher.resume()
		for b := batch; len(b) > 0; {
			k, err := w.parser.Next(b)
			if err != nil || k == 0 {
				t.Fatalf("parse: %d, %v", k, err)
			}
			if err := publisher.handle(w, &w.parser.Op); err != nil {
				t.Fatal(err)
			}
			b = b[k:]
		}
		publisher.finish(w)
	}
}

func TestPublishDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	for _, receivers := range []int{1, 100} {
		for _, size := range []int{16, 1024} {
			for _, sameSID := range []bool{true, false} {
				t.Run(fmt.Sprintf("%d receivers, %d bytes, same sid %v", receivers, size, sameSID), func(t *testing.T) {
					run := fanOut(t, receivers, size, 10, sameSID)
					run()
					run()
					if got := testing.AllocsPerRun(100, run); got >= 1 {
						t.Errorf("%v allocations per batch of 10 messages", got)
					}
				})
			}
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	const messages = 100
	for _, receivers := range []int{1, 10, 100} {
		for _, sameSID := range []bool{true, false} {
			b.Run(fmt.Sprintf("receivers=%d/sameSID=%v", receivers, sameSID), func(b *testing.B) {
				run := fanOut(b, receivers, 128, messages, sameSID)
				b.ReportAllocs()
				for range b.N {
					run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages*receivers), "ns/delivery")
			})
		}
	}
}
