package subjects

import "slices"

// Result is what Index.Match found. It may be used again and again, and keeps
// what it refers to in memory meanwhile.
type Result[V comparable] struct {
	Plain  []V        // outside of queue groups, one for each entry in the index
	Queues []Group[V] // one for each name, none of them empty

	places map[string]int // in Queues, by name; empty while these are few
}

// Group is a queue group.
type Group[V comparable] struct {
	Name    string
	Members []V // one for each entry in the index
}

const fewQueues = 16 // that many names are compared one by one

func (r *Result[V]) reset() {
	r.Plain = r.Plain[:0]
	r.Queues = r.Queues[:0]
	clear(r.places)
}

// add appends to the group of that name.
func (r *Result[V]) add(name string, members *set[V]) {
	i := r.place(name)
	if i == len(r.Queues) {
		r.Queues = slices.Grow(r.Queues, 1)[:i+1]
		g := &r.Queues[i] // has a list to use again, perhaps
		g.Name, g.Members = name, g.Members[:0]
	}
	g := &r.Queues[i]
	g.Members = members.appendTo(g.Members)
	if len(g.Members) == 0 {
		r.Queues = r.Queues[:i] // the last member left meanwhile
	} else if len(r.places) > 0 {
		r.places[name] = i
	}
}

// Members returns the members of the group of that name, none if it is not there.
func (r *Result[V]) Members(name string) []V {
	if i := r.place(name); i < len(r.Queues) {
		return r.Queues[i].Members
	}
	return nil
}

// place returns the index of a group in Queues, or their number if it is new.
func (r *Result[V]) place(name string) int {
	n := len(r.Queues)
	if n < fewQueues {
		i := slices.IndexFunc(r.Queues, func(g Group[V]) bool { return g.Name == name })
		if i < 0 {
			return n
		}
		return i
	}
	if len(r.places) == 0 {
		if r.places == nil {
			r.places = make(map[string]int)
		}
		for i, g := range r.Queues {
			r.places[g.Name] = i
		}
	}
	if i, ok := r.places[name]; ok {
		return i
	}
	return n
}
