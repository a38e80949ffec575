package node

import (
	"sync"

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

	// sending is held while lines are rendered and sent, so that all peers get them in the order of
	// the changes. It is taken before mu, and guards the rest.
	sending  sync.Mutex
	audience []*route
	lines    stream
}

// topicKey is what interest is about. queue is empty for interest outside of queue groups.
type topicKey struct{ subject, queue string }

// topic is the interest in a subject, or that of a queue group in it.
type topic struct {
	topicKey
	members   int  // subscriptions of clients
	announced int  // the weight that the peers know, 0 if they know of no interest
	withdrawn bool // the peers are to know of none, because members elsewhere should be chosen
	dirty     bool
}

// weight is what the peers should know.
func (i *interest) weight(t *topic) int {
	switch {
	case t.queue == "":
		return min(t.members, 1)
	case t.withdrawn:
		return 0
	}
	return t.members
}

// add counts a subscription that has been put into the index.
func (i *interest) add(subject, queue string) { i.count(subject, queue, 1) }

// remove counts a subscription that is about to be taken out of the index.
func (i *interest) remove(subject, queue string) { i.count(subject, queue, -1) }

func (i *interest) count(subject, queue string, n int) {
	if !i.enabled {
		return
	}
	key := topicKey{subject, queue}
	i.mu.Lock()
	defer i.mu.Unlock()
	t := i.topics[key]
	if t == nil {
		if i.topics == nil {
			i.topics = make(map[topicKey]*topic)
		}
		t = &topic{topicKey: key}
		i.topics[key] = t
	}
	t.members += n
	i.touch(t)
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
			if len(i.audience) > 0 {
				i.lines.addLine(pool, interestLine(&t.topicKey, weight))
			}
		}
		if t.members == 0 {
			delete(i.topics, t.topicKey)
		}
	}
	clear(i.dirty)
	i.dirty = i.dirty[:0]
	i.mu.Unlock()
	for _, r := range i.audience {
		r.send(&i.lines)
	}
	i.lines.reset(pool)
}

// snapshot sends everything to r, which from now on hears of all changes.
func (i *interest) snapshot(r *route) {
	pool := &r.node.buffers
	i.sending.Lock()
	defer i.sending.Unlock()
	i.send(pool)
	i.mu.Lock()
	for _, t := range i.topics {
		if t.announced > 0 {
			i.lines.addLine(pool, interestLine(&t.topicKey, t.announced))
		}
	}
	i.mu.Unlock()
	r.send(&i.lines)
	i.lines.reset(pool)
	i.audience = append(i.audience, r)
}

// leave forgets a peer.
func (i *interest) leave(r *route) {
	i.sending.Lock()
	defer i.sending.Unlock()
	for k, other := range i.audience {
		if other == r {
			last := len(i.audience) - 1
			i.audience[k] = i.audience[last]
			i.audience[last] = nil
			i.audience = i.audience[:last]
			return
		}
	}
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

// interestLine returns the line that announces a weight, or withdraws the interest if that is 0.
func interestLine(key *topicKey, weight int) []byte {
	op := wire.Op{
		Verb:    wire.RSub,
		Account: []byte(GlobalAccount),
		Subject: []byte(key.subject),
		Queue:   []byte(key.queue),
		Max:     weight,
	}
	if weight == 0 {
		op.Verb = wire.RUnsub
	}
	return op.Append(nil)
}
