package subjects

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
)

// set is a set of values that is read without locks while it changes. Only one
// goroutine may change it at a time. The zero set is empty.
//
// The values are spread by hash over buckets, a power of two of them, so that
// a change copies one bucket only. A value stays in its bucket until it is
// removed, or for good once other buckets took over.
type set[V comparable] struct {
	buckets atomic.Pointer[[]bucket[V]] // nil before the first add
	n       int                         // for the writer only
}

// bucket is an immutable list, replaced by every change. It is nil if empty.
type bucket[V comparable] struct {
	list atomic.Pointer[[]V]
}

const (
	bucketMax = 32 // values a bucket has on average when the set grows
	bucketMin = 8  // and when it shrinks
)

func (s *set[V]) add(v V) bool {
	if s.buckets.Load() == nil {
		s.resize(1)
	}
	buckets := *s.buckets.Load()
	b := bucketOf(buckets, v)
	if slices.Contains(b.load(), v) {
		return false
	}
	b.append(v)
	if s.n++; s.n > bucketMax*len(buckets) {
		s.resize(2 * len(buckets))
	}
	return true
}

func (s *set[V]) remove(v V) bool {
	if s.n == 0 {
		return false
	}
	buckets := *s.buckets.Load()
	b := bucketOf(buckets, v)
	list := b.load()
	i := slices.Index(list, v)
	switch {
	case i < 0:
		return false
	case len(list) == 1:
		b.list.Store(nil)
	default:
		list = slices.Concat(list[:i], list[i+1:])
		b.list.Store(&list)
	}
	if s.n--; s.n < bucketMin*len(buckets) && len(buckets) > 1 {
		s.resize(len(buckets) / 2)
	}
	return true
}

// appendTo appends the values to list.
func (s *set[V]) appendTo(list []V) []V {
	if buckets := s.buckets.Load(); buckets != nil {
		for i := range *buckets {
			list = append(list, (*buckets)[i].load()...)
		}
	}
	return list
}

func (s *set[V]) resize(n int) {
	buckets := make([]bucket[V], n)
	for _, v := range s.appendTo(nil) {
		bucketOf(buckets, v).append(v)
	}
	s.buckets.Store(&buckets)
}

func bucketOf[V comparable](buckets []bucket[V], v V) *bucket[V] {
	if len(buckets) == 1 {
		return &buckets[0]
	}
	return &buckets[maphash.Comparable(seed, v)&uint64(len(buckets)-1)]
}

func (b *bucket[V]) load() []V {
	if list := b.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (b *bucket[V]) append(v V) {
	// The new list may share the array of the old one, whose readers do not
	// look beyond its length. Only the newest list is ever appended to.
	list := append(b.load(), v)
	b.list.Store(&list)
}
