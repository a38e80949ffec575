package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// options say how much load there is.
type options struct {
	servers  []string
	rate     int // messages per second, of all publishers together
	requests int // requests per second, likewise
	readers  int // subscribers, and as many responders, on each node
}

const (
	subject        = "rolling.messages"
	requestSubject = "rolling.requests"
	payloadSize    = 128
	requestTime    = 3 * time.Second // longer than any client is without a connection
)

// load is all clients and what they have seen.
type load struct {
	options
	steps       steps
	publishers  []*publisher
	subscribers []*subscriber
	requesters  []*client
	responders  []*client
	asked       requests

	stop  chan struct{}
	works sync.WaitGroup
}

// client is a connection and when it was cut.
type client struct {
	*nats.Conn
	moves moves
}

type publisher struct {
	*client
	published
}

type subscriber struct {
	*client
	received *received
}

func newLoad(o options) *load { return &load{options: o, stop: make(chan struct{})} }

// connect connects a client to one of the nodes. It knows them all and chooses at random, as an
// application should, so that it takes some attempts for the first connection to be where it is wanted.
func (l *load) connect(node int, name string) (*client, error) {
	for range 1000 {
		c := &client{}
		var err error
		c.Conn, err = nats.Connect(strings.Join(l.servers, ","),
			nats.Name(fmt.Sprintf("%s-%d", name, node+1)),
			nats.MaxReconnects(-1),
			nats.ReconnectWait(100*time.Millisecond),
			nats.DisconnectErrHandler(func(*nats.Conn, error) { c.moves.closed(time.Now()) }),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // what it costs is counted
			nats.ReconnectHandler(func(*nats.Conn) { c.moves.made(time.Now()) }),
		)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", strings.Join(l.servers, ", "), err)
		}
		if c.ConnectedUrl() == l.servers[node] {
			return c, nil
		}
		c.Close()
	}
	return nil, fmt.Errorf("the library never chooses %s", l.servers[node])
}

// start connects all clients, and has them work.
func (l *load) start() error {
	for node := range l.servers {
		if err := l.startReaders(node); err != nil {
			return err
		}
	}
	for node := range l.servers {
		c, err := l.connect(node, "publisher")
		if err != nil {
			return err
		}
		p := &publisher{client: c}
		l.publishers = append(l.publishers, p)
		l.every(l.share(l.rate, node), func(now time.Time) { p.publish(node, now) })

		c, err = l.connect(node, "requester")
		if err != nil {
			return err
		}
		l.requesters = append(l.requesters, c)
		l.every(l.share(l.requests, node), func(now time.Time) {
			l.works.Go(func() { l.ask(node, now) })
		})
	}
	return nil
}

// startReaders connects the subscribers and the responders of a node.
func (l *load) startReaders(node int) error {
	for range l.readers {
		c, err := l.connect(node, "subscriber")
		if err != nil {
			return err
		}
		s := &subscriber{client: c, received: newReceived(len(l.servers), &l.steps)}
		l.subscribers = append(l.subscribers, s)
		sub, err := c.Subscribe(subject, s.message)
		if err != nil {
			return err
		}
		if err := errors.Join(sub.SetPendingLimits(-1, -1), c.Flush()); err != nil {
			return err
		}

		if c, err = l.connect(node, "responder"); err != nil {
			return err
		}
		l.responders = append(l.responders, c)
		_, err = c.QueueSubscribe(requestSubject, "responders", func(m *nats.Msg) {
			_ = m.Respond(m.Data) // if that fails, the requester reports it
		})
		if err := errors.Join(err, c.Flush()); err != nil {
			return err
		}
	}
	return nil
}

// share is the part of a rate that a node has.
func (l *load) share(rate, node int) int {
	return rate/len(l.servers) + min(1, max(0, rate%len(l.servers)-node))
}

// every calls do so many times a second until the load ends. What is late is made up for.
func (l *load) every(rate int, do func(now time.Time)) {
	if rate == 0 {
		return
	}
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

// publish sends the next message of a publisher: its number among the publishers, and its own.
func (p *publisher) publish(node int, now time.Time) {
	data := make([]byte, payloadSize)
	binary.BigEndian.PutUint32(data, uint32(node))
	binary.BigEndian.PutUint64(data[4:], uint64(p.next(now)))
	_ = p.Publish(subject, data) // what it cannot keep while it has no connection is lost, and counted
}

func (s *subscriber) message(m *nats.Msg) {
	s.received.message(int(binary.BigEndian.Uint32(m.Data)), int(binary.BigEndian.Uint64(m.Data[4:])), time.Now())
}

func (l *load) ask(node int, now time.Time) {
	_, err := l.requesters[node].Request(requestSubject, nil, requestTime)
	l.asked.add(request{node, now, time.Since(now), err})
}

// waitUntilReady returns when everybody hears everybody.
func (l *load) waitUntilReady(patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		missing := l.missing()
		if missing == nil || time.Now().After(end) {
			return missing
		}
	}
}

// missing says what does not get through, even before anything is upgraded.
func (l *load) missing() error {
	for i, s := range l.subscribers {
		if p := s.received.unheard(); p >= 0 {
			return fmt.Errorf("subscriber %d on %s hears nothing from the publisher on %s", i,
				s.ConnectedServerName(), l.publishers[p].ConnectedServerName())
		}
	}
	answered := make([]bool, len(l.requesters))
	for _, r := range l.asked.all() {
		answered[r.requester] = answered[r.requester] || r.err == nil
	}
	if i := slices.Index(answered, false); i >= 0 {
		return fmt.Errorf("requests on %s are not answered", l.requesters[i].ConnectedServerName())
	}
	return nil
}

// finish ends the load, and waits for what is still on its way.
func (l *load) finish(patience time.Duration) {
	close(l.stop)
	l.works.Wait()
	total := func() (n int) {
		for _, s := range l.subscribers {
			n += s.received.count()
		}
		return n
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		before := total()
		time.Sleep(500 * time.Millisecond)
		if total() == before {
			return
		}
	}
}

func (l *load) clients() []*client {
	all := slices.Concat(l.requesters, l.responders)
	for _, s := range l.subscribers {
		all = append(all, s.client)
	}
	for _, p := range l.publishers {
		all = append(all, p.client)
	}
	return all
}

func (l *load) close() {
	for _, c := range l.clients() {
		c.Close()
	}
}

// writePlaces tells how many clients each node has.
func (l *load) writePlaces(w io.Writer) {
	places := map[string]int{}
	for _, c := range l.clients() {
		places[c.ConnectedServerName()]++
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		list = append(list, fmt.Sprintf("%s has %d", name, places[name]))
	}
	fmt.Fprintf(w, "Clients: %s.\n", strings.Join(list, ", "))
}
