package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// began is when the tests' load began; a message is published every 10 ms.
func began() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func at(seconds float64) time.Time {
	return began().Add(time.Duration(seconds * float64(time.Second)))
}

// testLoad has one publisher, and subscribers that got everything in ten seconds, of which the first
// is before the first step and the last five are the second step.
func testLoad(subscribers int) *load {
	l := newLoad(options{servers: []string{"a"}})
	p := &publisher{client: &client{}}
	l.publishers = []*publisher{p}
	l.requesters, l.responders = []*client{{}}, []*client{{}}
	l.steps.begin(at(1), "one")
	l.steps.begin(at(5), "two")
	for range subscribers {
		l.subscribers = append(l.subscribers, &subscriber{client: &client{}, received: newReceived(1, &l.steps)})
	}
	for i := range 1000 {
		now := began().Add(time.Duration(i) * 10 * time.Millisecond)
		number := p.next(now)
		for _, s := range l.subscribers {
			s.received.message(0, number, now)
		}
	}
	return l
}

// lose takes messages from what a subscriber has received.
func (s *subscriber) lose(from, to float64) {
	for i := int(from * 100); i < int(to*100); i++ {
		s.received.counts[0][i] = 0
	}
}

func (c *client) move(closed, again float64) {
	c.moves.closed(at(closed))
	c.moves.made(at(again))
}

func TestReport(t *testing.T) {
	l := testLoad(3)
	mover, stayer, victim := l.subscribers[0], l.subscribers[1], l.subscribers[2]
	mover.move(6, 6.5)
	mover.lose(6, 6.4)
	l.publishers[0].move(2, 2.2)
	stayer.lose(2, 2.1)
	victim.lose(8, 8.02)
	victim.received.message(0, 901, at(10)) // once more
	for _, r := range []request{
		{sent: at(0.5), err: nats.ErrTimeout},
		{sent: at(1.5), took: time.Second},
		{sent: at(5.9), took: 3 * time.Second, err: nats.ErrTimeout},
		{sent: at(6.1), err: nats.ErrNoResponders},
		{sent: at(9), err: nats.ErrTimeout},
	} {
		l.asked.add(r)
	}
	l.responders[0].move(6, 6.1)

	r := l.report()
	one, two := r.steps[0], r.steps[1]
	gap := 10 * time.Millisecond
	if want := (subscriberReport{subscribers: 3, received: 1190, sending: 10, gap: gap}); one.stayed != want {
		t.Errorf("in step one, got  %+v\nwant %+v", one.stayed, want)
	}
	if want := (subscriberReport{}); one.moved != want {
		t.Errorf("in step one, got %+v of subscribers that moved", one.moved)
	}
	if want := (subscriberReport{subscribers: 1, received: 460, moving: 40, gap: gap}); two.moved != want {
		t.Errorf("in step two, got  %+v\nwant %+v", two.moved, want)
	}
	if want := (subscriberReport{subscribers: 2, received: 998, duplicates: 1, lost: 2, gap: gap}); two.stayed != want {
		t.Errorf("in step two, got  %+v\nwant %+v", two.stayed, want)
	}
	if one.asked != (requestReport{answered: 1, slowest: time.Second}) {
		t.Errorf("in step one, got %+v", one.asked)
	}
	if a := two.asked; a.answered != 0 || a.cut != 1 || a.failed != 2 || !errors.Is(a.example, nats.ErrNoResponders) {
		t.Errorf("in step two, got %+v", a)
	}

	var table strings.Builder
	r.write(&table)
	for _, row := range []string{
		"one 3 stayed 1,190 10 0 10 0 10 ms",
		"two 1 moved 460 40 40 0 0 10 ms",
		"2 stayed 998 2 0 0 1 10 ms",
		"two 3 0 1 2 3000 ms",
	} {
		if !strings.Contains(strings.Join(strings.Fields(table.String()), " "), row) {
			t.Errorf("no row %q in\n%s", row, table.String())
		}
	}
	verdict := r.verdict()
	for _, text := range []string{
		"two: 2 messages lost for no reason by subscribers that stayed", "two: 1 messages received twice",
		"two: 2 requests failed that no closed connection explains (nats: no responders available for request)",
	} {
		if verdict == nil || !strings.Contains(verdict.Error(), text) {
			t.Errorf("the verdict %v does not say %q", verdict, text)
		}
	}
}

func TestVerdictOfFaultlessUpgrade(t *testing.T) {
	l := testLoad(1)
	l.subscribers[0].move(6, 7)
	l.subscribers[0].lose(5.9, 7.1) // the margin included
	if err := l.report().verdict(); err != nil {
		t.Error(err)
	}
}

func TestLongestGap(t *testing.T) {
	l := testLoad(1)
	s := l.subscribers[0]
	s.received.message(0, 1000, at(11.5))
	r := l.report()
	if got, want := r.steps[1].stayed.gap, at(11.5).Sub(at(9.99)); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestShares(t *testing.T) {
	l := newLoad(options{servers: make([]string, 3)})
	for rate, want := range map[int][3]int{1: {1, 0, 0}, 5: {2, 2, 1}, 500: {167, 167, 166}, 3: {1, 1, 1}} {
		if got := [3]int{l.share(rate, 0), l.share(rate, 1), l.share(rate, 2)}; got != want {
			t.Errorf("%d is shared as %v, want %v", rate, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
