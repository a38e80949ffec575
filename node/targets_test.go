package node

import (
	"net/url"
	"testing"
	"time"
)

// newTargets returns targets that count how often they have asked to be looked at.
func newTargets(retries int) (t *targets, woken *int) {
	t, woken = new(targets), new(int)
	t.init(retries, func() { *woken++ })
	return t, woken
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// dueNow returns the addresses that are to be dialled, and the attempts.
func dueNow(t *targets, now time.Time) map[string]*target {
	list, _ := t.due(now)
	m := make(map[string]*target)
	for _, a := range list {
		m[a.addr] = a.of
	}
	return m
}

func TestTargetsRetryForEver(t *testing.T) {
	ts, _ := newTargets(0)
	ts.configure(mustURL(t, "nats://somewhere"))
	now := time.Unix(1000, 0)
	longest := time.Duration(0)
	for attempt := 1; attempt <= 100; attempt++ {
		due := dueNow(ts, now)
		p := due["somewhere:6222"]
		if len(due) != 1 || p == nil {
			t.Fatalf("attempt %d: due %v", attempt, due)
		}
		if again := dueNow(ts, now); len(again) != 0 {
			t.Fatal("dialled twice at once")
		}
		if n := ts.failed(p, false, now); n != attempt {
			t.Fatalf("%d attempts counted, want %d", n, attempt)
		}
		_, next := ts.due(now)
		wait := next.Sub(now)
		if wait < minBackoff || wait > maxConfiguredBackoff*6/5 {
			t.Fatalf("attempt %d: waits %v", attempt, wait)
		}
		longest = max(longest, wait)
		now = next
	}
	if longest < maxConfiguredBackoff {
		t.Errorf("waits %v at most, back-off should reach %v", longest, maxConfiguredBackoff)
	}
}

// TestTargetsFoundByName has a name of join lead to a server that then has another address.
func TestTargetsFoundByName(t *testing.T) {
	ts, _ := newTargets(1)
	now := time.Unix(1000, 0)
	found, given := mustURL(t, "nats://found:6222"), mustURL(t, "nats://given:6222")
	ts.configure(given)
	look := func(want int) {
		t.Helper()
		for _, p := range dueNow(ts, now) {
			ts.failed(p, false, now)
		}
		if got := len(ts.all()); got != want {
			t.Errorf("%d targets, want %d", got, want)
		}
	}
	for range 100 {
		now = now.Add(learnedMemory / 2)
		ts.find(found, now)
		ts.find(given, now)
		look(2)
	}
	now = now.Add(learnedMemory + time.Second)
	look(1)
	ts.find(found, now)
	ts.configure(found) // by a reload
	now = now.Add(2 * learnedMemory)
	look(2)
}

func TestTargetsOneAddressOfAServerIsEnough(t *testing.T) {
	ts, _ := newTargets(0)
	now := time.Unix(1000, 0)
	ts.learn(now, "B", "10.0.0.2:6222", 0, false)
	ts.learn(now, "B", "192.168.0.2:6222", 0, false)
	due := dueNow(ts, now)
	if len(due) != 1 {
		t.Fatalf("due %v", due)
	}
	ts.connected("B")
	for _, p := range ts.all() {
		if p.state != targetConnected {
			t.Errorf("%s is %s", p.addr, p.state)
		}
	}
	ts.disconnected("B", now, true, false)
	now = now.Add(minBackoff)
	if due := dueNow(ts, now); len(due) != 1 {
		t.Fatalf("after the loss: due %v", due)
	}
}

func TestTargetsForgetWhoLeaves(t *testing.T) {
	for _, tt := range []struct {
		name    string
		retries int
		left    bool
		fails   int
		after   time.Duration
		want    int
	}{
		{name: "lost", want: 1},
		{name: "left", left: true, want: 0},
		{name: "many attempts", fails: 20, want: 1},
		{name: "retries used up", retries: 3, fails: 4, want: 0},
		{name: "retries left", retries: 3, fails: 3, want: 1},
		{name: "long ago", after: learnedMemory + time.Second, want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts, _ := newTargets(tt.retries)
			now := time.Unix(1000, 0)
			ts.learn(now, "B", "10.0.0.2:6222", 0, false)
			ts.connected("B")
			ts.disconnected("B", now, true, tt.left)
			for range tt.fails {
				now = now.Add(maxLearnedBackoff * 2)
				for _, p := range dueNow(ts, now) {
					ts.failed(p, false, now)
				}
			}
			now = now.Add(tt.after)
			ts.due(now)
			if got := len(ts.all()); got != tt.want {
				t.Errorf("%d targets, want %d", got, tt.want)
			}
		})
	}
}

