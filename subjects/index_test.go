package subjects

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type entry struct {
	subject, queue string
	v              int
}

// model is what an Index should do, in the plainest way.
type model map[entry]bool

func (m model) match(subject string) *Result[int] {
	r := new(Result[int])
	groups := make(map[string][]int)
	for e := range m {
		switch {
		case !Match(e.subject, subject):
		case e.queue == "":
			r.Plain = append(r.Plain, e.v)
		default:
			groups[e.queue] = append(groups[e.queue], e.v)
		}
	}
	for name, members := range groups {
		r.Queues = append(r.Queues, Group[int]{name, members})
	}
	return r
}

// equal compares results, which it sorts.
func equal(a, b *Result[int]) bool {
	for _, r := range []*Result[int]{a, b} {
		slices.Sort(r.Plain)
		slices.SortFunc(r.Queues, func(a, b Group[int]) int { return cmp.Compare(a.Name, b.Name) })
		for _, g := range r.Queues {
			slices.Sort(g.Members)
		}
	}
	return slices.Equal(a.Plain, b.Plain) && slices.EqualFunc(a.Queues, b.Queues, func(a, b Group[int]) bool {
		return a.Name == b.Name && slices.Equal(a.Members, b.Members)
	})
}

func TestModel(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "c", "d", "*", "*", ">", "a*", ""})
	subject := rapid.Map(rapid.SliceOfN(token, 1, 4), func(tokens []string) string {
		return strings.Join(tokens, ".")
	})
	queue := rapid.SampledFrom([]string{"", "", "q", "r", "q.*"})
	rapid.Check(t, func(t *rapid.T) {
		x, m := NewIndex[int](), make(model)
		var got Result[int]
		// change makes a change and checks that no result that differs after
		// it has a fresh stamp.
		change := func(t *rapid.T, f func()) {
			s := subject.Draw(t, "stamp of")
			stamp, before := x.Stamp([]byte(s)), m.match(s)
			if !x.Fresh(stamp) {
				t.Fatalf("stamp of %q not fresh before any change", s)
			}
			f()
			if x.Fresh(stamp) && !equal(before, m.match(s)) {
				t.Fatalf("stamp of %q fresh after its result changed", s)
			}
		}
		insert := func(t *rapid.T) {
			e := entry{subject.Draw(t, "subject"), queue.Draw(t, "queue"), rapid.IntRange(0, 3).Draw(t, "v")}
			change(t, func() {
				want := Valid(e.subject) && !m[e]
				if got := x.Insert(e.subject, e.queue, e.v); got != want {
					t.Fatalf("Insert(%v) = %v", e, got)
				}
				if want {
					m[e] = true
				}
			})
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert":      insert,
			"insert more": insert,
			"remove": func(t *rapid.T) {
				var e entry
				if len(m) > 0 && rapid.IntRange(0, 9).Draw(t, "any") > 0 {
					list := slices.SortedFunc(mapKeys(m), func(a, b entry) int {
						return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
					})
					e = rapid.SampledFrom(list).Draw(t, "entry")
				} else {
					e = entry{subject.Draw(t, "subject"), queue.Draw(t, "queue"), 0}
				}
				change(t, func() {
					if got := x.Remove(e.subject, e.queue, e.v); got != m[e] {
						t.Fatalf("Remove(%v) = %v", e, got)
					}
					delete(m, e)
				})
			},
			"match": func(t *rapid.T) {
				s := subject.Draw(t, "subject")
				x.Match([]byte(s), &got)
				if want := m.match(s); !equal(&got, want) {
					t.Fatalf("Match(%q) = %v, want %v", s, got, *want)
				}
			},
			"": func(t *rapid.T) {
				all := make(model)
				for e := range entries(x) {
					if !m[e] || all[e] {
						t.Fatalf("All yields %v", e)
					}
					all[e] = true
				}
				if len(all) != len(m) || x.Len() != len(m) {
					t.Fatalf("All yields %d entries, Len is %d, want %d", len(all), x.Len(), len(m))
				}
				if len(m) == 0 && !isEmpty(x) {
					t.Fatal("something is left of an index without entries")
				}
			},
		})
	})
}

func mapKeys(m model) func(func(entry) bool) {
	return func(yield func(entry) bool) {
		for e := range m {
			if !yield(e) {
				return
			}
		}
	}
}

func entries(x *Index[int]) func(func(entry) bool) {
	return func(yield func(entry) bool) {
		x.All(func(subject, queue string, v int) bool {
			return yield(entry{subject, queue, v})
		})
	}
}

