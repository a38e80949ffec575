package node

import (
	"slices"
	"strings"
	"sync"
	"time"

	"shoal/membership"
)

// Two members of a cluster that are both alive should have a route. Where there is none, their clients do not
// hear each other, and nobody else can see it. So every node gossips the members that it misses a route to,
// and everybody knows all such pairs. Usually there are none, so that costs nothing.
const (
	missingTag = "mr"
	// missingPrefix is as much of a server ID as tells the members of a cluster apart.
	missingPrefix = 10
	// maxMissing bounds the tag. Who misses more has a problem that the first ones show.
	maxMissing = 5
	// missingStep is how often the members and their routes are compared at most: while a large cluster starts
	// there is news all the time.
	missingStep = 500 * time.Millisecond
	// missingAfter is how long a route has to be missing before others are told; it is usually made
	// sooner.
	missingAfter = 4 * time.Second
	// degradedAfter is how long a pair has to be without a route before people are told.
	degradedAfter = 5 * time.Second
	// lastingAfter is how old a connection has to be to count: one that the other side refuses does not last.
	lastingAfter = time.Second
	// lostAfter is how long a route is kept that nothing gets through, although others reach the peer. TCP
	// would wait longer before each attempt, up to minutes, while a new route is made within seconds.
	lostAfter = 10 * time.Second
)

// lasting returns the connections to a peer that are old enough to count.
func (t *routes) lasting(id string, now time.Time) []*route {
	return slices.DeleteFunc(t.to(id), func(r *route) bool { return now.Sub(r.start) < lastingAfter })
}

// Pair is two members that are alive but have no route to each other, as the first one sees it.
type Pair struct {
	From, To string // names
	Since    time.Time
}

// missing knows the pairs of members without a route.
type missing struct {
	mu     sync.Mutex           // guards the rest
	looked time.Time            // when members and routes were compared last
	own    map[string]time.Time // members without a route from this node, and since when
	pairs  map[[2]string]*pairState
	gossip string // the tag as it was set last
}

type pairState struct {
	Pair
	seen   bool // in this round
	logged bool
}

// update compares members with routes, tells the others what this node misses, and logs pairs that
// have been without a route for long.
func (t *missing) update(n *Node, c *membership.Cluster, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.looked) < missingStep {
		return
	}
	t.looked = now
	all := c.Members()
	if t.own == nil {
		t.own, t.pairs = make(map[string]time.Time), make(map[[2]string]*pairState)
	}
	var tag []string
	missed := make(map[string]bool)
	told := strings.Split(t.gossip, ",")
	for _, m := range all {
		if m.Self || !m.Lives() || m.Route == "" {
			continue
		}
		lasting := n.routes.lasting(m.ID, now)
		if slices.ContainsFunc(lasting, func(r *route) bool { return r.reach() != unreachable }) {
			continue
		}
		// A member that only others reach is under suspicion now and then. That neither is told of nor ends
		// what has been told: it may have died, or not.
		since, ok := t.own[m.ID]
		if !ok && m.Liveness == membership.Suspect {
			continue
		}
		missed[m.ID] = true
		prefix := m.ID[:min(missingPrefix, len(m.ID))]
		if !ok {
			t.own[m.ID] = now
		} else if now.Sub(since) > missingAfter && len(lasting) == 0 && len(tag) < maxMissing &&
			(m.Liveness == membership.Alive || slices.Contains(told, prefix)) {
			tag = append(tag, prefix)
		}
		if ok && now.Sub(since) > lostAfter {
			for _, r := range lasting {
				r.giveUp()
			}
		}
	}
	for id := range t.own {
		if !missed[id] {
			delete(t.own, id)
		}
	}
	slices.Sort(tag)
	if text := strings.Join(tag, ","); text != t.gossip {
		if err := c.SetTag(missingTag, text); err != nil { // it has left
			n.log.Debug("Others will not see which members this server has no route to", "error", err)
		}
		t.gossip = text
	}
	t.collect(n, all, now)
}

// collect gathers what all members say. The caller holds the lock.
func (t *missing) collect(n *Node, all []membership.Member, now time.Time) {
	for _, p := range t.pairs {
		p.seen = false
	}
	for _, from := range all {
		if !from.Lives() || from.Tags[missingTag] == "" {
			continue
		}
		for prefix := range strings.SplitSeq(from.Tags[missingTag], ",") {
			i := slices.IndexFunc(all, func(m membership.Member) bool {
				return len(prefix) > 0 && strings.HasPrefix(m.ID, prefix) && m.Lives()
			})
			if i < 0 {
				continue
			}
			t.note(n, &from, &all[i], now)
		}
	}
	for key, p := range t.pairs {
		if !p.seen {
			if p.logged {
				n.log.Info("Two members have a route again", "from", p.From, "to", p.To)
			}
			delete(t.pairs, key)
		}
	}
}

// note notes that one member misses a route to another. The caller holds the lock.
func (t *missing) note(n *Node, from, to *membership.Member, now time.Time) {
	key := [2]string{from.ID, to.ID}
	p := t.pairs[key]
	if p == nil {
		p = &pairState{Pair: Pair{From: from.Name, To: to.Name, Since: now.Add(-missingAfter)}}
		t.pairs[key] = p
	}
	p.seen = true
	if to.Self {
		// The other side knows of no route. If this one does, it is dead.
		for _, r := range n.routes.to(from.ID) {
			r.probe(suspectTime)
		}
	}
	if !p.logged && now.Sub(p.Since) > degradedAfter && from.Liveness == membership.Alive && to.Liveness == membership.Alive {
		p.logged = true
		n.log.Warn("Two members are alive but have no route, their clients do not reach each other",
			"from", p.From, "to", p.To)
	}
}

// Degraded returns the pairs of members that have been without a route for more than five seconds.
func (n *Node) Degraded() []Pair {
	t := &n.members.missing
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Pair
	for _, p := range t.pairs {
		if p.logged {
			list = append(list, p.Pair)
		}
	}
	slices.SortFunc(list, func(a, b Pair) int { return strings.Compare(a.From+" "+a.To, b.From+" "+b.To) })
	return list
}
