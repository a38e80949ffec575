package loadtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

func faithful(*fakeServer, int) (int, bool) { return 1, false }

// small is a run of a hundred messages without a warm-up, so that their numbers are known.
func small(s *fakeServer) Config {
	return Config{Targets: []Target{s.target()}, Mode: PubSub, Pubs: 1, Subs: 1, Size: 32, Subject: "a", Group: "q",
		Msgs: 100, Timeout: patience}
}

func ignore(Progress) {}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name      string
		change    func(c *Config)
		published uint64
		delivered uint64
	}{
		{"one to one", func(*Config) {}, 100, 100},
		{"fan-out", func(c *Config) { c.Pubs, c.Subs = 3, 4 }, 100, 400},
		{"no subscribers", func(c *Config) { c.Subs = 0 }, 100, 0},
		{"several subjects", func(c *Config) { c.Subjects = 3 }, 100, 100},
		{"requests", func(c *Config) { c.Mode = Request }, 100, 100},
		{"requests in flight", func(c *Config) { c.Mode, c.Pubs, c.InFlight = Request, 3, 7 }, 100, 100},
		{"paced", func(c *Config) { c.Rate, c.Pubs = 10_000, 2 }, 100, 100},
		{"paced requests", func(c *Config) { c.Mode, c.Rate = Request, 10_000 }, 100, 100},
		{"one at a time", func(c *Config) { c.InFlight = 1 }, 100, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := small(startFakeServer(t, faithful))
			tt.change(&config)
			r, err := Run(t.Context(), config, ignore)
			if err != nil {
				t.Fatal(err)
			}
			if r.Published.Messages != tt.published || r.Delivered.Messages != tt.delivered || r.Latency.Count != int64(tt.delivered) {
				t.Errorf("published %d, delivered %d, with latency %d", r.Published.Messages, r.Delivered.Messages, r.Latency.Count)
			}
			if r.Checks != (Checks{}) || r.Published.PerSecond <= 0 || r.Interrupted {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestWarmupDoesNotCount(t *testing.T) {
	config := small(startFakeServer(t, faithful))
	config.Warmup, config.Rate = 100*time.Millisecond, 1000
	r, err := Run(t.Context(), config, ignore)
	if err != nil {
		t.Fatal(err)
	}
	if r.Published.Messages != 100 || r.Delivered.Messages != 100 {
		t.Errorf("published %d, delivered %d", r.Published.Messages, r.Delivered.Messages)
	}
}

// Whatever a server does wrong is found and counted.
func TestDisorderIsFound(t *testing.T) {
	for _, tt := range []struct {
		name    string
		deliver func(s *fakeServer, n int) (int, bool)
		checks  Checks
		says    string
	}{
		{"loss", func(_ *fakeServer, n int) (int, bool) {
			if n%10 == 3 {
				return 0, false
			}
			return 1, false
		}, Checks{Lost: 10}, "no message arrived for 500ms: 10 of 100 missing"},
		{"duplicates", func(_ *fakeServer, n int) (int, bool) {
			if n%20 == 3 {
				return 2, false
			}
			return 1, false
		}, Checks{Duplicated: 5}, "5 delivered more than once"},
		{"disorder", func(_ *fakeServer, n int) (int, bool) { return 1, n%50 == 7 }, Checks{Reordered: 2}, "2 out of order"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := small(startFakeServer(t, tt.deliver))
			if tt.checks.Lost > 0 {
				config.Timeout = 500 * time.Millisecond // what is lost is waited for
			}
			r, err := Run(t.Context(), config, ignore)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got error %v", err)
			}
			if r.Checks != tt.checks {
				t.Errorf("got %+v, want %+v", r.Checks, tt.checks)
			}
		})
	}
}

func TestServerHangsUp(t *testing.T) {
	s := startFakeServer(t, func(s *fakeServer, n int) (int, bool) {
		if n == 50 {
			s.closeAll()
		}
		return 1, false
	})
	r, err := Run(t.Context(), small(s), ignore)
	if r != nil || err == nil || !strings.Contains(err.Error(), "nats://fake closed the connection of ") {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestServerFallsSilent(t *testing.T) {
	for _, subs := range []int{0, 1} {
		s := startFakeServer(t, func(s *fakeServer, n int) (int, bool) {
			s.deaf = n >= 50
			return 1, false
		})
		config := small(s)
		config.Subs, config.Timeout = subs, 500*time.Millisecond
		_, err := Run(t.Context(), config, ignore)
		var stalled *StalledError
		if !errors.As(err, &stalled) {
			t.Errorf("%d subscribers: got %v", subs, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	one, other := startFakeServer(t, faithful), startFakeServer(t, faithful)
	config := small(one)
	config.Targets, config.Timeout = append(config.Targets, other.target()), 300*time.Millisecond
	_, err := Run(t.Context(), config, ignore)
	if err == nil || !strings.Contains(err.Error(), "are the servers connected to each other?") {
		t.Errorf("got %v", err)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := startFakeServer(t, func(_ *fakeServer, n int) (int, bool) {
		if n == 50 {
			cancel()
		}
		return 1, false
	})
	config := small(s)
	config.Msgs, config.Duration = 0, time.Hour
	r, err := Run(ctx, config, ignore)
	if err != nil || !r.Interrupted || r.Published.Messages < 50 || r.Checks != (Checks{}) {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := Run(ctx, config, ignore); r != nil || !errors.Is(err, ErrInterrupted) {
		t.Errorf("a run that never began: %+v, %v", r, err)
	}
}

func TestProgressGoesOn(t *testing.T) {
	config := small(startFakeServer(t, faithful))
	config.Rate, config.Warmup = 200, 200*time.Millisecond
	last := map[string]float64{}
	var phases []string
	if _, err := Run(t.Context(), config, func(p Progress) {
		if before, ok := last[p.Phase]; !ok {
			phases = append(phases, p.Phase)
		} else if p.Done < before {
			t.Errorf("%s went from %v back to %v", p.Phase, before, p.Done)
		}
		if last[p.Phase] = p.Done; p.Done < 0 || p.Done > 1 {
			t.Errorf("%s is at %v", p.Phase, p.Done)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(phases, ","); !strings.Contains(got, "connecting") || !strings.Contains(got, "warming up,measuring") {
		t.Errorf("phases %s", got)
	}
}
