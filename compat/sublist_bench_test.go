package compat

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"

	"shoal/subjects"
)

// BenchmarkSublist compares the index of package subjects with the one of
// nats-server: for n subscriptions to one subject each, and in a mix where a
// tenth of them has a "*" and another a ">".
func BenchmarkSublist(b *testing.B) {
	for _, kind := range []string{"literal", "mix"} {
		for _, n := range []int{1000, 100_000, 1_000_000} {
			patterns, matched := patternsFor(n, kind == "mix")
			name := fmt.Sprintf("%s/%d/", kind, n)
			shoal := shoalIndexes(patterns)
			nats := natsIndexes(patterns, (*server.Sublist).Insert, (*server.Sublist).Remove)
			for _, bench := range sublistBenchmarks {
				b.Run(name+bench.name+"/nats", func(b *testing.B) { bench.run(b, nats, matched) })
				b.Run(name+bench.name+"/shoal", func(b *testing.B) { bench.run(b, shoal, matched) })
			}
		}
	}
}

// subjectIndex is an index for certain patterns, of which insert and remove
// take the number.
type subjectIndex struct {
	insert, remove func(i int) bool
	match          func(subject []byte) int
}

// shoalIndexes returns a function that makes empty indexes.
func shoalIndexes(patterns []string) func() subjectIndex {
	values := make([]int, len(patterns))
	return func() subjectIndex {
		x := subjects.NewIndex[*int]()
		var r subjects.Result[*int]
		return subjectIndex{
			insert: func(i int) bool {
				// Sublist copies the subject, too.
				return x.Insert(strings.Clone(patterns[i]), "", &values[i])
			},
			remove: func(i int) bool { return x.Remove(patterns[i], "", &values[i]) },
			match: func(subject []byte) int {
				x.Match(subject, &r)
				return len(r.Plain)
			},
		}
	}
}

// natsIndexes is the same for nats-server, whose type of subscriptions T is
// not exported.
func natsIndexes[T any](patterns []string, insert, remove func(*server.Sublist, *T) error) func() subjectIndex {
	list := make([]T, len(patterns))
	for i, p := range patterns {
		field := reflect.ValueOf(&list[i]).Elem().FieldByName("subject")
		*(*[]byte)(field.Addr().UnsafePointer()) = []byte(p)
	}
	found, ok := reflect.TypeFor[server.SublistResult]().FieldByName("psubs")
	if !ok || found.Type != reflect.TypeFor[[]*T]() {
		panic("no list of subscriptions in SublistResult")
	}
	return func() subjectIndex {
		x := server.NewSublistWithCache()
		return subjectIndex{
			insert: func(i int) bool { return insert(x, &list[i]) == nil },
			remove: func(i int) bool { return remove(x, &list[i]) == nil },
			match: func(subject []byte) int {
				r := x.MatchBytes(subject)
				return len(*(*[]*T)(unsafe.Add(unsafe.Pointer(r), found.Offset)))
			},
		}
	}
}

var sublistBenchmarks = []struct {
	name string
	run  func(b *testing.B, newIndex func() subjectIndex, matched [][]byte)
}{
	{"insert", func(b *testing.B, newIndex func() subjectIndex, matched [][]byte) {
		var x subjectIndex
		for i := 0; b.Loop(); i++ {
			if i %= len(matched); i == 0 {
				x = newIndex()
			}
			x.insert(i)
		}
	}},
	{"remove", func(b *testing.B, newIndex func() subjectIndex, matched [][]byte) {
		var x subjectIndex
		for i := 0; b.Loop(); i++ {
			if i %= len(matched); i == 0 {
				b.StopTimer()
				x = filledIndex(newIndex, len(matched))
				b.StartTimer()
			}
			if !x.remove(i) {
				b.Fatal("not removed")
			}
		}
	}},
	{"match", func(b *testing.B, newIndex func() subjectIndex, matched [][]byte) {
		benchMatch(b, filledIndex(newIndex, len(matched)), matched, 1)
	}},
	{"match-hot", func(b *testing.B, newIndex func() subjectIndex, matched [][]byte) {
		benchMatch(b, filledIndex(newIndex, len(matched)), matched[:512], 1)
	}},
	{"match-miss", func(b *testing.B, newIndex func() subjectIndex, matched [][]byte) {
		missed := make([][]byte, len(matched))
		for i, s := range matched {
			missed[i] = bytes.Replace(s, []byte("device"), []byte("sensor"), 1)
		}
		benchMatch(b, filledIndex(newIndex, len(matched)), missed, 0)
	}},
	{"bytes", func(b *testing.B, newIndex func() subjectIndex, matched [][]byte) {
		for b.Loop() { // not what is measured
		}
		before := heapInUse()
		x := filledIndex(newIndex, len(matched))
		b.ReportMetric(float64(heapInUse()-before)/float64(len(matched)), "B/entry")
		b.ReportMetric(0, "ns/op")
		runtime.KeepAlive(x)
	}},
}

func filledIndex(newIndex func() subjectIndex, n int) subjectIndex {
	x := newIndex()
	for i := range n {
		x.insert(i)
	}
	return x
}

func benchMatch(b *testing.B, x subjectIndex, subjects [][]byte, want int) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if n := x.match(subjects[i]); n != want {
			b.Fatalf("%s: %d subscriptions", subjects[i], n)
		}
		if i++; i == len(subjects) {
			i = 0
		}
	}
}

// patternsFor returns n patterns and, in random order, a subject that matches
// each of them.
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

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
