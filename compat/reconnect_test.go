package compat

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

// TestServerRestart kills the server of a client that is subscribed, starts it again on the same
// port, and has the client go on as if nothing had happened.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.Kind{broker.Oracle, subject()} {
		t.Run(kind.Name, func(t *testing.T) {
			settings := broker.Settings{"port": quietPort(t)}
			first, err := broker.Start(kind, settings)
			must(t, err)
			disconnected, reconnected := make(chan struct{}), make(chan struct{})
			noteDisconnect := sync.OnceFunc(func() { close(disconnected) })
			noteReconnect := sync.OnceFunc(func() { close(reconnected) })
			subscriber := connect(t, first, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
				nats.DisconnectErrHandler(func(*nats.Conn, error) { noteDisconnect() }),
				nats.ReconnectHandler(func(*nats.Conn) { noteReconnect() }))
			plain := subscribe(t, subscriber, "again.*")
			queue, err := subscriber.QueueSubscribeSync("again.*", "group")
			must(t, err)
			must(t, subscriber.Publish("again.1", nil))
			next(t, plain)
			next(t, queue)

			must(t, first.Kill())
			await(t, "the client to notice", disconnected)
			second := startServer(t, kind, settings)
			await(t, "the client to come back", reconnected)
			must(t, subscriber.Flush())
			publisher := connect(t, second)
			must(t, publisher.Publish("again.2", []byte("hello")))
			for _, sub := range []*nats.Subscription{plain, queue} {
				if msg := next(t, sub); msg.Subject != "again.2" {
					t.Errorf("got %s after the restart", msg.Subject)
				}
			}
		})
	}
}

// TestServerStop has a server that is told to stop end its connections without a word.
func TestServerStop(t *testing.T) {
	t.Parallel()
	compareStops := func(kind broker.Kind) string {
		server, err := broker.Start(kind, nil)
		must(t, err)
		socket := rawConnect(t, server.Addr, "CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG\r\n")
		must(t, server.Stop())
		must(t, socket.SetReadDeadline(time.Now().Add(patience)))
		buffer := make([]byte, 1000)
		n, err := socket.Read(buffer)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return "no end"
		}
		return fmt.Sprintf("%q", buffer[:n])
	}
	if oracle, got := compareStops(broker.Oracle), compareStops(subject()); oracle != got {
		t.Errorf("a client got %s instead of %s", got, oracle)
	}
}

// TestReconnectStorm sends many messages to three subscribers while a fourth one comes and goes.
// The three must not lose, repeat or reorder any.
func TestReconnectStorm(t *testing.T) {
	messages := 1_000_000
	if testing.Short() || raceDetector {
		messages = 100_000
	}
	const flushEvery = 2000
	server := startServer(t, subject(), nil)
	var finished sync.WaitGroup
	for i := range 3 {
		finished.Add(1)
		countInOrder(t, server, messages, fmt.Sprintf("subscriber %d", i), finished.Done)
	}
	stop := make(chan struct{})
	var guest sync.WaitGroup
	var visits atomic.Int64
	guest.Go(func() { comeAndGo(t, server, stop, &visits) })

	publisher := connect(t, server)
	payload := make([]byte, 8)
	for i := range messages {
		binary.BigEndian.PutUint64(payload, uint64(i))
		must(t, publisher.Publish("storm", payload))
		if i%flushEvery == flushEvery-1 {
			must(t, publisher.Flush())
		}
	}
	must(t, publisher.Flush())
	done := make(chan struct{})
	go func() { finished.Wait(); close(done) }()
	await(t, "all messages", done)
	close(stop)
	guest.Wait()
	t.Logf("%d messages, and %d reconnects of the fourth subscriber", messages, visits.Load())
	if visits.Load() == 0 {
		t.Error("the fourth subscriber never came")
	}
}

// countInOrder subscribes to numbered messages, and calls done when the last one has come. Each
// that comes out of turn fails the test.
func countInOrder(t *testing.T, server *broker.Server, messages int, name string, done func()) {
	t.Helper()
	nc := connect(t, server, nats.NoReconnect())
	expected := uint64(0)
	sub, err := nc.Subscribe("storm", func(m *nats.Msg) {
		if number := binary.BigEndian.Uint64(m.Data); number != expected {
			t.Errorf("%s: got message %d instead of %d", name, number, expected)
			expected = number
		}
		if expected++; expected == uint64(messages) {
			done()
		}
	})
	must(t, err)
	must(t, sub.SetPendingLimits(-1, -1))
	must(t, nc.Flush())
}

// comeAndGo connects, subscribes, takes some messages and drops the connection, again and again.
func comeAndGo(t *testing.T, server *broker.Server, stop <-chan struct{}, visits *atomic.Int64) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		socket, err := net.Dial("tcp", server.Addr)
		if err != nil {
			t.Error(err)
			return
		}
		_ = socket.SetDeadline(time.Now().Add(patience))
		_, _ = socket.Write([]byte("CONNECT {\"verbose\":false}\r\nSUB storm 1\r\nSUB storm group 2\r\n"))
		wanted := rand.IntN(200_000)
		_ = socket.SetReadDeadline(time.Now().Add(time.Duration(5+rand.IntN(50)) * time.Millisecond))
		for buffer := make([]byte, 16<<10); wanted > 0; {
			n, err := socket.Read(buffer)
			if err != nil {
				break
			}
			wanted -= n
		}
		_ = socket.Close()
		visits.Add(1)
	}
}

// await waits for a channel to be closed.
func await(t *testing.T, what string, channel <-chan struct{}) {
	t.Helper()
	select {
	case <-channel:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}

// quietPort finds a free port that stays free while a server is down and a client looks for it.
func quietPort(t *testing.T) string {
	t.Helper()
	port, err := broker.FreePort()
	must(t, err)
	return port
}
