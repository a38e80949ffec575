package membership

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestFigures prints how long it takes until all members see what has happened, in clusters within this
// process, with the profile for a LAN. It is run for the figures in docs/membership.md:
//
//	SHOAL_FIGURES=5 go test -count=1 -v -run TestFigures ./membership
//
// where the number is that of runs.
func TestFigures(t *testing.T) {
	runs, _ := strconv.Atoi(os.Getenv("SHOAL_FIGURES"))
	if runs == 0 {
		t.Skip("SHOAL_FIGURES is not set")
	}
	for _, n := range []int{3, 10, 50} {
		figures := make(map[string][]time.Duration)
		note := func(what string, began time.Time) {
			figures[what] = append(figures[what], time.Since(began).Round(time.Millisecond))
		}
		for range runs {
			nw := newNetwork()
			lan := func(o *Options) { o.Profile = LAN }
			began := time.Now()
			nodes := startCluster(t, nw, n, lan)
			together(t, nodes)
			note("join", began)

			time.Sleep(7 * time.Second) // until nothing of that goes on any more
			frozen := nodes[n-1]
			nw.put(1, frozen)
			began = time.Now()
			liveness(t, nodes[:n-1], frozen, Suspect)
			note("suspect", began)
			liveness(t, nodes[:n-1], frozen, Failed)
			note("failed", began)
			nw.put(0, frozen)
			began = time.Now()
			together(t, nodes)
			note("back", began)
			for _, node := range nodes {
				node.kill()
			}
		}
		for _, what := range []string{"join", "suspect", "failed", "back"} {
			f := figures[what]
			slices.Sort(f)
			fmt.Printf("%2d members, %-8s median %v, %v to %v\n", n, what, f[len(f)/2], f[0], f[len(f)-1])
		}
	}
}
