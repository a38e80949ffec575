package node

import (
	"context"
	"math"
	"sync"
	"time"
)

// The node remembers for a while how much its clients have sent and received, and how much goes over each
// route, so that whoever begins to look at it sees where it comes from.
const (
	sampleEvery = 5 * time.Second
	samplesKept = int(10 * time.Minute / sampleEvery)
)

// Sample is how much clients have sent and received in the time before a moment, per second.
type Sample struct {
	Time     int64   `json:"t"` // in Unix milliseconds
	InMsgs   float64 `json:"in_msgs"`
	OutMsgs  float64 `json:"out_msgs"`
	InBytes  float64 `json:"in_bytes"`
	OutBytes float64 `json:"out_bytes"`
}

// rate is the traffic of a connection, per second.
type rate struct{ msgs, bytes float64 }

// history is what a node remembers of its traffic.
type history struct {
	mu      sync.Mutex // guards the rest
	samples []Sample   // the newest last
	routes  map[uint64]rate

	// The counters as they were at the time of the last sample.
	last     time.Time
	clients  traffic
	byRoute  map[uint64]traffic
	subjects subjectRates
}

// run takes samples until ctx ends.
func (h *history) run(ctx context.Context, n *Node) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	h.take(n, time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.take(n, now)
		}
	}
}

// take takes a sample.
func (h *history) take(n *Node, now time.Time) {
	_, clients := n.clients.total()
	byRoute := make(map[uint64]traffic)
	for _, r := range n.routes.registered() {
		byRoute[r.id] = r.traffic()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !now.After(h.last) {
		return
	}
	passed := now.Sub(h.last)
	per := func(now, before uint64) float64 { return perSecond(now, before, passed) }
	if !h.last.IsZero() {
		if len(h.samples) == samplesKept {
			h.samples = append(h.samples[:0], h.samples[1:]...)
		}
		h.samples = append(h.samples, Sample{
			Time:     now.UnixMilli(),
			InMsgs:   per(clients.traffic.inMsgs, h.clients.inMsgs),
			OutMsgs:  per(clients.traffic.outMsgs, h.clients.outMsgs),
			InBytes:  per(clients.traffic.inBytes, h.clients.inBytes),
			OutBytes: per(clients.traffic.outBytes, h.clients.outBytes),
		})
		h.routes = make(map[uint64]rate, len(byRoute))
		for id, t := range byRoute {
			before := h.byRoute[id]
			h.routes[id] = rate{
				msgs:  per(t.inMsgs+t.outMsgs, before.inMsgs+before.outMsgs),
				bytes: per(t.inBytes+t.outBytes, before.inBytes+before.outBytes),
			}
		}
	}
	h.last, h.clients, h.byRoute = now, clients.traffic, byRoute
	h.subjects.take(n, now)
}

// perSecond returns the rate of a counter that has grown, to a tenth.
func perSecond(now, before uint64, passed time.Duration) float64 {
	if now < before {
		return 0
	}
	return math.Round(10*float64(now-before)/passed.Seconds()) / 10
}

// get returns the samples, or the last one only.
func (h *history) get(all bool) []Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := 0
	if !all {
		from = max(0, len(h.samples)-1)
	}
	return append([]Sample(nil), h.samples[from:]...)
}

// ofRoute returns the traffic of a route.
func (h *history) ofRoute(id uint64) rate {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.routes[id]
}
