package loadtest

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	calm := Load{Cores: 8, CoresUsed: 1, Readers: 0.3, Publishers: 0.3, Machine: 0.4, SharesMachine: true, Seconds: 5}
	for _, tt := range []struct {
		name   string
		change func(r *Result)
		who    Limiter
		says   string
	}{
		{"calm", func(*Result) {}, LimitServer, "it used 1.0 of 8 cores"},
		{"all cores", func(r *Result) { r.Load.CoresUsed = 6.9 }, LimitClient, "it used 6.9 of 8 cores"},
		{"reader", func(r *Result) { r.Load.Readers = 0.95 }, LimitClient, "a subscriber had more to read than it could in 95 % of the time"},
		{"replies", func(r *Result) { r.Load.Readers, r.Mode = 0.95, Request }, LimitClient, "a client had more to read"},
		{"publisher", func(r *Result) { r.Load.Publishers = 0.99 }, LimitClient, "more of them would publish more"},
		{"paced publisher", func(r *Result) { r.Load.Publishers, r.Rate = 0.99, 100 }, LimitServer, ""},
		{"machine", func(r *Result) { r.Load.Machine = 0.99 }, LimitMachine, "1.0 of 8 with the client"},
		{"somebody else's machine", func(r *Result) { r.Load.Machine, r.Load.SharesMachine = 0.99, false }, LimitServer, ""},
		{"rate", func(r *Result) { r.Rate, r.Published.PerSecond = 100, 99.9 }, LimitRate, "The rate was kept"},
		{"rate not kept", func(r *Result) { r.Rate, r.Published.PerSecond = 100, 50 }, LimitServer, ""},
		{"late", func(r *Result) { r.Rate, r.Load.LateP99, r.Latency.P99 = 100, 5e6, 6e6 }, LimitClient, "up to 5ms late"},
		{"late, but the server is later", func(r *Result) { r.Rate, r.Load.LateP99, r.Latency.P99 = 100, 5e6, 60e6 }, LimitServer, ""},
		{"short", func(r *Result) { r.Load.Seconds, r.Load.CoresUsed = 0.1, 8 }, LimitUnknown, "too short"},
	} {
		r := &Result{Mode: PubSub, Load: calm}
		tt.change(r)
		got := r.judge()
		if got.Who != tt.who || got.Client != (tt.who == LimitClient) || !strings.Contains(got.Reason, tt.says) {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

func TestBusiest(t *testing.T) {
	if got := busiest([]int64{0, 100}, []int64{50, 110}, 100); got != 0.9 {
		t.Errorf("got %v", got)
	}
	if got := busiest(nil, nil, 0); got != 0 {
		t.Errorf("nobody is %v busy", got)
	}
}
