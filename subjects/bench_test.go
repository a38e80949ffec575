package subjects

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

var benchSizes = []struct {
	name string
	n    int
}{{"1k", 1000}, {"100k", 100_000}, {"1M", 1_000_000}}

// patternsFor returns n patterns and, in random order, a subject that matches
// each of them. With mix, a tenth of them has a "*" and another a ">".
func patternsFor(n int, mix bool) (patterns []string, subjects [][]byte) {
	patterns = make([]string, n)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		literal := fmt.Sprintf("region.%d.device.%d.status", i%100, i)
		subjects = append(subjects, []byte(literal))
		switch {
		case mix && i%10 == 0:
			patterns[i] = fmt.Sprintf("region.*.device.%d.status", i)
		case mix && i%10 == 5:
			patterns[i] = fmt.Sprintf("region.%d.device.%d.>", i%100, i)
		default:
			patterns[i] = literal
		}
	}
	return patterns, subjects
}

func forSizes(b *testing.B, f func(b *testing.B, patterns []string, subjects [][]byte)) {
	for _, kind := range []string{"literal", "mix"} {
		for _, size := range benchSizes {
			b.Run(kind+"/"+size.name, func(b *testing.B) {
				patterns, subjects := patternsFor(size.n, kind == "mix")
				f(b, patterns, subjects)
			})
		}
	}
}

var subscriber = new(int)

func filled(patterns []string) *Index[*int] {
	x := NewIndex[*int]()
	for _, p := range patterns {
		x.Insert(p, "", subscriber)
	}
	return x
}

func BenchmarkInsert(b *testing.B) {
	forSizes(b, func(b *testing.B, patterns []string, _ [][]byte) {
		var x *Index[*int]
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i %= len(patterns); i == 0 {
				x = NewIndex[*int]()
			}
			x.Insert(patterns[i], "", subscriber)
		}
	})
}

func BenchmarkRemove(b *testing.B) {
	forSizes(b, func(b *testing.B, patterns []string, _ [][]byte) {
		var x *Index[*int]
		for i := 0; b.Loop(); i++ {
			if i %= len(patterns); i == 0 {
				b.StopTimer()
				x = filled(patterns)
				b.StartTimer()
			}
			if !x.Remove(patterns[i], "", subscriber) {
				b.Fatal("not found")
			}
		}
	})
}

// BenchmarkSameSubject inserts subscribers to one subject and removes them.
func BenchmarkSameSubject(b *testing.B) {
	for _, queue := range []string{"", "q"} {
		for _, size := range benchSizes[:2] {
			b.Run(fmt.Sprintf("queue=%s/%s", queue, size.name), func(b *testing.B) {
				values := make([]int, size.n)
				for b.Loop() {
					x := NewIndex[*int]()
					for i := range values {
						x.Insert("a.b", queue, &values[i])
					}
					for i := range values {
						x.Remove("a.b", queue, &values[i])
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size.n*2), "ns/change")
			})
		}
	}
}

func benchMatch(b *testing.B, x *Index[*int], subjects [][]byte, want int) {
	var r Result[*int]
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x.Match(subjects[i], &r)
		if len(r.Plain) != want {
			b.Fatalf("%s: %d subscribers", subjects[i], len(r.Plain))
		}
		if i++; i == len(subjects) {
			i = 0
		}
	}
}

// BenchmarkMatch matches all subjects in random order.
func BenchmarkMatch(b *testing.B) {
	forSizes(b, func(b *testing.B, patterns []string, subjects [][]byte) {
		benchMatch(b, filled(patterns), subjects, 1)
	})
}

// BenchmarkMatchHot matches 512 subjects over and over.
func BenchmarkMatchHot(b *testing.B) {
	forSizes(b, func(b *testing.B, patterns []string, subjects [][]byte) {
		benchMatch(b, filled(patterns), subjects[:512], 1)
	})
}

// BenchmarkMatchMiss matches subjects that nobody subscribed to.
func BenchmarkMatchMiss(b *testing.B) {
	forSizes(b, func(b *testing.B, patterns []string, subjects [][]byte) {
		for i, s := range subjects {
			subjects[i] = bytes.Replace(s, []byte("device"), []byte("sensor"), 1)
		}
		benchMatch(b, filled(patterns), subjects, 0)
	})
}

func BenchmarkFresh(b *testing.B) {
	x := filled([]string{"a.b"})
	s := x.Stamp([]byte("a.b"))
	for b.Loop() {
		if !x.Fresh(s) {
			b.Fatal("not fresh")
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	x := filled([]string{"a.b"})
	s := []byte("region.17.device.4711.status")
	for b.Loop() {
		x.Stamp(s)
	}
}

// BenchmarkBytes reports the memory an entry takes, without its subject and,
// as total, with it.
func BenchmarkBytes(b *testing.B) {
	forSizes(b, func(b *testing.B, patterns []string, _ [][]byte) {
		for b.Loop() { // not what is measured
		}
		before := heap()
		x := filled(patterns)
		b.ReportMetric(float64(heap()-before)/float64(len(patterns)), "B/entry")
		runtime.KeepAlive(x)
		x = nil
		before = heap()
		x = NewIndex[*int]()
		for _, p := range patterns {
			x.Insert(strings.Clone(p), "", subscriber)
		}
		b.ReportMetric(float64(heap()-before)/float64(len(patterns)), "B/entry-total")
		b.ReportMetric(0, "ns/op")
		runtime.KeepAlive(x)
		runtime.KeepAlive(patterns)
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
