package node

import (
	"slices"
	"sync"

	"shoal/node/auth"
	"shoal/wire"
)

// interest is what the clients of this node subscribe to, as its peers have to know it: that there
// is somebody for a subject, and how many members a queue group has on it.
//
// Subscribing and unsubscribing only changes counts and marks what has changed. Whoever did so then
// announces it, before it sends messages or acknowledges anything: a reply must not overtake the
// interest in it. What came and went in between is never announced.
type interest struct {
	enabled bool // the node can have peers

	mu     sync.Mutex // guards the fields below and those of every topic; never held while sending
	topics map[topicKey]*topic
	dirty  []*topic
	rules  *auth.Rules // of what peers may be told, nil if that is everything

	// sending is held while lines are rendered and sent, so that all peers get them in the order of
	// the changes. It is taken before mu, and guards the rest.
	sending   sync.Mutex
	audiences []*audience
}

// topicKey is what interest is about. queue is empty for interest outside of queue groups.
type topicKey struct {
	account        *account
	subject, queue string
}

// topic is the interest in a subject, or that of a queue group in it.
type topic struct {
	topicKey
	members   int  // subscriptions of clients
	announced int  // the weight that the peers know, 0 if they know of no interest
	hidden    bool // the peers must not know of it
	withdrawn bool // the peers are to know of none, because members elsewhere should be chosen
	dirty     bool
}

// weight is what the peers should know.
func (i *interest) weight(t *topic) int {
	switch {
	case t.hidden:
		return 0
	case t.queue == "":
		return min(t.members, 1)
	case t.withdrawn:
		return 0
	}
	return t.members
}

// add counts a subscription that has been put into the index.
func (i *interest) add(a *account, subject, queue string) { i.count(topicKey{a, subject, queue}, 1) }

// remove counts a subscription that is about to be taken out of the index.
func (i *interest) remove(a *account, subject, queue string) {
	i.count(topicKey{a, subject, queue}, -1)
}

func (i *interest) count(key topicKey, n int) {
	if !i.enabled {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	t := i.topics[key]
	if t == nil {
		if i.topics == nil {
			i.topics = make(map[topicKey]*topic)
		}
		t = &topic{topicKey: key, hidden: i.hides(key.subject)}
		i.topics[key] = t
	}
	t.members += n
	i.touch(t)
}

// hides reports whether the peers must not know of interest in a subject. The caller holds mu.
func (i *interest) hides(subject string) bool { return i.rules != nil && !i.rules.MayPublish(subject) }

// restrict has the peers know of no interest but that which the rules import, nil if they import all.
func (i *interest) restrict(pool *bufferPool, rules *auth.Rules) {
	i.mu.Lock()
	i.rules = rules
	for _, t := range i.topics {
		t.hidden = i.hides(t.subject)
		i.touch(t)
	}
	i.mu.Unlock()
	i.announce(pool)
}

// touch marks t if the peers have to be told about it. The caller holds mu.
func (i *interest) touch(t *topic) {
	if !t.dirty && (i.weight(t) != t.announced || t.members == 0) {
		t.dirty = true
		i.dirty = append(i.dirty, t)
	}
}

// announce tells the peers what has changed. When it returns, everything that was counted before is
// on its way to them.
func (i *interest) announce(pool *bufferPool) {
	if !i.enabled {
		return
	}
	i.sending.Lock()
	defer i.sending.Unlock()
	i.send(pool)
}

// send is announce for a caller that holds sending.
func (i *interest) send(pool *bufferPool) {
	i.mu.Lock()
	for _, t := range i.dirty {
		t.dirty = false
		if weight := i.weight(t); weight != t.announced {
			t.announced = weight
			for _, a := range i.audiences {
				a.add(pool, t)
			}
		}
		if t.members == 0 {
			delete(i.topics, t.topicKey)
		}
	}
	clear(i.dirty)
	i.dirty = i.dirty[:0]
	i.mu.Unlock()
	for _, a := range i.audiences {
		for _, r := range a.routes {
			r.send(&a.lines)
		}
		a.lines.reset(pool)
	}
}

// snapshot sends everything to r that it carries, which from now on hears of all changes.
func (i *interest) snapshot(r *route) {
	pool := &r.node.buffers
	i.sending.Lock()
	defer i.sending.Unlock()
	i.send(pool)
	k := slices.IndexFunc(i.audiences, func(a *audience) bool { return a.carriage == r.carriage })
	if k < 0 {
		k = len(i.audiences)
		i.audiences = append(i.audiences, &audience{carriage: r.carriage})
	}
	a := i.audiences[k]
	i.tell(pool, a, r, nil)
	a.routes = append(a.routes, r)
}

// repeat sends to r again what was announced to it, but for what it did export by the rules that are over.
func (i *interest) repeat(r *route, exported *auth.Rules) {
	pool := &r.node.buffers
	i.sending.Lock()
	defer i.sending.Unlock()
	i.send(pool)
	for _, a := range i.audiences {
		if slices.Contains(a.routes, r) {
			i.tell(pool, a, r, exported)
		}
	}
}

// tell sends everything that is announced to r, which belongs to a, but for what the rules export, unless
// they are nil. The caller holds sending.
func (i *interest) tell(pool *bufferPool, a *audience, r *route, but *auth.Rules) {
	i.mu.Lock()
	for _, t := range i.topics {
		if t.announced > 0 && (but == nil || !but.MaySubscribe(t.subject, "")) {
			a.add(pool, t)
		}
	}
	i.mu.Unlock()
	r.send(&a.lines)
	a.lines.reset(pool)
}

// leave forgets a peer.
func (i *interest) leave(r *route) {
	i.sending.Lock()
	defer i.sending.Unlock()
	isIt := func(other *route) bool { return other == r }
	for _, a := range i.audiences {
		a.routes = slices.DeleteFunc(a.routes, isIt)
	}
	i.audiences = slices.DeleteFunc(i.audiences, func(a *audience) bool { return len(a.routes) == 0 })
}

// add appends the line that announces what is known of a topic, or withdraws it.
func (a *audience) add(pool *bufferPool, t *topic) {
	if !a.carries(t.account.name) {
		return
	}
	op := wire.Op{
		Verb:    wire.RSub,
		Subject: []byte(t.subject),
		Queue:   []byte(t.queue),
		Max:     t.announced,
	}
	if !a.dedicated() {
		op.Account = []byte(t.account.name)
	}
	if t.announced == 0 {
		op.Verb = wire.RUnsub
	}
	a.lines.addLine(pool, op.Append(nil))
}

// withdrawQueues has the peers choose nobody on this node any more as a member of a queue group that
// has members elsewhere, which the function reports. It may be called again when they have changed.
func (i *interest) withdrawQueues(pool *bufferPool, elsewhere func(topicKey) bool) {
	i.mu.Lock()
	for _, t := range i.topics {
		if t.queue != "" {
			t.withdrawn = elsewhere(t.topicKey)
			i.touch(t)
		}
	}
	i.mu.Unlock()
	i.announce(pool)
}

// reconsider does the same for one queue group.
func (i *interest) reconsider(pool *bufferPool, key topicKey, elsewhere func(topicKey) bool) {
	i.mu.Lock()
	if t := i.topics[key]; t != nil {
		t.withdrawn = elsewhere(key)
		i.touch(t)
	}
	i.mu.Unlock()
	i.announce(pool)
}
