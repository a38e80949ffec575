package loadtest

import (
	"context"
	"testing"
	"time"
)

func TestCreditFollowsTheSlowest(t *testing.T) {
	c := newCredit(1, 10, clock{time.Now()})
	wake := func(int) { c.wake() }
	a, b := newLedger(0, 2, wake), newLedger(1, 1, wake)
	c.ledgers = []*ledger{a, b}
	key := func(seq uint64) []uint64 { return []uint64{stamp{publisher: 1, seq: seq}.key()} }

	a.add(key(0), nil)
	a.add(key(1), nil)
	b.add(key(0), nil)
	for _, tt := range []struct{ sent, left uint64 }{{1, 10}, {2, 9}, {11, 0}, {12, 0}, {100, 0}} {
		if got := c.left(tt.sent); got != tt.left {
			t.Errorf("%d sent: %d left, want %d", tt.sent, got, tt.left)
		}
	}

	// Who waits goes on when the slowest has received, and not before.
	got := make(chan uint64)
	go func() { got <- c.take(t.Context(), 11, 1) }()
	a.add(key(2), nil)
	b.add(key(1), nil)
	if n := <-got; n != 1 {
		t.Errorf("may send %d", n)
	}
	// The end of the run ends the wait.
	ctx, cancel := context.WithCancel(t.Context())
	go func() { got <- c.take(ctx, 12, 1) }()
	cancel()
	if n := <-got; n != 0 {
		t.Errorf("may send %d after the end", n)
	}
}

func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   int
	}{
		{Config{Pubs: 1, Size: 16}, maxWindow},
		{Config{Pubs: 1, Size: 1 << 20}, minWindow},
		{Config{Pubs: 1000, Size: 1 << 20}, 1},
		{Config{Pubs: 4, Size: 16}, maxWindow / 4},
		{Config{Pubs: 4, Size: 16, InFlight: 3}, 3},
		{Config{Pubs: 4, Mode: Request}, 1},
	} {
		if got := tt.config.window(); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.config, got, tt.want)
		}
	}
}

func TestDue(t *testing.T) {
	r := &run{config: Config{Pubs: 4, Rate: 1000}, start: 5}
	last := int64(-1)
	for n := range 3 {
		for p := range 4 {
			at := r.due(n, p)
			if want := 5 + int64(4*n+p)*1e6; at != want || at <= last {
				t.Errorf("message %d of publisher %d is due at %d, want %d", n, p, at, want)
			}
			last = at
		}
	}
}
