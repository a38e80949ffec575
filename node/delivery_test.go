package node

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestOrderAcrossOverlappingSubscriptions publishes from two clients at once to subscribers whose
// subscriptions overlap, so that they are in several sets of receivers, and checks that each
// publisher's messages arrive in order, completely, and once per subscription.
func TestOrderAcrossOverlappingSubscriptions(t *testing.T) {
	t.Run("written by the reader", func(t *testing.T) { testOrder(t, wideFanOut) })
	t.Run("written by others", func(t *testing.T) { testOrder(t, 1) })
}

func testOrder(t *testing.T, wideFanOut int) {
	const messages = 3000
	n := startNode(t, Options{}, wide(wideFanOut))
	subscribers := [][]string{
		{"SUB s.* 1", "SUB s.a 2", "SUB > 3"},
		{"SUB s.* 1"},
		{"SUB s.a 1", "SUB s.b 1b"},
		{"SUB s.> 9", "SUB s.b 2"},
		{"SUB s.b 27", "SUB s.> 28", "SUB s.* 5", "SUB s.* 6"},
		{"SUB s.> 38", "SUB s.c 39"},
	}
	matches := func(sub, subject string) bool {
		pattern := strings.Fields(sub)[1]
		return pattern == subject || strings.ContainsAny(pattern, "*>")
	}
	var peers []*peer
	for _, subs := range subscribers {
		p := dial(t, n, quiet+strings.Join(subs, "\r\n")+"\r\n")
		p.sync()
		peers = append(peers, p)
	}
	subjectOf := func(i int) string { return []string{"s.a", "s.b", "s.c"}[i%3] }
	var publishers sync.WaitGroup
	for name := range 2 {
		p := dial(t, n, quiet)
		publishers.Go(func() {
			var b strings.Builder
			for i := range messages {
				payload := fmt.Sprintf("%d %d %s", name, i, strings.Repeat("x", i%300))
				fmt.Fprintf(&b, "PUB %s %d\r\n%s\r\n", subjectOf(i), len(payload), payload)
				if b.Len() > 5000 || i == messages-1 {
					if _, err := io.WriteString(p.nc, b.String()); err != nil {
						t.Error(err)
					}
					b.Reset()
				}
			}
		})
	}
	for k, p := range peers {
		total := 0
		for i := range messages {
			for _, sub := range subscribers[k] {
				if matches(sub, subjectOf(i)) {
					total += 2 // publishers
				}
			}
		}
		last := make(map[string]int)  // by publisher: the newest message seen on any subscription
		count := make(map[string]int) // by publisher, message and sid
		for range total {
			fields := strings.Fields(p.line())
			size, _ := strconv.Atoi(fields[3])
			payload := make([]byte, size+2)
			if _, err := io.ReadFull(p.r, payload); err != nil {
				t.Fatal(err)
			}
			var from string
			var seq int
			if _, err := fmt.Sscan(string(payload), &from, &seq); err != nil || subjectOf(seq) != fields[1] {
				t.Fatalf("subscriber %d: bad message %q %q", k, fields, payload)
			}
			if seq < last[from] {
				t.Fatalf("subscriber %d: message %d of %s after %d", k, seq, from, last[from])
			}
			last[from] = seq
			count[fmt.Sprint(from, seq, fields[2])]++
		}
		if len(count) != total {
			t.Fatalf("subscriber %d: %d deliveries differ, want %d", k, len(count), total)
		}
		p.sync()
	}
	publishers.Wait()
}

// TestUnsubscribeIsFinal races publishers against a subscriber that gives its subscription up: once
// that is acknowledged, nothing may come for it, not even under a new subscription with its ID.
func TestUnsubscribeIsFinal(t *testing.T) {
	n := startNode(t, Options{})
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	defer publishers.Wait()
	defer close(stop)
	for range 2 {
		p := dial(t, n, quiet)
		publishers.Go(func() {
			batch := strings.Repeat("PUB busy 4\r\nbusy\r\n", 50)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := io.WriteString(p.nc, batch); err != nil {
					return
				}
			}
		})
	}
	p := dial(t, n, quiet)
	for range 100 {
		p.send("SUB busy 1\r\nPING\r\n")
		for line := ""; line != "PONG"; {
			line = p.line()
		}
		p.send("UNSUB 1\r\nSUB calm 1\r\nPING\r\n")
		for line := ""; line != "PONG"; {
			line = p.line()
		}
		p.send("PUB calm 1\r\n!\r\n")
		p.want(message("calm", "1", "!"))
		p.send("UNSUB 1\r\n")
		p.sync()
	}
}

