package chaos

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/lab"
)

const (
	queueRate = 500 // messages a second to the queue group
	plainRate = 200 // and of each publisher to the subscribers
	// late is how long a message may take before it counts as late. Whoever asked has given up, or
	// thinks of it.
	late = time.Second
)

// ledger is what became of the messages that one publisher sent to one receiver, or to one group.
type ledger struct {
	mutex sync.Mutex
	list  []entry
}

// entry is one message.
type entry struct {
	sent, came time.Time // came is zero as long as it has not
	count      int
}

// next notes that a message is sent now, and returns its number.
func (l *ledger) next(now time.Time) uint32 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.list = append(l.list, entry{sent: now})
	return uint32(len(l.list) - 1)
}

func (l *ledger) received(number uint32, now time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	e := &l.list[number]
	if e.count == 0 {
		e.came = now
	}
	e.count++
}

// between returns the messages that were sent at from or later, and before to.
func (l *ledger) between(from, to time.Time) []entry {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var some []entry
	for _, e := range l.list {
		if !e.sent.Before(from) && e.sent.Before(to) {
			some = append(some, e)
		}
	}
	return some
}

// missed reports whether nobody got the message in time.
func (e entry) missed() bool { return e.count == 0 || e.came.Sub(e.sent) > late }

// Tally counts what became of messages.
type Tally struct{ Sent, Lost, Late, Doubled int }

func (t *Tally) add(entries []entry) {
	for _, e := range entries {
		t.Sent++
		switch {
		case e.count == 0:
			t.Lost++
		case e.missed():
			t.Late++
		}
		t.Doubled += max(0, e.count-1)
	}
}

// load is what clients do all the time: on the first and on the third node somebody publishes to a
// subscriber on every node, and the first has work for a queue group with a member on the second node
// and one on the last.
type load struct {
	queue ledger
	plain map[[2]int]*ledger // by the numbers of the nodes of the publisher and of the subscriber

	clients []*nats.Conn
	stop    chan struct{}
	works   sync.WaitGroup
}

// publishers are the nodes with a publisher for the subscribers.
var publishers = []int{0, 2}

func startLoad(nodes []*lab.Node) (*load, error) {
	l := &load{plain: map[[2]int]*ledger{}, stop: make(chan struct{})}
	var err error
	connect := func(node int) *nats.Conn {
		nc, e := nodes[node].Connect()
		err = errors.Join(err, e)
		l.clients = append(l.clients, nc)
		return nc
	}
	for node := range nodes {
		nc := connect(node)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		for _, publisher := range publishers {
			l.plain[[2]int{publisher, node}] = &ledger{}
		}
		sub, e := nc.Subscribe("news", func(m *nats.Msg) {
			now := time.Now()
			publisher := int(binary.BigEndian.Uint32(m.Data[4:]))
			l.plain[[2]int{publisher, node}].received(binary.BigEndian.Uint32(m.Data), now)
		})
		err = errors.Join(err, e, sub.SetPendingLimits(-1, -1), nc.Flush())
	}
	for _, node := range []int{1, len(nodes) - 1} {
		if nc := connect(node); err == nil {
			_, err = nc.QueueSubscribe("work", "workers", func(m *nats.Msg) {
				l.queue.received(binary.BigEndian.Uint32(m.Data), time.Now())
			})
			err = errors.Join(err, nc.Flush())
		}
	}
	producer := connect(0)
	var sources []*nats.Conn
	for _, publisher := range publishers {
		sources = append(sources, connect(publisher))
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	time.Sleep(500 * time.Millisecond) // for the news of the subscriptions
	l.every(queueRate, func(now time.Time) {
		_ = producer.Publish("work", payload(l.queue.next(now), 0)) // what cannot be sent is lost, and counted
	})
	for i, publisher := range publishers {
		l.every(plainRate, func(now time.Time) {
			var number uint32
			for node := range nodes {
				number = l.plain[[2]int{publisher, node}].next(now)
			}
			_ = sources[i].Publish("news", payload(number, publisher))
		})
	}
	return l, nil
}

// payload is 128 bytes, as small messages are.
func payload(number uint32, publisher int) []byte {
	data := make([]byte, 128)
	binary.BigEndian.PutUint32(data, number)
	binary.BigEndian.PutUint32(data[4:], uint32(publisher))
	return data
}

// every calls do so many times a second until the load ends. What is late is made up for.
func (l *load) every(rate int, do func(now time.Time)) {
	l.works.Go(func() {
		tick := time.NewTicker(max(time.Second/time.Duration(rate), 2*time.Millisecond))
		defer tick.Stop()
		began, done := time.Now(), 0
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			for now := time.Now(); done < int(now.Sub(began).Seconds()*float64(rate)); done++ {
				do(now)
			}
		}
	})
}

// finish ends the load, and waits for what is still on its way.
func (l *load) finish() {
	close(l.stop)
	l.works.Wait()
	time.Sleep(late + 500*time.Millisecond)
}

func (l *load) close() error {
	for _, nc := range l.clients {
		if nc != nil {
			nc.Close()
		}
	}
	return nil
}
