package subjects

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestTable(t *testing.T) {
	const steps = 5000
	tags := map[string]func(string) uint32{
		"hash":       func(s string) uint32 { return tagOf(hash(s)) },
		"collisions": func(s string) uint32 { return tagOf(hash(s) % 8) },
		"last slots": func(s string) uint32 { return tagOf(^(hash(s) % 8)) },
	}
	for name, tag := range tags {
		t.Run(name, func(t *testing.T) {
			var tab table[int]
			want := make(map[string]int)
			check := func() {
				t.Helper()
				n := 0
				for it := range tab.all {
					if v, ok := want[it.key]; !ok || v != it.val {
						t.Fatalf("%s has %d, want %d, %v", it.key, it.val, v, ok)
					}
					n++
				}
				if n != len(want) {
					t.Fatalf("%d items, want %d", n, len(want))
				}
				if s := tab.slots.Load(); s != nil && len(s.list) > 4*max(n, 1) {
					t.Fatalf("%d slots for %d items", len(s.list), n)
				}
			}
			// The chance to remove changes, for the table to grow and shrink.
			for i := range steps {
				key := fmt.Sprint(rand.IntN(150))
				if it := tab.get(key, tag(key)); it == nil {
					if _, ok := want[key]; ok {
						t.Fatalf("%s is missing", key)
					}
				} else if v, ok := want[key]; !ok || v != it.val {
					t.Fatalf("%s has %d, want %d, %v", key, it.val, v, ok)
				}
				if rand.IntN(steps) < i {
					tab.remove(key, tag(key))
					delete(want, key)
				} else {
					tab.put(&item[int]{key, i}, tag(key))
					want[key] = i
				}
				if i%100 == 0 {
					check()
				}
			}
			for key := range want {
				tab.remove(key, tag(key))
				delete(want, key)
				check()
			}
			if tab.slots.Load() != nil {
				t.Fatal("an empty table has slots")
			}
		})
	}
}