// TestLimitIsExact races several publishers for the last deliveries of a limited subscription.
func TestLimitIsExact(t *testing.T) {
	const limit, publishers, each = 500, 4, 1000
	n := startNode(t, Options{})
	for _, limitFirst := range []bool{true, false} {
		p := dial(t, n, quiet+"SUB s 1\r\n")
		if limitFirst {
			p.send(fmt.Sprintf("UNSUB 1 %d\r\n", limit))
		}
		p.sync()
		var wg sync.WaitGroup
		for range publishers {
			q := dial(t, n, quiet)
			wg.Go(func() { q.send(strings.Repeat("PUB s 1\r\nx\r\n", each)); q.sync() })
		}
		if !limitFirst {
			p.send(fmt.Sprintf("UNSUB 1 %d\r\n", limit))
		}
		wg.Wait()
		p.send("PING\r\n")
		got := 0
		for p.line() != "PONG" {
			got++
		}
		got /= 2 // a message is two lines
		if limitFirst && got != limit || got < limit || got > publishers*each {
			t.Errorf("limit first: %v: got %d messages, want %d", limitFirst, got, limit)
		}
		q := dial(t, n, quiet+"PUB s 1\r\nx\r\n")
		q.sync()
		p.sync()
	}
	eventually(t, "no subscription is left", func() bool { return n.Stats().Subscriptions == 0 })
}

// TestQueueMembersComeAndGo publishes to a queue group whose members leave and return all the time,
// each waiting until the node has confirmed that it has left. No message may get lost on the way.
func TestQueueMembersComeAndGo(t *testing.T) {
	const messages, churners, batch = 60000, 3, 500
	n := startNode(t, Options{})
	stop := make(chan struct{})
	received := make(chan int)
	read := func(p *peer, left bool) (got int) {
		for line := p.line(); line != "PONG"; line = p.line() {
			if left {
				t.Errorf("%q after the member was told that it has left", line)
			}
			got++
			p.line()
		}
		return got
	}
	for range churners {
		p := dial(t, n, quiet)
		go func() {
			got := 0
			for {
				p.send("SUB work q 1\r\nPING\r\n")
				got += read(p, false)
				p.send("UNSUB 1\r\nPING\r\n")
				got += read(p, false)
				p.send("PING\r\n")
				read(p, true)
				select {
				case <-stop:
					received <- got
					return
				default:
				}
			}
		}()
	}
	steady := dial(t, n, quiet+"SUB work q 1\r\n")
	steady.sync()
	go func() { received <- read(steady, false) }()
	p := dial(t, n, quiet)
	for range messages / batch {
		p.send(strings.Repeat("PUB work 1\r\nx\r\n", batch))
		p.sync()
	}
	close(stop)
	total := 0
	for range churners {
		total += <-received
	}
	steady.send("PING\r\n")
	if total += <-received; total != messages {
		t.Errorf("the group received %d messages, want %d", total, messages)
	}
}

// TestMemberThatIsRefused publishes to a queue group of which a member breaks the protocol. From the
// moment it is sent the error, nothing may be given to it.
func TestMemberThatIsRefused(t *testing.T) {
	const messages = 2000
	n := startNode(t, Options{})
	steady := dial(t, n, quiet+"SUB work q 1\r\n")
	steady.sync()
	bad := dial(t, n, quiet+"SUB work q 1\r\n")
	bad.sync()
	bad.send("nonsense\r\n")
	got := make(chan int)
	go func() {
		data, _ := io.ReadAll(bad.r)
		got <- strings.Count(string(data), "MSG ")
	}()
	p := dial(t, n, quiet)
	for range messages {
		p.send("PUB work 1\r\nx\r\n")
		p.sync()
	}
	steady.send("PING\r\n")
	total := <-got
	for line := steady.line(); line != "PONG"; line = steady.line() {
		total++
		steady.line()
	}
	if total != messages {
		t.Errorf("the group received %d messages, want %d", total, messages)
	}
}

