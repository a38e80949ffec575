package subjects

// subs is who subscribed under one subject, at least one. The struct itself is
// immutable, what more points to is not.
type subs[V comparable] struct {
	one  V         // the only subscriber, outside of queue groups, if more is nil
	more *lists[V] // all subscribers, otherwise
}

// lists is read without locks while it changes. Only one goroutine may change
// it at a time.
type lists[V comparable] struct {
	plain  set[V]
	queues table[set[V]] // by name, none of them empty
	n      int           // for the writer only
}

func newSubs[V comparable](queue string, v V) subs[V] {
	if queue == "" {
		return subs[V]{one: v}
	}
	l := new(lists[V])
	l.add(queue, v)
	return subs[V]{more: l}
}

// add adds v and returns the subs to use from now on. It reports whether v is
// new.
func (s *subs[V]) add(queue string, v V) (*subs[V], bool) {
	if s.more != nil {
		return s, s.more.add(queue, v)
	}
	if queue == "" && v == s.one {
		return s, false
	}
	l := new(lists[V])
	l.add("", s.one)
	l.add(queue, v)
	return &subs[V]{more: l}, true
}

// remove removes v and returns the subs to use from now on, nil if nobody is
// left. It reports whether v was there.
func (s *subs[V]) remove(queue string, v V) (*subs[V], bool) {
	if s.more == nil {
		if queue == "" && v == s.one {
			return nil, true
		}
		return s, false
	}
	ok := s.more.remove(queue, v)
	switch {
	case s.more.n == 0:
		return nil, ok
	case s.more.n == 1 && s.more.plain.n == 1:
		return &subs[V]{one: s.more.plain.appendTo(nil)[0]}, ok
	}
	return s, ok
}

// appendTo appends the subscribers to r.
func (s *subs[V]) appendTo(r *Result[V]) {
	if s.more == nil {
		r.Plain = append(r.Plain, s.one)
		return
	}
	r.Plain = s.more.plain.appendTo(r.Plain)
	for it := range s.more.queues.all {
		r.add(it.key, &it.val)
	}
}

func (l *lists[V]) add(queue string, v V) bool {
	s := &l.plain
	if queue != "" {
		tag := tagOf(hash(queue))
		it := l.queues.get(queue, tag)
		if it == nil {
			it = &item[set[V]]{key: queue}
			l.queues.put(it, tag)
		}
		s = &it.val
	}
	if !s.add(v) {
		return false
	}
	l.n++
	return true
}

func (l *lists[V]) remove(queue string, v V) bool {
	s := &l.plain
	tag := tagOf(hash(queue))
	if queue != "" {
		it := l.queues.get(queue, tag)
		if it == nil {
			return false
		}
		s = &it.val
	}
	if !s.remove(v) {
		return false
	}
	l.n--
	if queue != "" && s.n == 0 {
		l.queues.remove(queue, tag)
	}
	return true
}
