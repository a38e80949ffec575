package subjects

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// TestConcurrent matches while entries are inserted and removed. Those that
// are there throughout have negative values and must be found each time, once.
func TestConcurrent(t *testing.T) {
	const rounds = 2000
	x := NewIndex[int]()
	kept := []string{"keep.a.b", "keep.*.b", "keep.>", ">", "*.a.*"}
	for i, s := range kept {
		x.Insert(s, "", -1-i)
		x.Insert(s, "q", -1-i)
	}
	churn := append(kept, "keep.a.*", "keep.*.*", "keep.a.>", "*.>", "keep.a.c", "other.a.b")

	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range 3 {
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(w)))
			var mine []entry
			grow := true
			for i := range rounds {
				if len(mine) == 0 {
					grow = true
				} else if len(mine) == 500 {
					grow = false
				}
				if grow == (rnd.IntN(4) > 0) || len(mine) == 0 {
					s := churn[rnd.IntN(len(churn))]
					switch rnd.IntN(3) {
					case 0:
						s = fmt.Sprintf("keep.%d.%d", rnd.IntN(50), w)
					case 1:
						s = fmt.Sprintf("keep.%d.*", rnd.IntN(50))
					}
					queue := []string{"", "", "q", fmt.Sprint("q", rnd.IntN(20))}[rnd.IntN(4)]
					e := entry{s, queue, i*3 + w}
					mine = append(mine, e)
					if !x.Insert(e.subject, e.queue, e.v) {
						t.Errorf("Insert(%v) = false", e)
					}
					continue
				}
				j := rnd.IntN(len(mine))
				e := mine[j]
				mine[j] = mine[len(mine)-1]
				mine = mine[:len(mine)-1]
				if !x.Remove(e.subject, e.queue, e.v) {
					t.Errorf("Remove(%v) = false", e)
				}
			}
			for _, e := range mine {
				x.Remove(e.subject, e.queue, e.v)
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			var r Result[int]
			for !done.Load() && !t.Failed() {
				x.Match([]byte("keep.a.b"), &r)
				checkKept(t, "plain", r.Plain, len(kept))
				names := make(map[string]bool)
				for _, g := range r.Queues {
					if names[g.Name] || len(g.Members) == 0 {
						t.Errorf("group %s is there twice or empty", g.Name)
					}
					names[g.Name] = true
					if g.Name == "q" {
						checkKept(t, "q", g.Members, len(kept))
					}
				}
				if !names["q"] {
					t.Error("no group q")
				}
			}
		})
	}
	readers.Go(func() {
		for !done.Load() && !t.Failed() {
			n := 0
			for e := range entries(x) {
				if e.v < 0 {
					n++
				}
			}
			if n != 2*len(kept) {
				t.Errorf("All yields %d of %d entries", n, 2*len(kept))
			}
		}
	})
	writers.Wait()
	done.Store(true)
	readers.Wait()

	if x.Len() != 2*len(kept) {
		t.Errorf("Len is %d at the end", x.Len())
	}
}

// checkKept checks that the values -1 to -n are in list once each.
func checkKept(t *testing.T, what string, list []int, n int) {
	seen := make(map[int]bool)
	for _, v := range list {
		if seen[v] {
			t.Errorf("%s: %d found twice", what, v)
		}
		seen[v] = true
	}
	for v := -n; v < 0; v++ {
		if !seen[v] {
			t.Errorf("%s: %d not found", what, v)
		}
	}
}

// TestFreshConcurrent uses a result for as long as its stamp is fresh. It must
// have each entry inserted in turn, from when Insert returns.
func TestFreshConcurrent(t *testing.T) {
	const last = 2000
	x := NewIndex[int]()
	var inserted, seen atomic.Int64
	var writer sync.WaitGroup
	writer.Go(func() {
		patterns := []string{"a.b", "a.*", ">", "*.b"}
		for i := 1; i <= last; i++ {
			x.Insert(patterns[i%4], "", i)
			inserted.Store(int64(i))
			for seen.Load() < int64(i) {
				if runtime.Gosched(); t.Failed() {
					return
				}
			}
			x.Remove(patterns[i%4], "", i)
		}
	})
	subject := []byte("a.b")
	var stamp Stamp
	var r Result[int]
	for seen.Load() < last {
		v := inserted.Load()
		if !x.Fresh(stamp) {
			stamp = x.Stamp(subject)
			x.Match(subject, &r)
		}
		if v == seen.Load() {
			runtime.Gosched()
			continue
		}
		if !slices.Contains(r.Plain, int(v)) {
			t.Errorf("%d is missing in %v", v, r.Plain)
			break
		}
		seen.Store(v)
	}
	writer.Wait()
}
