package loadtest

import (
	"testing"

	"pgregory.net/rapid"
)

// A seqSet is a set, whatever the order.
func TestSeqSetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s seqSet
		model := map[uint64]bool{}
		base := uint64(0)
		for range rapid.IntRange(0, 400).Draw(t, "n") {
			// Mostly what comes next, sometimes something around it.
			n := base
			if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				n = rapid.Uint64Range(max(base, 70)-70, base+200).Draw(t, "number")
			}
			base = max(base, n+1)
			if got, want := s.add(n), !model[n]; got != want {
				t.Fatalf("add(%d) is %v, want %v", n, got, want)
			}
			model[n] = true
			if s.count != uint64(len(model)) {
				t.Fatalf("count %d, want %d", s.count, len(model))
			}
		}
		next := uint64(0)
		for model[next] {
			next++
		}
		if s.next != next {
			t.Fatalf("next is %d, want %d", s.next, next)
		}
	})
}

func TestSeqSetStaysSmall(t *testing.T) {
	var s seqSet
	// Neighbours swapped, as several members of a queue group see them.
	for n := uint64(0); n < 100_000; n += 2 {
		if !s.add(n+1) || !s.add(n) {
			t.Fatalf("%d is not new", n)
		}
	}
	if len(s.ahead) > 2 || cap(s.ahead) > 64 || s.next != 100_000 {
		t.Errorf("%d words of %d in use, next is %d", len(s.ahead), cap(s.ahead), s.next)
	}
	if s.add(1 << 40) {
		t.Error("a number from nowhere is taken for one of ours")
	}
}
