package chaos

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/lab"
)

// Seconds is a time that something took, [Never] if it was not seen to happen, or [Unmeasured].
type Seconds float64

// Never is later than anything.
var Never = Seconds(math.Inf(1))

// Unmeasured is no time.
var Unmeasured = Seconds(math.NaN())

// Measured reports whether there is such a time.
func (s Seconds) Measured() bool { return !math.IsNaN(float64(s)) }

// Happened reports whether it was seen to happen.
func (s Seconds) Happened() bool { return s.Measured() && !math.IsInf(float64(s), 0) }

func since(from, to time.Time) Seconds { return Seconds(max(0, to.Sub(from).Seconds())) }

// observer looks at what some nodes say of their peers.
type observer struct {
	nodes    []*lab.Node
	watchers []*lab.Watcher

	mutex  sync.Mutex
	routes [][]seen // of each node

	stop  chan struct{}
	works sync.WaitGroup
}

// seen are the names of a node's peers at some time.
type seen struct {
	at    time.Time
	peers map[string]bool
}

// observe begins to look at the nodes.
func observe(nodes []*lab.Node) (*observer, error) {
	o := &observer{nodes: nodes, routes: make([][]seen, len(nodes)), stop: make(chan struct{})}
	for i, n := range nodes {
		w, err := n.Watch()
		if err != nil {
			o.close()
			return nil, err
		}
		o.watchers = append(o.watchers, w)
		o.works.Go(func() { o.poll(i) })
	}
	return o, nil
}

// poll asks a node for its routes, again and again.
func (o *observer) poll(i int) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-o.stop:
			return
		case <-tick.C:
		}
		if peers, err := o.nodes[i].Peers(); err == nil {
			o.mutex.Lock()
			o.routes[i] = append(o.routes[i], seen{time.Now(), peers})
			o.mutex.Unlock()
		}
	}
}

// outOfURLs returns when the last of the nodes stopped telling clients of any of those that are gone,
// if all have, since some time.
func (o *observer) outOfURLs(since time.Time, gone func(observer, other *lab.Node) bool, all []*lab.Node) (time.Time, bool) {
	var last time.Time
	for i, w := range o.watchers {
		var at time.Time
		for _, told := range slices.Backward(w.Told()) {
			if slices.ContainsFunc(all, func(n *lab.Node) bool { return gone(o.nodes[i], n) && told.URLs[n.Addr()] }) {
				break
			}
			at = told.At
		}
		if at.IsZero() || at.Before(since) {
			return at, false
		}
		last = later(last, at)
	}
	return last, true
}

// outOfRoutes likewise returns when the last node had no route to any of them.
func (o *observer) outOfRoutes(since time.Time, gone func(observer, other *lab.Node) bool, all []*lab.Node) (time.Time, bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	var last time.Time
	for i, list := range o.routes {
		var at time.Time
		for _, seen := range slices.Backward(list) {
			if slices.ContainsFunc(all, func(n *lab.Node) bool { return gone(o.nodes[i], n) && seen.peers[n.Name] }) {
				break
			}
			at = seen.at
		}
		if at.IsZero() || at.Before(since) {
			return at, false
		}
		last = later(last, at)
	}
	return last, true
}

// withdrawn counts how often an address was taken back from clients, and a peer was missing among the
// routes that had been there before, both between two times.
func (o *observer) withdrawn(from, to time.Time) (urls, routes int) {
	for _, w := range o.watchers {
		var before map[string]bool
		for _, told := range w.Told() {
			if told.At.After(from) && told.At.Before(to) {
				urls += missing(before, told.URLs)
			}
			before = told.URLs
		}
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for _, list := range o.routes {
		var before map[string]bool
		for _, seen := range list {
			if seen.at.After(from) && seen.at.Before(to) {
				routes += missing(before, seen.peers)
			}
			before = seen.peers
		}
	}
	return urls, routes
}

// missing counts what is in one set and not in the other.
func missing(before, now map[string]bool) (n int) {
	for key := range before {
		if !now[key] {
			n++
		}
	}
	return n
}

func (o *observer) close() {
	close(o.stop)
	o.works.Wait()
	for _, w := range o.watchers {
		w.Close()
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// awaitMesh waits until a client on each node gets answers from a responder on every other one, and
// goes on getting them for the time settle. It returns how long it took, since a time, until the first
// of those answers had come for the last pair of nodes; a node that has just been started may need a
// while to accept clients.
func awaitMesh(nodes []*lab.Node, since0 time.Time, settle, patience time.Duration) (Seconds, error) {
	m := &meeting{works: make([][]time.Time, len(nodes)), stop: make(chan struct{})}
	defer m.close()
	deadline := time.Now().Add(patience)
	clients := make([]*nats.Conn, len(nodes))
	for i, n := range nodes {
		m.works[i] = make([]time.Time, len(nodes))
		for {
			nc, err := n.Connect(nats.Timeout(time.Second))
			if err == nil {
				clients[i] = nc
				m.clients = append(m.clients, nc)
				_, err = nc.Subscribe(fence(n), func(request *nats.Msg) { _ = request.Respond(nil) })
				if err != nil {
					return Never, err
				}
				break
			}
			if time.Now().After(deadline) {
				return Never, err
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	for i := range nodes {
		for j := range nodes {
			if i != j {
				m.asking.Go(func() { m.ask(clients[i], fence(nodes[j]), &m.works[i][j]) })
			}
		}
	}
	for time.Now().Before(deadline) {
		if last, ok := m.settled(settle); ok {
			return since(since0, last), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return Never, fmt.Errorf("no full mesh within %v: %s", patience, m.describe(nodes))
}

func fence(n *lab.Node) string { return "fence." + n.Name }

// meeting is what awaitMesh keeps account of.
type meeting struct {
	clients []*nats.Conn
	stop    chan struct{}
	asking  sync.WaitGroup

	mutex sync.Mutex
	works [][]time.Time // since when one gets answers from the other, zero if not
}

func (m *meeting) ask(nc *nats.Conn, subject string, works *time.Time) {
	for {
		_, err := nc.Request(subject, nil, 300*time.Millisecond)
		m.mutex.Lock()
		switch {
		case err != nil:
			*works = time.Time{}
		case works.IsZero():
			*works = time.Now()
		}
		m.mutex.Unlock()
		select {
		case <-m.stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (m *meeting) settled(settle time.Duration) (last time.Time, ok bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for i, row := range m.works {
		for j, at := range row {
			if i != j && at.IsZero() {
				return last, false
			}
			last = later(last, at)
		}
	}
	return last, time.Since(last) > settle
}

func (m *meeting) describe(nodes []*lab.Node) (text string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for i, row := range m.works {
		for j, at := range row {
			if i != j && at.IsZero() {
				text += fmt.Sprintf("%s gets no answer from %s; ", nodes[i].Name, nodes[j].Name)
			}
		}
	}
	return text
}

func (m *meeting) close() {
	close(m.stop)
	for _, nc := range m.clients {
		nc.Close()
	}
	m.asking.Wait()
}
