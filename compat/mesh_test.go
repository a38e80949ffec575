package compat

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/mesh"
)

var onlyKinds = flag.String("kinds", "", "test only meshes of these kinds of nodes, such as nns for two of nats-server and one of shoal")

// meshPatience is how long to wait for what nodes do among themselves, which normally takes less
// than a second, or two if nats-server has to dial again.
const meshPatience = 30 * time.Second

// forKinds runs a test with meshes of several kinds, at the same time.
func forKinds(t *testing.T, all []string, test func(t *testing.T, kinds string)) {
	for _, kinds := range all {
		if *onlyKinds != "" && *onlyKinds != kinds {
			continue
		}
		t.Run(kinds, func(t *testing.T) {
			t.Parallel()
			test(t, kinds)
		})
	}
}

// newMesh makes a mesh that is stopped at the end of the test. A test that fails shows the logs.
func newMesh(t *testing.T, options mesh.Options) *mesh.Mesh {
	t.Helper()
	options.Shoal = subject()
	m, err := mesh.New(options)
	must(t, err)
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the nodes' logs:\n%s", shorten(m.Log()))
		}
	})
	return m
}

// startMesh starts a mesh and waits until it is complete.
func startMesh(t *testing.T, options mesh.Options) *mesh.Mesh {
	t.Helper()
	m := newMesh(t, options)
	must(t, m.Start())
	awaitMesh(t, m)
	return m
}

// awaitMesh waits until a mesh is complete.
func awaitMesh(t *testing.T, m *mesh.Mesh) {
	t.Helper()
	if err := m.Await(meshPatience); err != nil {
		t.Fatal(err)
	}
}

// shorten drops the lines of a log that say least, and its beginning if it is very long.
func shorten(log string) string {
	const limit = 60_000
	var out strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "Client connection created") && !strings.Contains(line, "Ping Timer") &&
			!strings.Contains(line, "PINGs") && !strings.Contains(line, "Client connection closed") {
			out.WriteString(line)
		}
	}
	text := out.String()
	return text[max(0, len(text)-limit):]
}

// connectNode connects a client to a node until the end of the test. It stays with the node, and
// errors that the server reports fail the test.
func connectNode(t *testing.T, n *mesh.Node, options ...nats.Option) *nats.Conn {
	t.Helper()
	all := append([]nats.Option{
		nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("%s: %v", n, err) }),
	}, options...)
	nc, err := n.Connect(all...)
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// connectNodes connects a client to each of the nodes.
func connectNodes(t *testing.T, nodes []*mesh.Node) []*nats.Conn {
	t.Helper()
	clients := make([]*nats.Conn, len(nodes))
	for i, n := range nodes {
		clients[i] = connectNode(t, n)
	}
	return clients
}

// flushAll makes sure that the servers have dealt with what the clients have sent, and that the
// clients have got what the servers had sent before.
func flushAll(t *testing.T, clients ...*nats.Conn) {
	t.Helper()
	for _, nc := range clients {
		must(t, nc.FlushTimeout(meshPatience))
	}
}

// settle waits until everything that the clients have sent has arrived where it had to.
func settle(t *testing.T, m *mesh.Mesh, clients ...*nats.Conn) {
	t.Helper()
	flushAll(t, clients...)
	must(t, m.AwaitInterest(meshPatience))
	flushAll(t, clients...)
}

// watch connects a watcher to a node until the end of the test.
func watch(t *testing.T, n *mesh.Node) *mesh.Watcher {
	t.Helper()
	w, err := n.Watch()
	must(t, err)
	t.Cleanup(w.Close)
	return w
}

// stall is how long a tally waits for the next message before it takes the rest for lost.
const stall = 10 * time.Second

// tally counts messages that are numbered from 0 on.
type tally struct {
	what   string
	counts []atomic.Int32
	total  atomic.Int64
}

func newTally(messages int, format string, args ...any) *tally {
	return &tally{what: fmt.Sprintf(format, args...), counts: make([]atomic.Int32, messages)}
}

// number is the payload of message number i.
func number(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// add counts a message.
func (c *tally) add(m *nats.Msg) {
	if len(m.Data) < 8 {
		return
	}
	if i := binary.BigEndian.Uint64(m.Data); i < uint64(len(c.counts)) {
		c.counts[i].Add(1)
		c.total.Add(1)
	}
}

// await waits until as many messages have come as there are, or no more come.
func (c *tally) await() { c.awaitCount(len(c.counts)) }

// awaitCount waits until that many messages have come, or no more come.
func (c *tally) awaitCount(count int) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, since := int64(-1), time.Now()
	for range tick.C {
		switch now := c.total.Load(); {
		case now >= int64(count):
			return
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) > stall:
			return
		}
	}
}

// check fails the test unless the first messages, all but those that were never sent, came once.
func (c *tally) check(t *testing.T, sent int) {
	t.Helper()
	lost, doubled, example := 0, 0, -1
	for i := range c.counts[:sent] {
		n := c.counts[i].Load()
		switch {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
		if n != 1 && example < 0 {
			example = i
		}
	}
	if example >= 0 {
		t.Errorf("%s: of %d messages %d are lost and %d came more than once, such as number %d, %d times",
			c.what, sent, lost, doubled, example, c.counts[example].Load())
	}
}

// isShoal reports whether all nodes are shoal itself, and not something that stands for it.
func isShoal(nodes ...*mesh.Node) bool {
	for _, n := range nodes {
		if n.Kind.Name != broker.Shoal.Name {
			return false
		}
	}
	return true
}

// awaitTrue polls until the condition holds.
func awaitTrue(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := mesh.Poll(meshPatience, func() error {
		if !condition() {
			return errUnsettled
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// errUnsettled is what polls report that wait for something in particular.
var errUnsettled = errors.New("this has not happened")
