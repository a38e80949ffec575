package compat

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

// TestSlowConsumers publishes large messages to connections that never read. The server must close
// them and keep its memory in bounds, and serve a consumer that does read as if nothing were.
func TestSlowConsumers(t *testing.T) {
	const (
		sleepers   = 50
		maxPending = 8 << 20
		message    = 1 << 20
		// budget is for what is not waiting for anybody, such as garbage not yet collected.
		budget = 512 << 20
		// most is more than the buffers of the kernel and the server hold for one connection.
		most = 200
	)
	server := startServer(t, subject(), broker.Settings{"max_pending": "8388608"})
	sockets := make([]net.Conn, sleepers)
	for i := range sockets {
		sockets[i] = rawConnect(t, server.Addr, "CONNECT {\"verbose\":false}\r\nSUB bulk 1\r\nPING\r\n", "PONG\r\n")
	}
	var received atomic.Int64
	reader := connect(t, server, nats.NoReconnect())
	sub, err := reader.Subscribe("bulk", func(m *nats.Msg) { received.Add(int64(len(m.Data))) })
	must(t, err)
	must(t, sub.SetPendingLimits(-1, -1))
	must(t, reader.Flush())

	publisher := connect(t, server)
	payload := make([]byte, message)
	peak := 0
	for i := range most {
		must(t, publisher.Publish("bulk", payload))
		must(t, publisher.Flush())
		// The reader keeps up, so that it is never the slow one.
		eventually(t, "the reader", func() bool { return received.Load() >= int64(i+1)*message })
		size, err := server.RSS()
		must(t, err)
		peak = max(peak, size)
	}
	for i, socket := range sockets {
		must(t, socket.SetReadDeadline(time.Now().Add(patience)))
		rest, err := io.Copy(io.Discard, socket)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("connection %d is still open", i)
		}
		if rest >= most*message {
			t.Errorf("connection %d got everything", i)
		}
	}
	must(t, reader.Flush())
	if received.Load() != most*message {
		t.Errorf("the reader got %d bytes, not %d", received.Load(), most*message)
	}
	t.Logf("%s took up to %d MiB for %d slow consumers", server.Kind.Name, peak>>20, sleepers)
	if limit := sleepers*maxPending + budget; peak > limit {
		t.Errorf("%s took %d MiB, more than %d", server.Kind.Name, peak>>20, limit>>20)
	}
}

// TestSlowConsumerOfSmallMessages does the same with one consumer and many small messages.
func TestSlowConsumerOfSmallMessages(t *testing.T) {
	t.Parallel()
	server := startServer(t, subject(), broker.Settings{"max_pending": "2097152"})
	sleeper := rawConnect(t, server.Addr, "CONNECT {\"verbose\":false}\r\nSUB s 1\r\nPING\r\n", "PONG\r\n")
	publisher := connect(t, server)
	payload := make([]byte, 1000)
	for i := range 30_000 {
		must(t, publisher.Publish("s", payload))
		if i%1000 == 0 {
			must(t, publisher.Flush())
		}
	}
	must(t, publisher.Flush())
	must(t, sleeper.SetReadDeadline(time.Now().Add(patience)))
	rest, err := io.ReadAll(sleeper)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("the slow consumer is still connected")
	}
	if strings.Contains(string(rest), "-ERR") {
		t.Error("the slow consumer was told so, but clients do not expect that")
	}
}

// TestConnectionSlot has a client that leaves make room for another one.
func TestConnectionSlot(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.Kind{broker.Oracle, subject()} {
		server := startServer(t, kind, broker.Settings{"max_connections": "1"})
		first := rawConnect(t, server.Addr, "PING\r\n", "PONG\r\n")
		must(t, first.Close())
		eventually(t, kind.Name+": a free slot", func() bool {
			nc, err := nats.Connect(server.URL())
			if err != nil {
				return false
			}
			nc.Close()
			return true
		})
	}
}

// rawConnect connects until the end of the test, sends something and waits for the line that is
// the answer to all of it.
func rawConnect(t *testing.T, addr, send, answer string) net.Conn {
	t.Helper()
	socket, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	must(t, socket.SetDeadline(time.Now().Add(patience)))
	_, err = socket.Write([]byte(send))
	must(t, err)
	// Nothing comes after the answer yet, so that the reader does not take it away.
	lines := bufio.NewReader(socket)
	for line := ""; line != answer; {
		line, err = lines.ReadString('\n')
		must(t, err)
	}
	must(t, socket.SetDeadline(time.Time{}))
	return socket
}