func isEmpty(x *Index[int]) bool {
	for i := range x.literals.shards {
		if x.literals.shards[i].table.slots.Load() != nil {
			return false
		}
	}
	return x.patterns.empty()
}

func TestAllStops(t *testing.T) {
	x := NewIndex[int]()
	for i := range 3 {
		for _, s := range []string{"a", "b", "a.*", "*.b", "a.>", ">"} {
			x.Insert(s, "", i)
			x.Insert(s, "q", i)
		}
	}
	for stop := range x.Len() {
		n := 0
		for range entries(x) {
			if n++; n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Errorf("%d entries yielded, want %d", n, stop+1)
		}
	}
}

func TestManyQueues(t *testing.T) {
	x, m := NewIndex[int](), make(model)
	for v, pattern := range []string{"a.b", "a.*", ">", "c"} {
		for i := range 500 {
			e := entry{pattern, fmt.Sprint("q", 100*v+i), v}
			x.Insert(e.subject, e.queue, e.v)
			m[e] = true
		}
	}
	var r Result[int]
	for _, subject := range []string{"a.b", "c", "a.c", "b", "a..b", "a.b"} {
		x.Match([]byte(subject), &r)
		if !equal(&r, m.match(subject)) {
			t.Errorf("Match(%s) = %v", subject, r)
		}
	}
}

func TestQueueEnds(t *testing.T) {
	s := newSubs("", 1)
	with, _ := s.add("q", 2)
	with.add("q", 3)
	with.add("r", 4)
	with.remove("q", 2)
	with.remove("q", 3)
	for it := range with.more.queues.all {
		if it.key != "r" {
			t.Errorf("group %q without members is kept", it.key)
		}
	}
	if alone, _ := with.remove("r", 4); *alone != s {
		t.Errorf("a single subscriber is kept as %v", *alone)
	}
}

func TestStamp(t *testing.T) {
	x := NewIndex[int]()
	if x.Fresh(0) {
		t.Error("zero Stamp is fresh")
	}
	a := x.Stamp([]byte("a.b"))
	x.Insert("a.c", "", 1)
	if x.Fresh(a) {
		t.Error("fresh after a change under the same first token")
	}
	a = x.Stamp([]byte("a.b"))
	x.Insert("a.c", "", 1)
	x.Remove("a.c", "", 2)
	if !x.Fresh(a) {
		t.Error("not fresh without a change")
	}
	for _, p := range []string{"a.b", "a.*", "*.b", ">"} {
		if x.Invalidate(p); x.Fresh(a) {
			t.Errorf("fresh after %s was invalidated", p)
		}
		a = x.Stamp([]byte("a.b"))
	}
	fresh := 0
	for i := range 1000 {
		x.Insert(fmt.Sprint("token", i), "", 1)
		if x.Fresh(a) {
			fresh++
		} else {
			a = x.Stamp([]byte("a.b"))
		}
	}
	if fresh < 900 {
		t.Errorf("changes under other first tokens left the stamp fresh in %d of 1000 cases", fresh)
	}
	for _, p := range []string{"*", ">", "*.b", "a.*", "a.>"} {
		a = x.Stamp([]byte("a.b"))
		if x.Insert(p, "", 1); x.Fresh(a) {
			t.Errorf("fresh after %s was inserted", p)
		}
		a = x.Stamp([]byte("a.b"))
		if x.Remove(p, "", 1); x.Fresh(a) {
			t.Errorf("fresh after %s was removed", p)
		}
	}
}

func TestMatchAllocs(t *testing.T) {
	x := NewIndex[*int]()
	for i := range 500 {
		x.Insert("one", "", new(i))
		x.Insert("many."+fmt.Sprint(i), "", new(i))
		for _, s := range []string{"a.b.c", "a.*.c", "a.>", ">", "*.b.*"} {
			x.Insert(s, "", new(i))
			x.Insert(s, fmt.Sprint("q", i%20), new(i))
		}
	}
	var r Result[*int]
	for _, s := range []string{"one", "many.7", "a.b.c", "none", "a..b"} {
		subject := []byte(s)
		if n := testing.AllocsPerRun(10, func() {
			stamp := x.Stamp(subject)
			x.Match(subject, &r)
			x.Fresh(stamp)
		}); n != 0 {
			t.Errorf("Match(%s) allocates %v times", s, n)
		}
	}
}
