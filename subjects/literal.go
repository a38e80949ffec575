package subjects

import "sync"

// literals has the subscribers to subjects without wildcards.
type literals[V comparable] struct {
	shards [literalShards]literalShard[V]
}

type literalShard[V comparable] struct {
	mu    sync.Mutex // held to change subs, and not to read it
	table table[subs[V]]
}

const literalShards = 64

func (l *literals[V]) shard(subject string) (s *literalShard[V], tag uint32) {
	h := hash(subject)
	return &l.shards[h>>32%literalShards], tagOf(h)
}

func (l *literals[V]) match(subject string, r *Result[V]) {
	s, tag := l.shard(subject)
	if it := s.table.get(subject, tag); it != nil {
		it.val.appendTo(r)
	}
}

func (l *literals[V]) insert(subject, queue string, v V) bool {
	s, tag := l.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.table.get(subject, tag)
	if it == nil {
		s.table.put(&item[subs[V]]{subject, newSubs(queue, v)}, tag)
		return true
	}
	next, ok := it.val.add(queue, v)
	if next != &it.val {
		s.table.put(&item[subs[V]]{subject, *next}, tag)
	}
	return ok
}

func (l *literals[V]) remove(subject, queue string, v V) bool {
	s, tag := l.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.table.get(subject, tag)
	if it == nil {
		return false
	}
	next, ok := it.val.remove(queue, v)
	if next == nil {
		s.table.remove(subject, tag)
	} else if next != &it.val {
		s.table.put(&item[subs[V]]{it.key, *next}, tag)
	}
	return ok
}

func (l *literals[V]) all(yield func(subject string, s *subs[V]) bool) bool {
	for i := range l.shards {
		for it := range l.shards[i].table.all {
			if !yield(it.key, &it.val) {
				return false
			}
		}
	}
	return true
}
