package subjects

import (
	"math/rand/v2"
	"testing"
)

func TestSet(t *testing.T) {
	var s set[int]
	want := make(map[int]bool)
	const limit, steps = 2000, 20000
	widest := 0
	for i := range steps {
		v := rand.IntN(limit)
		if rand.IntN(steps) < i {
			if got := s.remove(v); got != want[v] {
				t.Fatalf("remove(%d) = %v", v, got)
			}
			delete(want, v)
		} else {
			if got := s.add(v); got == want[v] {
				t.Fatalf("add(%d) = %v", v, got)
			}
			want[v] = true
		}
		if i%500 == 0 {
			checkSet(t, &s, want)
			widest = max(widest, len(*s.buckets.Load()))
		}
	}
	if widest < limit/2/bucketMax {
		t.Errorf("at most %d buckets", widest)
	}
	for v := range want {
		if !s.remove(v) {
			t.Fatalf("%d is missing", v)
		}
		delete(want, v)
	}
	checkSet(t, &s, want)
	if n := len(*s.buckets.Load()); n != 1 {
		t.Errorf("an empty set has %d buckets", n)
	}
}

func checkSet(t *testing.T, s *set[int], want map[int]bool) {
	t.Helper()
	list := s.appendTo(nil)
	if len(list) != len(want) || s.n != len(want) {
		t.Fatalf("%d values, n is %d, want %d", len(list), s.n, len(want))
	}
	seen := make(map[int]bool)
	for _, v := range list {
		if !want[v] || seen[v] {
			t.Fatalf("unexpected %d", v)
		}
		seen[v] = true
	}
}