// TestOneMessageToManySubscriptions delivers a message so often to one connection that it must be
// flushed in parts.
func TestOneMessageToManySubscriptions(t *testing.T) {
	const subs, size = 300, 64 << 10
	n := startNode(t, Options{}, wide(1+rand.IntN(2)))
	p := dial(t, n, quiet)
	var b strings.Builder
	for sid := range subs {
		fmt.Fprintf(&b, "SUB s %d\r\n", sid)
	}
	p.send(b.String() + "UNSUB 0\r\n")
	p.sync()
	payload := strings.Repeat("x", size)
	for _, from := range []*peer{p, dial(t, n, quiet)} { // itself, and another
		from.send(fmt.Sprintf("UNSUB 0\r\nPUB s %d\r\n%s\r\n", size, payload))
		seen := make(map[string]bool)
		for range subs - 1 {
			fields := strings.Fields(p.line())
			if len(fields) != 4 || fields[0] != "MSG" || seen[fields[2]] {
				t.Fatalf("got %q", fields)
			}
			seen[fields[2]] = true
			p.want(payload + "\r\n")
		}
		p.sync()
	}
}

func TestQueueGroups(t *testing.T) {
	const messages = 6000
	n := startNode(t, Options{})
	var members []*peer
	for range 3 {
		p := dial(t, n, quiet+"SUB work q 1\r\nSUB work.> q 2\r\nSUB work other 3\r\n")
		p.sync()
		members = append(members, p)
	}
	p := dial(t, n, quiet+strings.Repeat("PUB work 1\r\nx\r\n", messages))
	p.sync()
	counts := make(map[string]int)
	for i, m := range members {
		m.send("PING\r\n")
		for line := m.line(); line != "PONG"; line = m.line() {
			sid := strings.Fields(line)[2]
			counts[sid]++
			counts[fmt.Sprint(i, " ", sid)]++
			m.line()
		}
	}
	if counts["1"] != messages || counts["3"] != messages || counts["2"] != 0 {
		t.Errorf("the groups received %v, want %d each", counts, messages)
	}
	for i := range members {
		if got := counts[fmt.Sprint(i, " 1")]; got < messages/3/2 || got > messages/3*2 {
			t.Errorf("member %d received %d of %d", i, got, messages)
		}
	}
}

// TestManyReceivers compares what random subscriptions of a few clients receive with a model. Their
// IDs are equal, or equally long, or neither.
func TestManyReceivers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := startNode(t, Options{}, wide(rapid.SampledFrom([]int{1, wideFanOut}).Draw(rt, "wide")))
		subjects := []string{"a", "b", "a.b", "a.c"}
		patterns := map[string][]string{
			"a": {"a"}, "b": {"b"}, "a.b": {"a.b"}, "a.*": {"a.b", "a.c"}, ">": subjects, "*": {"a", "b"},
		}
		names := rapid.SampledFrom([]string{"a", "b", "a.b", "a.*", ">", "*"})
		var peers []*peer
		want := make([]map[string]int, rapid.IntRange(1, 4).Draw(rt, "clients"))
		published := rapid.SliceOfN(rapid.SampledFrom(subjects), 1, 40).Draw(rt, "published")
		for i := range want {
			want[i] = make(map[string]int)
			p := dial(t, n, quiet)
			sids := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{1, 2, 3, 40, 50, 60, 700, 800}), 0, 6, rapid.ID)
			for _, sid := range sids.Draw(rt, "sids") {
				pattern := names.Draw(rt, "pattern")
				p.send(fmt.Sprintf("SUB %s %d\r\n", pattern, sid))
				for k, s := range published {
					for _, m := range patterns[pattern] {
						if m == s {
							want[i][fmt.Sprintf("MSG %s %d %d", s, sid, len(strconv.Itoa(k)))+" "+strconv.Itoa(k)]++
						}
					}
				}
			}
			p.sync()
			peers = append(peers, p)
		}
		var b strings.Builder
		for k, s := range published {
			fmt.Fprintf(&b, "PUB %s %d\r\n%d\r\n", s, len(strconv.Itoa(k)), k)
		}
		sender := dial(t, n, quiet+b.String())
		sender.sync()
		for i, p := range peers {
			p.send("PING\r\n")
			got := make(map[string]int)
			last := -1
			for line := p.line(); line != "PONG"; line = p.line() {
				payload := p.line()
				k, _ := strconv.Atoi(payload)
				if k < last {
					rt.Fatalf("client %d: message %d after %d", i, k, last)
				}
				last = k
				got[line+" "+payload]++
			}
			if fmt.Sprint(got) != fmt.Sprint(want[i]) {
				rt.Fatalf("client %d: got %v, want %v", i, got, want[i])
			}
		}
	})
}
