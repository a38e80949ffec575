package subjects

import "sync/atomic"

// table is a hash table that is read without locks while it changes. Only one
// goroutine may change it at a time. The zero table is empty.
type table[T any] struct {
	slots atomic.Pointer[slots[T]] // nil when empty
}

// item is what a table has under a key.
type item[T any] struct {
	key string
	val T
}

// slots is an open-addressing array with linear probing. An item stays in its
// slot until it is removed, or for good once other slots took over. At least
// one slot is free, so that every search ends.
type slots[T any] struct {
	list []slot[T]
	live uint32 // slots with an item; for the writer only
	used uint32 // slots that are not free; for the writer only
}

type slot[T any] struct {
	tag  atomic.Uint32 // free, gone or the tag of the item's key
	item atomic.Pointer[item[T]]
}

const (
	free = 0 // a search ends here
	gone = 1 // the item was removed, a search goes on
)

// tagOf makes a tag of a hash. It spares most looks at items of other keys,
// and the hashing of all keys when slots are replaced.
func tagOf(hash uint64) uint32 { return uint32(hash) | 2 }

// get returns the item under key, whose tag is passed as well, or nil.
func (t *table[T]) get(key string, tag uint32) *item[T] {
	s := t.slots.Load()
	if s == nil {
		return nil
	}
	_, it := s.find(key, tag)
	return it
}

// put sets the item under its key.
func (t *table[T]) put(it *item[T], tag uint32) {
	s := t.slots.Load()
	if s != nil {
		if i, old := s.find(it.key, tag); old != nil {
			s.list[i].item.Store(it)
			return
		}
	}
	if s == nil || int(s.used+1)*4 > len(s.list)*3 {
		s = t.rebuild(s)
	}
	s.add(it, tag)
}

// remove removes the item under key, if there is one.
func (t *table[T]) remove(key string, tag uint32) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	i, it := s.find(key, tag)
	if it == nil {
		return
	}
	left := uint32(gone)
	if s.list[s.after(i)].tag.Load() == free {
		left = free // no search has to go past this slot
		s.used--
	}
	s.list[i].tag.Store(left)
	s.list[i].item.Store(nil)
	s.live--
	if s.live == 0 {
		t.slots.Store(nil)
	} else if int(s.live)*4 < len(s.list) {
		t.rebuild(s)
	}
}

// all calls yield for the items until it returns false.
func (t *table[T]) all(yield func(*item[T]) bool) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	for i := range s.list {
		if it := s.list[i].item.Load(); it != nil && !yield(it) {
			return
		}
	}
}

// rebuild replaces old, which may be nil, by slots half of which are free
// after one more add.
func (t *table[T]) rebuild(old *slots[T]) *slots[T] {
	if old == nil {
		old = new(slots[T])
	}
	s := &slots[T]{list: make([]slot[T], 2*(old.live+1))}
	for i := range old.list {
		if it := old.list[i].item.Load(); it != nil {
			s.add(it, old.list[i].tag.Load())
		}
	}
	t.slots.Store(s)
	return s
}

// find returns the item under key and its slot, or nil.
func (s *slots[T]) find(key string, tag uint32) (int, *item[T]) {
	for i := s.home(tag); ; i = s.after(i) {
		switch s.list[i].tag.Load() {
		case tag:
			// The slot may have got another item since its tag was read.
			if it := s.list[i].item.Load(); it != nil && it.key == key {
				return i, it
			}
		case free:
			return i, nil
		}
	}
}

// add puts an item whose key is new into a free slot.
func (s *slots[T]) add(it *item[T], tag uint32) {
	i := s.home(tag)
	for s.list[i].tag.Load() != free {
		i = s.after(i)
	}
	s.list[i].item.Store(it)
	s.list[i].tag.Store(tag) // last, for readers to find the item behind it
	s.live++
	s.used++
}

// home returns the slot where the search for a tag starts.
func (s *slots[T]) home(tag uint32) int {
	return int(uint64(tag) * uint64(len(s.list)) >> 32)
}

func (s *slots[T]) after(i int) int {
	if i++; i < len(s.list) {
		return i
	}
	return 0
}
