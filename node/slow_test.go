package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// publishUntil publishes messages of a size to a subject, waiting for each to be carried out, until
// done.
func publishUntil(t *testing.T, p *peer, subject string, size int, done func() bool) (messages int) {
	t.Helper()
	payload := strings.Repeat("x", size)
	line := message("", "", payload)
	line = "PUB " + subject + line[len("MSG  "):]
	for deadline := time.Now().Add(patience); !done(); messages++ {
		if time.Now().After(deadline) {
			t.Fatal("not reached while publishing")
		}
		p.send(line)
		p.sync()
	}
	return messages
}

func TestSlowConsumerIsCut(t *testing.T) {
	const size = 256 << 10
	n := startNode(t, Options{MaxPending: 4 << 20})
	slow := dial(t, n, quiet+"SUB s 1\r\n")
	slow.sync()
	fast := dial(t, n, quiet+"SUB s 1\r\n")
	fast.sync()
	received := make(chan int64, 1)
	go func() {
		got, _ := io.Copy(io.Discard, fast.nc)
		received <- got
	}()
	p := dial(t, n, quiet)
	messages := publishUntil(t, p, "s", size, func() bool { return n.Stats().SlowConsumers > 0 })
	eventually(t, "the slow consumer is gone", func() bool { return n.Stats().Connections == 2 })
	if got := n.Stats().SlowConsumers; got != 1 {
		t.Errorf("%d slow consumers, want 1", got)
	}
	gone, _ := n.Connections(ConnectionQuery{State: ConnectionClosed})
	if len(gone) != 1 || gone[0].Pending <= 4<<20 {
		t.Errorf("what had waited for it is not remembered: %+v", gone)
	}
	// Nobody tells a slow consumer why: it sees what the kernel still holds, and then the end.
	rest, _ := io.ReadAll(slow.r)
	if bytes.Contains(rest[max(0, len(rest)-100):], []byte("-ERR")) {
		t.Error("the slow consumer was sent an error")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	want := int64(messages * len(message("s", "1", strings.Repeat("x", size))))
	if got := <-received; got != want {
		t.Errorf("the fast consumer received %d bytes, want %d", got, want)
	}
}

func TestWriteDeadline(t *testing.T) {
	n := startNode(t, Options{WriteDeadline: 50 * time.Millisecond})
	dial(t, n, quiet+"SUB s 1\r\n").sync()
	p := dial(t, n, quiet)
	publishUntil(t, p, "s", 512<<10, func() bool { return n.Stats().SlowConsumers > 0 })
	eventually(t, "nothing waits", func() bool { return n.Stats().PendingBytes == 0 })
}

// TestManyClientsCrowdARoute has more wait for a peer than may wait for a client, which many clients that
// send a little each bring about, or a few whose messages name many queue groups.
func TestManyClientsCrowdARoute(t *testing.T) {
	const clients, size = 16, 512 << 10
	n := startPeer(t, "n", ClusterOptions{Name: "C"}, nil)
	reload(t, n, func(o *Options) { o.MaxPending = 2 << 20; o.MaxPayload = 1 << 20 })
	p := joinRoute(t, n, "X")
	p.send("RS+ $G s\r\n")
	waitForInterest(t, n, 1)
	payload := strings.Repeat("x", size)
	for range clients {
		dial(t, n, quiet+fmt.Sprintf("PUB s %d\r\n%s\r\n", size, payload))
	}
	eventually(t, "all was received", func() bool { return n.Stats().InMsgs == clients })
	want := fmt.Sprintf("RMSG $G s %d\r\n%s\r\n", size, payload)
	for range clients {
		p.want(want)
	}
	if got := n.Stats().SlowRoutes; got != 0 {
		t.Errorf("%d routes were cut", got)
	}
}

// A peer has a deadline of its own.
func TestRouteWriteDeadline(t *testing.T) {
	n := startPeer(t, "n", ClusterOptions{Name: "C", WriteDeadline: 50 * time.Millisecond}, nil)
	joinRoute(t, n, "X").send("RS+ $G s\r\n")
	waitForInterest(t, n, 1)
	p := dial(t, n, quiet)
	publishUntil(t, p, "s", 512<<10, func() bool { return n.Stats().SlowRoutes > 0 })
	reload(t, n, func(o *Options) { o.Cluster.WriteDeadline = 0 })
	if c := (&conn{node: n, isRoute: true}); c.writeDeadline() != DefaultWriteDeadline {
		t.Errorf("without one of its own it has %v", c.writeDeadline())
	}
}

func TestPendingBudget(t *testing.T) {
	for _, sid := range []int{0, 1} {
		t.Run(fmt.Sprint("sids differ by ", sid), func(t *testing.T) { testPendingBudget(t, sid) })
	}
}

func testPendingBudget(t *testing.T, sid int) {
	const consumers, budget = 10, 16 << 20
	n := startNode(t, Options{PendingBudget: budget}, wide(consumers))
	for i := range consumers {
		dial(t, n, quiet+fmt.Sprintf("SUB s %d\r\n", 10+i*sid)).sync()
	}
	p := dial(t, n, quiet)
	var most int64
	publishUntil(t, p, "s", 512<<10, func() bool {
		s := n.Stats()
		most = max(most, s.PendingBytes)
		return s.SlowConsumers == consumers
	})
	// Memory that is being written when its connection is cut is free only after that.
	if most > budget+consumers*maxDrainWrite {
		t.Errorf("%d bytes were waiting, the budget is %d", most, budget)
	}
	eventually(t, "nothing waits", func() bool { return n.Stats().PendingBytes == 0 })
}

// TestMessageLargerThanPendingBudget publishes one message to many who do not read. It may be held
// while it is given to them, but not once for each.
func TestMessageLargerThanPendingBudget(t *testing.T) {
	const consumers, budget, size = 10, 1 << 20, 16 << 20
	for _, differ := range []int{0, 1} {
		t.Run(fmt.Sprint("sids differ by ", differ), func(t *testing.T) {
			n := startNode(t, Options{PendingBudget: budget, MaxPayload: size}, wide(consumers+differ))
			for i := range consumers {
				dial(t, n, quiet+fmt.Sprintf("SUB s %d\r\n", 10+i*differ)).sync()
			}
			p := dial(t, n, quiet)
			p.send(fmt.Sprintf("PUB s %d\r\n%s\r\n", size, strings.Repeat("x", size)))
			var most int64
			eventually(t, "all are cut", func() bool {
				s := n.Stats()
				most = max(most, s.PendingBytes)
				return s.SlowConsumers == consumers
			})
			p.sync()
			if most > budget+2*size {
				t.Errorf("%d bytes were waiting", most)
			}
			eventually(t, "nothing waits", func() bool { return n.Stats().PendingBytes == 0 })
		})
	}
}

// TestFullSocketsGetTheirOwnIDs has receivers of one stream, but with IDs of their own, begin to read
// when their sockets have long been full.
func TestFullSocketsGetTheirOwnIDs(t *testing.T) {
	const receivers, messages, size = 5, 800, 16 << 10
	t.Run("written by the reader", func(t *testing.T) { testFullSockets(t, wideFanOut, receivers, messages, size) })
	t.Run("written by others", func(t *testing.T) { testFullSockets(t, 1, receivers, messages, size) })
}

func testFullSockets(t *testing.T, wideFanOut, receivers, messages, size int) {
	n := startNode(t, Options{}, wide(wideFanOut))
	var peers []*peer
	for i := range receivers {
		p := dial(t, n, quiet+fmt.Sprintf("SUB s %d\r\nSUB s.> %d\r\nSUB * %d\r\n", 1+i, 10+i, 20+i))
		p.sync()
		peers = append(peers, p)
	}
	p := dial(t, n, quiet)
	payload := strings.Repeat("x", size)
	for i := range messages {
		subject := []string{"s", "s.a"}[i%2]
		p.send(fmt.Sprintf("PUB %s %d\r\n%06d%s\r\n", subject, 6+size, i, payload))
	}
	p.sync()
	for k, p := range peers {
		p.send("PING\r\n")
		for i := range messages {
			if i%2 == 1 {
				p.want(message("s.a", fmt.Sprint(10+k), fmt.Sprintf("%06d%s", i, payload)))
				continue
			}
			want := []string{fmt.Sprint(1 + k), fmt.Sprint(20 + k)}
			for range 2 {
				sid := strings.Fields(p.line())[2]
				at := slices.Index(want, sid)
				if at < 0 {
					t.Fatalf("receiver %d: message %d for %q, want %q", k, i, sid, want)
				}
				want = slices.Delete(want, at, at+1)
				p.want(fmt.Sprintf("%06d%s\r\n", i, payload))
			}
		}
		p.want("PONG\r\n")
	}
}

// TestFastProducerIsStalled publishes faster than a consumer reads, without ever losing it.
func TestFastProducerIsStalled(t *testing.T) {
	const messages, size = 400, 64 << 10
	n := startNode(t, Options{MaxPending: 4 << 20})
	slow := dial(t, n, quiet+"SUB s 1\r\n")
	slow.sync()
	done := make(chan error, 1)
	want := int64(messages * len(message("s", "1", strings.Repeat("x", size))))
	go func() {
		buf := make([]byte, 256<<10)
		for got := int64(0); got < want; {
			k, err := slow.r.Read(buf)
			if err != nil {
				done <- err
				return
			}
			got += int64(k)
			time.Sleep(200 * time.Microsecond) // what makes the consumer slow
		}
		done <- nil
	}()
	p := dial(t, n, quiet)
	for range messages {
		p.send("PUB s 65536\r\n" + strings.Repeat("x", size) + "\r\n")
	}
	p.sync()
	if err := <-done; err != nil {
		t.Errorf("the consumer was lost: %v", err)
	}
}

// TestFloodDoesNotStarveOthers measures nothing but that others are served while publishers flood.
func TestFloodDoesNotStarveOthers(t *testing.T) {
	n := startNode(t, Options{})
	stop := make(chan struct{})
	ended := make(chan struct{})
	const floods = 4
	for range floods {
		p := dial(t, n, quiet)
		go func() {
			defer func() { ended <- struct{}{} }()
			batch := []byte(strings.Repeat("PUB flood 16\r\n0123456789abcdef\r\n", 2000))
			for {
				select {
				case <-stop:
					return
				default:
					p.nc.SetWriteDeadline(time.Now().Add(patience))
					if _, err := p.nc.Write(batch); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
	}
	p := dial(t, n, quiet+"SUB echo 1\r\n")
	for range 100 {
		p.send("PUB echo 2\r\nhi\r\n")
		p.want(message("echo", "1", "hi"))
	}
	close(stop)
	for range floods {
		<-ended
	}
}

// TestDroppingSparesProtocolLines crowds a connection for which messages are dropped, and wants
// its PING answered all the same.
func TestDroppingSparesProtocolLines(t *testing.T) {
	n := startNode(t, Options{MaxPending: 2 << 20, NoFastProducerStall: true})
	slow := dial(t, n, quiet+"SUB s 1\r\nSUB own 2\r\n")
	slow.sync()
	p := dial(t, n, quiet)
	before := uint64(0)
	publishUntil(t, p, "s", 64<<10, func() bool {
		dropped := n.Stats().OutMsgs == before // the last one was not accepted
		before = n.Stats().OutMsgs
		return before > 0 && dropped
	})
	slow.send("PUB own 1\r\n!\r\nPING\r\n")
	for line := ""; line != "PONG"; {
		line = slow.line()
	}
	if got := n.Stats().SlowConsumers; got != 0 {
		t.Errorf("%d slow consumers were cut", got)
	}
}
