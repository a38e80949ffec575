package node

import (
	"strings"
	"testing"
	"time"
)

// TestHangingPeerIsAvoided has a peer stop to answer while it is chosen for a queue group, and then answer
// again.
func TestHangingPeerIsAvoided(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	p.send("RS+ $G work crew 1\r\n")
	p.sync()
	r := n.routes.registered()[0]
	r.liveness.connected(time.Millisecond)
	r.vigil.armed.Store(false)
	c := dial(t, n, quiet+"SUB work crew 1\r\n")
	c.sync()
	p.want("RS+ $G work crew 1\r\n")
	// The peer reads, but says nothing.
	eventually(t, "the peer is avoided", func() bool {
		c.send("PUB work 2\r\nhi\r\n")
		return r.avoid.any()
	})
	c.send(strings.Repeat("PUB work 2\r\nhi\r\n", 50) + "PING\r\n")
	local := 0
	for line := c.line(); line != "PONG"; line = c.line() {
		local++
		c.line()
	}
	if local < 50 {
		t.Errorf("%d messages came here", local)
	}
	// It has been asked once, and answers.
	for p.line() != "PING" {
	}
	p.send("PONG\r\n")
	eventually(t, "the peer is chosen again", func() bool { return !r.avoid.any() })
	eventually(t, "the alarm is off", func() bool { return !r.vigil.armed.Load() })
	// Where nobody else is a member, it is chosen all the same.
	r.avoid.set(mute, true)
	p.send("RS+ $G lone crew 1\r\nPING\r\n")
	for p.line() != "PONG" {
	}
	c.send("PUB lone 2\r\nhi\r\n")
	p.want("RMSG $G lone | crew 2\r\nhi\r\n")
}

// TestVigil looks at a route at times that the test chooses.
func TestVigil(t *testing.T) {
	n := startLone(t)
	joinRoute(t, n, "X")
	r := n.routes.registered()[0]
	v := &r.vigil
	for _, tt := range []struct {
		name string
		rtt  time.Duration
		late time.Duration // after the PING
		mute bool
	}{
		{"soon", time.Millisecond, vigilPatience - 1, false},
		{"near and late", time.Millisecond, vigilPatience, true},
		{"far", 300 * time.Millisecond, 600 * time.Millisecond, false},
		{"far and late", 300 * time.Millisecond, 650 * time.Millisecond, true},
		{"unknown", 0, 999 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.liveness.rtt = tt.rtt
			v.seen, v.asked = r.lastIn.Load(), time.Time{}
			r.avoid.set(mute, false)
			now := time.Unix(0, v.seen).Add(vigilInterval)
			r.queued.Store(true)
			if v.look(now).IsZero() || !v.asked.Equal(now) || r.avoid.any() {
				t.Fatalf("asked %v, avoided %v", v.asked, r.avoid.any())
			}
			v.look(now.Add(tt.late))
			if r.avoid.any() != tt.mute {
				t.Errorf("avoided: %v", r.avoid.any())
			}
			v.seen-- // as if something had come
			if !v.look(now.Add(time.Hour)).IsZero() || r.avoid.any() {
				t.Errorf("it goes on, or avoids the peer: %v", r.avoid.any())
			}
		})
	}
}

// TestDrainingWithoutGossip checks that a node which drains is second choice, and then not any more.
func TestDrainingWithoutGossip(t *testing.T) {
	nodes := startMesh(t, 2)
	r := nodes[0].routes.registered()[0]
	if err := nodes[1].Drain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is avoided", r.avoid.any)
	if err := nodes[1].Undrain(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is chosen again", func() bool { return !r.avoid.any() })
}

// A peer that does not answer is closed after the number of PINGs for routes, which a reload may change.
func TestRoutePings(t *testing.T) {
	n := startPeer(t, "n", ClusterOptions{Name: "C", PingInterval: time.Hour, MaxPingsOut: 3}, nil)
	p := joinRoute(t, n, "X")
	r := n.routes.registered()[0]
	for range 2 {
		r.checkPing(time.Now())
		p.want("PING\r\n")
	}
	reload(t, n, func(o *Options) { o.Cluster.MaxPingsOut = 2 })
	r.checkPing(time.Now().Add(2 * time.Hour)) // nothing has come for so long
	p.wantEnd("-ERR 'Stale Connection'\r\n")
}

// TestProbe has a route be probed by several who give it different times.
func TestProbe(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	r := n.routes.registered()[0]
	r.probe(time.Hour)
	p.want("PING\r\n")
	r.probe(2 * time.Hour) // the earlier end counts, and one PING is enough
	began := time.Now()
	if at := r.checkProbe(began); at.IsZero() || at.After(began.Add(time.Hour)) {
		t.Errorf("the route may take until %v", at)
	}
	p.send("PONG\r\n")
	p.sync()
	if at := r.checkProbe(began.Add(time.Hour)); !at.IsZero() {
		t.Errorf("an answer does not end it: %v", at)
	}
	r.probe(time.Hour)
	p.want("PING\r\n")
	r.probe(time.Millisecond)
	r.checkProbe(began.Add(time.Hour)) // until then it has the benefit of having said something just now
	p.wantEnd("-ERR 'Stale Connection'\r\n")
}
