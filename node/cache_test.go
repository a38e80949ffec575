package node

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"
)

// subscribed returns a node with one subscription for each of so many subjects, and those subjects.
func subscribed(t testing.TB, n int) (*Node, [][]byte) {
	node, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	null := newSink(t)
	c := node.newClient(null)
	var subjects [][]byte
	for i := range n {
		s := &subscription{conn: &c.conn, subject: fmt.Sprintf("region.%d.device.%d.status", i%50, i), sid: fmt.Sprint(1000 + i)}
		node.accounts.global.index.Insert(s.subject, "", s)
		subjects = append(subjects, []byte(s.subject))
	}
	return node, subjects
}

// BenchmarkLookup measures what a reader needs to learn who receives a message.
func BenchmarkLookup(b *testing.B) {
	for _, bench := range []struct {
		name     string
		subjects int
	}{
		{"same subject", 1},
		{"100 subjects", 100}, // all in the cache
		{"50000 subjects", 50_000},
	} {
		b.Run(bench.name, func(b *testing.B) {
			node, subjects := subscribed(b, bench.subjects)
			publisher := node.newClient(newSink(b))
			c := &publisher.resume().cache
			for range 3 {
				for _, s := range subjects {
					c.lookup(s)
				}
				c.flushed()
			}
			b.ReportAllocs()
			i, at := 0, 0
			for b.Loop() {
				if len(c.lookup(subjects[at]).groups) != 1 {
					b.Fatal("not found")
				}
				if at++; at == len(subjects) {
					at = 0
				}
				if i++; i%100 == 0 {
					c.flushed()
				}
			}
		})
	}
}

// TestCacheAdmitsWhatComesInTurn looks a few thousand subjects up in one order again and again. Many share
// a place in the table of those seen once, and must not keep each other out of the cache.
func TestCacheAdmitsWhatComesInTurn(t *testing.T) {
	node, subjects := subscribed(t, 2000)
	c := &node.newClient(newSink(t)).resume().cache
	random := rand.New(rand.NewPCG(1, 2))
	order := make([]int, 3*len(subjects))
	different := make(map[int]bool)
	for i := range order {
		order[i] = random.IntN(len(subjects))
		different[order[i]] = true
	}
	for range 100 {
		for _, i := range order {
			c.lookup(subjects[i])
		}
		c.flushed()
	}
	if c.admitted < len(different)*99/100 {
		t.Errorf("%d of %d subjects are remembered", c.admitted, len(different))
	}
}

// TestCacheDropsWhatIsUsedNoMore has two messages go to each of very many inboxes, in two accounts, as responses
// of several parts do. They must not pile up, nor push out what is used all the time.
func TestCacheDropsWhatIsUsedNoMore(t *testing.T) {
	const inboxes = 5 * mostUnused
	node, subjects := subscribed(t, 100)
	c := &node.newClient(newSink(t)).resume().cache
	home := c.account
	for _, s := range subjects {
		c.lookup(s)
		c.lookup(s)
	}
	most := int64(0)
	for i := range inboxes {
		for _, a := range []*account{node.accounts.system, home} {
			c.enter(a)
			for range 2 {
				c.lookup(fmt.Appendf(nil, "_INBOX.%d", i))
			}
		}
		before := c.resolved
		if c.lookup(subjects[i%len(subjects)]); c.resolved != before {
			t.Fatalf("after %d inboxes, a subject is looked up anew", i)
		}
		c.flushed()
		most = max(most, c.bytes)
	}
	if limit := int64(2 * mostUnused * (entryBytes + len("_INBOX.10000"))); most > limit {
		t.Errorf("up to %d bytes are remembered, of %d inboxes that are used no more", most, inboxes)
	}
	if got := node.cached.Load(); got != int64(c.admitted) {
		t.Errorf("the node counts %d entries, there are %d", got, c.admitted)
	}
	if got := node.cacheBytes.Load(); got != c.bytes {
		t.Errorf("the node counts %d bytes, the cache %d", got, c.bytes)
	}
	c.forget()
	if bytes, entries := node.cacheBytes.Load(), node.cached.Load(); bytes != 0 || entries != 0 {
		t.Errorf("%d bytes of %d entries are left of an empty cache", bytes, entries)
	}
}

// TestCacheLetsGoOfConnections has many subscribers come and go, and wants their memory to be freed
// although the publisher that knew them goes on.
func TestCacheLetsGoOfConnections(t *testing.T) {
	const subscribers = 300
	n := startNode(t, Options{})
	p := dial(t, n, quiet)
	p.sync()
	var peers []*peer
	for range subscribers {
		q := dial(t, n, quiet+"SUB s 1\r\n")
		q.sync()
		peers = append(peers, q)
	}
	publish := func() { p.send("PUB s 1\r\n!\r\n"); p.sync() }
	publish()
	publish()
	var gone []weak.Pointer[client]
	for _, c := range n.clients.all()[1:] {
		gone = append(gone, weak.Make(c))
	}
	for _, q := range peers {
		q.nc.Close()
	}
	eventually(t, "the subscribers have left", func() bool { return n.Stats().Connections == 1 })
	p.send("SUB own 1\r\n")
	eventually(t, "nothing holds them", func() bool {
		publish()
		p.send("PUB own 0\r\n\r\n") // the last message must not hold them either
		p.want(message("own", "1", ""))
		runtime.GC()
		for _, c := range gone {
			if c.Value() != nil {
				return false
			}
		}
		return true
	})
}