func TestTargetsStoppedServer(t *testing.T) {
	ts, _ := newTargets(0)
	now := time.Unix(1000, 0)
	ts.learn(now, "B", "10.0.0.2:6222", 0, false)
	ts.connected("B")
	ts.stops(now, "B")
	ts.disconnected("B", now, true, false)
	ts.learn(now, "B", "10.0.0.2:6222", 0, false)
	ts.propose(now, "B", "10.0.0.3:6222", now)
	if all := ts.all(); len(all) != 0 {
		t.Errorf("a server that has stopped is looked for: %+v", all)
	}
	ts.learn(now, "C", "10.0.0.2:6222", 0, false)
	if due := dueNow(ts, now); len(due) != 1 {
		t.Error("another server at its address is not dialled")
	}
	ts.stops(now.Add(learnedMemory+1), "D")
	if ts.stopped("B") || !ts.stopped("D") {
		t.Error("old goodbyes are not forgotten")
	}
}

// TestTargetsServerIsBack has gossip say that a server is back while an attempt waits for it in vain.
func TestTargetsServerIsBack(t *testing.T) {
	for _, failures := range []int{0, 3} {
		ts, _ := newTargets(0)
		now := time.Unix(1000, 0)
		ts.learn(now, "B", "10.0.0.2:6222", 0, false)
		for range failures {
			ts.failed(dueNow(ts, now)["10.0.0.2:6222"], false, now)
			now = now.Add(maxLearnedBackoff * 2)
		}
		p := dueNow(ts, now)["10.0.0.2:6222"]
		stopped := 0
		ts.dials(p, func() { stopped++ })
		ts.propose(now, "B", "10.0.0.2:6222", now)
		ts.propose(now, "B", "10.0.0.2:6222", now)
		ts.dials(p, nil)
		ts.failed(p, false, now)
		// The first attempt is as fresh as the news.
		if again := len(dueNow(ts, now)) == 1; again != (failures > 0) || stopped != min(failures, 1) {
			t.Errorf("after %d failures: stopped %d times, again %v", failures, stopped, again)
		}
	}
}

func TestTargetsNewServerAtAnAddress(t *testing.T) {
	ts, woken := newTargets(0)
	now := time.Unix(1000, 0)
	ts.learn(now, "B", "10.0.0.2:6222", 0, false)
	for range 10 {
		now = now.Add(maxLearnedBackoff * 2)
		for _, p := range dueNow(ts, now) {
			ts.failed(p, false, now)
		}
	}
	before := *woken
	ts.learn(now, "C", "10.0.0.2:6222", 0, false)
	if *woken == before {
		t.Error("nobody was woken")
	}
	if due := dueNow(ts, now); len(due) != 1 {
		t.Error("a new server is not dialled at once")
	}
}

func TestTargetsSettle(t *testing.T) {
	ts, _ := newTargets(0)
	now := time.Unix(1000, 0)
	if !ts.settled() {
		t.Error("no targets, not settled")
	}
	ts.configure(mustURL(t, "nats://a:1"))
	ts.configure(mustURL(t, "nats://b:1"))
	ts.configure(mustURL(t, "nats://c:1"))
	due := dueNow(ts, now)
	ts.failed(due["a:1"], false, now)
	ts.isSelf(due["b:1"], true, now)
	if ts.settled() {
		t.Error("settled before c:1 was tried")
	}
	if routed := ts.identified(due["c:1"], "C"); routed {
		t.Error("C has a route")
	}
	ts.connected("C")
	if !ts.settled() {
		t.Error("not settled")
	}
}
