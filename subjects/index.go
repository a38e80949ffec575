package subjects

import (
	"sync/atomic"
	"unsafe"
)

// Index has the subscribers to subjects, as values of type V. All its methods
// may be called by several goroutines at once, and those that do not change
// the index never wait for one another or for those that do.
//
// An entry is a subject, the name of a queue group, empty for none, and a
// value. The same value may be in many entries.
type Index[V comparable] struct {
	literals literals[V]
	patterns trie[V]
	changes  generations
	n        atomic.Int64
	inserted atomic.Uint64 // entries ever
}

// NewIndex returns an empty index.
func NewIndex[V comparable]() *Index[V] { return new(Index[V]) }

// Insert adds an entry. It reports whether the index changed, which it does
// not if it has the entry or if subject is not Valid.
func (x *Index[V]) Insert(subject, queue string, v V) bool {
	if !Valid(subject) {
		return false
	}
	insert := x.literals.insert
	if HasWildcard(subject) {
		insert = x.patterns.insert
	}
	if !insert(subject, queue, v) {
		return false
	}
	x.n.Add(1)
	x.inserted.Add(1)
	x.changes.bump(subject)
	return true
}

// Remove removes an entry. It reports whether the index had it.
func (x *Index[V]) Remove(subject, queue string, v V) bool {
	if !Valid(subject) {
		return false
	}
	remove := x.literals.remove
	if HasWildcard(subject) {
		remove = x.patterns.remove
	}
	if !remove(subject, queue, v) {
		return false
	}
	x.n.Add(-1)
	x.changes.bump(subject)
	return true
}

// Match replaces the contents of r by the subscribers that a message published
// to subject goes to, in no particular order. It allocates only if the
// capacity of r does not suffice. Entries that are inserted or removed
// meanwhile may be in r or not.
func (x *Index[V]) Match(subject []byte, r *Result[V]) {
	r.reset()
	s := view(subject)
	x.literals.match(s, r)
	if !x.patterns.empty() && Publishable(s) {
		x.patterns.match(s, r)
	}
}

// Stamp returns the stamp of a Match of subject that begins afterwards.
func (x *Index[V]) Stamp(subject []byte) Stamp { return x.changes.stamp(view(subject)) }

// Fresh reports whether the result of the Match that s was taken for is still
// what Match finds. Now and then it reports false although it is.
func (x *Index[V]) Fresh(s Stamp) bool { return x.changes.fresh(s) }

// Invalidate makes the stamps of all subjects that pattern matches stale, as if
// one of its entries had changed. It is for values that have changed what they
// mean.
func (x *Index[V]) Invalidate(pattern string) { x.changes.bump(pattern) }

// Len returns the number of entries.
func (x *Index[V]) Len() int { return int(x.n.Load()) }

// Inserted returns the number of entries that were ever inserted.
func (x *Index[V]) Inserted() uint64 { return x.inserted.Load() }

// All calls yield for the entries, in no particular order, until it returns
// false. Entries that are inserted or removed meanwhile may be among them or
// not.
func (x *Index[V]) All(yield func(subject, queue string, v V) bool) {
	var r Result[V]
	entries := func(subject string, s *subs[V]) bool {
		r.reset()
		s.appendTo(&r)
		for _, v := range r.Plain {
			if !yield(subject, "", v) {
				return false
			}
		}
		for _, g := range r.Queues {
			for _, v := range g.Members {
				if !yield(subject, g.Name, v) {
					return false
				}
			}
		}
		return true
	}
	if x.literals.all(entries) {
		x.patterns.all(entries)
	}
}

// view returns b as a string that is valid only until b changes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
