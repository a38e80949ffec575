package node

import (
	"fmt"
	"strings"
	"testing"
)

func TestAccountIndex(t *testing.T) {
	// As nats-server spreads them over a pool of three.
	for account, want := range map[string]int{"$G": 2, "$SYS": 0, "A": 0, "B": 0, "CC": 2, "ORDERS": 1} {
		if got := accountIndex(account, 3); got != want {
			t.Errorf("%s: %d, want %d", account, got, want)
		}
	}
}

func TestNegotiateCompression(t *testing.T) {
	for _, tt := range []struct{ ours, theirs, want string }{
		{"off", "", "off"},
		{"off", "accept", "off"},
		{"off", "s2_fast", "off"},
		{"accept", "", "off"},
		{"accept", "off", "off"},
		{"accept", "not supported", "off"},
		{"accept", "accept", "off"},
		{"accept", "s2_best", "s2_best"},
		{"accept", "s2_auto", "s2_fast"},
		{"s2_better", "accept", "s2_better"},
		{"s2_auto", "s2_fast", "s2_auto"},
		{"s2_fast", "off", "off"},
		{"s2_fast", "zip", ""},
		{"off", "zip", ""},
	} {
		got, err := negotiateCompression(tt.ours, tt.theirs)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q and %q: %q, %v, want %q", tt.ours, tt.theirs, got, err, tt.want)
		}
	}
}

// TestPooledAndCompressed has nodes with pools of different sizes and all modes of compression in
// one mesh.
func TestPooledAndCompressed(t *testing.T) {
	clusters := []ClusterOptions{
		{PoolSize: 3, Compression: CompressionFast},
		{PoolSize: 3, Compression: CompressionAccept},
		{PoolSize: 2, Compression: CompressionBest},
		{Compression: CompressionAuto},
		{PoolSize: 1, Compression: CompressionOff},
		{Compression: CompressionBetter},
		{Compression: CompressionUncompressed},
	}
	var nodes []*Node
	for i, cluster := range clusters {
		nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i), cluster, nodes[:min(i, 1)]))
	}
	size := func(a, b int) int { return max(1, poolSize(clusters[a].PoolSize, clusters[b].PoolSize)) }
	full := func() bool {
		for i, n := range nodes {
			want := 0
			for k := range nodes {
				if k != i {
					want += size(i, k)
				}
			}
			if routes := n.Routes(); len(routes) != want || !n.Synchronized() {
				return false
			}
		}
		return true
	}
	eventually(t, "all pools are full", full)
	for i, n := range nodes {
		for _, r := range n.Routes() {
			var k int
			if _, err := fmt.Sscanf(r.RemoteName, "n%d", &k); err != nil {
				t.Fatal(err)
			}
			mode, err := negotiateCompression(clusters[i].Compression, clusters[k].Compression)
			if err != nil || (mode == CompressionOff) != (r.Compression == CompressionOff) {
				t.Errorf("n%d to n%d: %s", i, k, r.Compression)
			}
		}
	}
	big := strings.Repeat("0123456789", 5_000)
	var subs []*peer
	for _, n := range nodes {
		s := dial(t, n, quiet+"SUB all 1\r\n")
		s.sync()
		subs = append(subs, s)
	}
	for _, n := range nodes {
		waitForInterest(t, n, len(nodes)-1)
	}
	send := func() {
		t.Helper()
		for i, n := range nodes {
			text := fmt.Sprintf("%d of %s", i, big)
			p := dial(t, n, quiet+fmt.Sprintf("PUB all %d\r\n%s\r\nPUB all 5\r\nhello\r\n", len(text), text))
			p.sync()
			for _, s := range subs {
				s.want(message("all", "1", text) + message("all", "1", "hello"))
			}
		}
	}
	send()
	// A connection of a pool that is lost is made again.
	lost := nodes[0].routes.registered()[0]
	lost.cut(&ending{reason: reasonRouteRemoved})
	eventually(t, "the connection has ended", func() bool {
		for _, r := range nodes[0].routes.registered() {
			if r == lost {
				return false
			}
		}
		return true
	})
	eventually(t, "all pools are full again", full)
	for _, n := range nodes {
		waitForInterest(t, n, len(nodes)-1)
	}
	send()
}
