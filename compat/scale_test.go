package compat

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

// TestManyConnections has thousands of connections get one broadcast.
func TestManyConnections(t *testing.T) {
	const connections = 5000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < connections+1000 {
		t.Skipf("the limit of open files is %d, %d connections need more: %v", limit.Cur, connections, err)
	}
	compareRuns(t, nil, func(t *testing.T, server *broker.Server, note func(string, ...any)) {
		var once, twice atomic.Int64
		all := connectMany(t, server, connections, func(nc *nats.Conn) error {
			var got atomic.Int64
			_, err := nc.Subscribe("news", func(*nats.Msg) {
				once.Add(1)
				if got.Add(1) > 1 {
					twice.Add(1)
				}
			})
			return err
		})
		publisher := connect(t, server)
		must(t, publisher.Publish("news", []byte("extra")))
		must(t, publisher.Flush())
		eventually(t, "the broadcast for all", func() bool { return once.Load() >= connections })
		inParallel(t, connections, func(i int) error { return all[i].Flush() })
		note("%d got it, %d twice", once.Load(), twice.Load())
	})
}

// connectMany makes connections that are prepared as told, and flushed.
func connectMany(t *testing.T, server *broker.Server, count int, prepare func(*nats.Conn) error) []*nats.Conn {
	t.Helper()
	all := make([]*nats.Conn, count)
	inParallel(t, count, func(i int) error {
		nc, err := nats.Connect(server.URL(), nats.NoReconnect(), nats.Timeout(patience))
		if err != nil {
			return err
		}
		all[i] = nc
		if err := prepare(nc); err != nil {
			return err
		}
		return nc.Flush()
	})
	t.Cleanup(func() {
		for _, nc := range all {
			nc.Close()
		}
	})
	return all
}

// inParallel calls a function with 0 to count-1, some at a time.
func inParallel(t *testing.T, count int, call func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	var failure atomic.Pointer[error]
	var done atomic.Int64
	for range 50 {
		group.Go(func() {
			for i := done.Add(1) - 1; i < int64(count) && failure.Load() == nil; i = done.Add(1) - 1 {
				if err := call(int(i)); err != nil {
					failure.Store(&err)
				}
			}
		})
	}
	group.Wait()
	if err := failure.Load(); err != nil {
		t.Fatal(*err)
	}
}

// TestManySubscriptions has one connection with many subscriptions.
func TestManySubscriptions(t *testing.T) {
	const subscriptions, wildcards, messages = 100_000, 1000, 5000
	compareRuns(t, nil, func(t *testing.T, server *broker.Server, note func(string, ...any)) {
		subscriber, publisher := connect(t, server), connect(t, server)
		received := make(chan *nats.Msg, 2*messages+1)
		for i := range subscriptions {
			subject := fmt.Sprintf("s.%d.%d", i%wildcards, i)
			if i < wildcards {
				subject = fmt.Sprintf("s.%d.*", i)
			}
			_, err := subscriber.ChanSubscribe(subject, received)
			must(t, err)
		}
		must(t, subscriber.Flush())
		for i := range messages {
			n := wildcards + i*17
			must(t, publisher.Publish(fmt.Sprintf("s.%d.%d", n%wildcards, n), nil))
		}
		must(t, publisher.Flush())
		must(t, subscriber.Flush())
		var got []string
		for range 2 * messages {
			got = append(got, (<-received).Subject)
		}
		slices.Sort(got)
		note("%d and %d more: %v", len(got), len(received), got[:20])
		for i := 0; i < len(got); i += 2 {
			if got[i] != got[i+1] || i > 0 && got[i] == got[i-1] {
				t.Fatalf("not each message came twice: %v", got[max(i-2, 0):i+4])
			}
		}
	})
}
