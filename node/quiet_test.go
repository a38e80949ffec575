package node

import (
	"testing"
	"time"
)

// TestQuietRoutesAreTried has nothing come over the routes of a node: it tries each in turn, one at a time.
func TestQuietRoutesAreTried(t *testing.T) {
	n := startLone(t)
	startPeer(t, "a", ClusterOptions{Name: "C"}, []*Node{n})
	startPeer(t, "b", ClusterOptions{Name: "C"}, []*Node{n})
	eventually(t, "there are two routes", func() bool { return len(n.routes.registered()) == 2 })
	pongs := func() (sum uint64, tried int) {
		for _, r := range n.routes.registered() {
			sum += r.pongs.Load()
			if !r.tried.IsZero() {
				tried++
			}
		}
		return sum, tried
	}
	before, _ := pongs()
	var q quietRoutes
	now := time.Now().Add(time.Second)
	q.try(n, now)
	if _, tried := pongs(); tried != 0 {
		t.Error("a route is tried that has not been quiet")
	}
	now = now.Add(time.Hour)
	for want := range 3 {
		if _, tried := pongs(); tried != want {
			t.Errorf("%d routes have been tried, want %d", tried, want)
		}
		q.try(n, now)
		q.try(n, now.Add(quietStep/2)) // too soon
		now = now.Add(quietStep)
	}
	eventually(t, "the peers have answered", func() bool { sum, _ := pongs(); return sum >= before+2 })
}
