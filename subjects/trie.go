package subjects

import (
	"sync"
	"sync/atomic"
)

// trie has the subscribers to subjects with wildcards.
type trie[V comparable] struct {
	mu   sync.Mutex // held to change what is below root, and not to read it
	root node[V]
}

// node stands for the first tokens of patterns. It is read without locks.
type node[V comparable] struct {
	children table[node[V]]          // by the next token, if not a wildcard
	star     atomic.Pointer[node[V]] // for a next token "*"
	exact    atomic.Pointer[subs[V]] // of the pattern that ends here
	tail     atomic.Pointer[subs[V]] // of the pattern that ends with a next token ">"
}

func (t *trie[V]) empty() bool { return t.root.empty() }

// match appends the subscribers to patterns that match a Publishable subject.
func (t *trie[V]) match(subject string, r *Result[V]) {
	t.root.match(subject, true, r)
}

func (t *trie[V]) insert(pattern, queue string, v V) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := &t.root
	for more := true; more; {
		var token string
		token, pattern, more = cut(pattern)
		switch token {
		case ">":
			return insert(&at.tail, queue, v)
		case "*":
			if at.star.Load() == nil {
				at.star.Store(new(node[V]))
			}
			at = at.star.Load()
		default:
			tag := tagOf(hash(token))
			it := at.children.get(token, tag)
			if it == nil {
				it = &item[node[V]]{key: token}
				at.children.put(it, tag)
			}
			at = &it.val
		}
	}
	return insert(&at.exact, queue, v)
}

func (t *trie[V]) remove(pattern, queue string, v V) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.root.remove(pattern, true, queue, v)
}

func (t *trie[V]) all(yield func(pattern string, s *subs[V]) bool) {
	t.root.all("", yield)
}

func insert[V comparable](at *atomic.Pointer[subs[V]], queue string, v V) bool {
	old := at.Load()
	if old == nil {
		s := newSubs(queue, v)
		at.Store(&s)
		return true
	}
	next, ok := old.add(queue, v)
	at.Store(next)
	return ok
}

func remove[V comparable](at *atomic.Pointer[subs[V]], queue string, v V) bool {
	old := at.Load()
	if old == nil {
		return false
	}
	next, ok := old.remove(queue, v)
	at.Store(next)
	return ok
}

func (n *node[V]) empty() bool {
	return n.children.slots.Load() == nil && n.star.Load() == nil &&
		n.exact.Load() == nil && n.tail.Load() == nil
}

// match looks for rest below n. Without more, rest is at its end.
func (n *node[V]) match(rest string, more bool, r *Result[V]) {
	for more {
		if s := n.tail.Load(); s != nil {
			s.appendTo(r)
		}
		var token string
		token, rest, more = cut(rest)
		if star := n.star.Load(); star != nil {
			star.match(rest, more, r)
		}
		if n.children.slots.Load() == nil {
			return
		}
		it := n.children.get(token, tagOf(hash(token)))
		if it == nil {
			return
		}
		n = &it.val
	}
	if s := n.exact.Load(); s != nil {
		s.appendTo(r)
	}
}

// remove removes v under the pattern that rest is the end of, and the nodes
// below n that are empty then. Without more, rest is at its end.
func (n *node[V]) remove(rest string, more bool, queue string, v V) bool {
	if !more {
		return remove(&n.exact, queue, v)
	}
	token, rest, more := cut(rest)
	switch token {
	case ">":
		return remove(&n.tail, queue, v)
	case "*":
		star := n.star.Load()
		if star == nil || !star.remove(rest, more, queue, v) {
			return false
		}
		if star.empty() {
			n.star.Store(nil)
		}
	default:
		tag := tagOf(hash(token))
		it := n.children.get(token, tag)
		if it == nil || !it.val.remove(rest, more, queue, v) {
			return false
		}
		if it.val.empty() {
			n.children.remove(token, tag)
		}
	}
	return true
}

// all calls yield for the patterns below n until it returns false.
func (n *node[V]) all(prefix string, yield func(string, *subs[V]) bool) bool {
	if s := n.tail.Load(); s != nil && !yield(prefix+">", s) {
		return false
	}
	next := func(token string, n *node[V]) bool {
		if s := n.exact.Load(); s != nil && !yield(prefix+token, s) {
			return false
		}
		return n.all(prefix+token+".", yield)
	}
	if star := n.star.Load(); star != nil && !next("*", star) {
		return false
	}
	for it := range n.children.all {
		if !next(it.key, &it.val) {
			return false
		}
	}
	return true
}
