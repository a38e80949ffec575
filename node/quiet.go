package node

import "time"

const (
	// quietTime is how long nothing may come over a route before it is tried.
	quietTime = 10 * time.Second
	// quietStep is how often a node tries one of its routes at most. So this costs the same however many there
	// are, and each is tried every 10 to 20 seconds in clusters of up to ten nodes, as both sides do it.
	quietStep = 4 * time.Second
)

// quietRoutes tries routes over which nothing has come for long: whether something still gets through shows only
// where something is sent. See missing for what follows. It belongs to the goroutine of members.
type quietRoutes struct{ looked time.Time }

// try sends a PING over the route to a member that has been quiet for longest.
func (q *quietRoutes) try(n *Node, now time.Time) {
	if now.Sub(q.looked) < quietStep {
		return
	}
	q.looked = now
	var quietest *route
	since := now.Add(-quietTime)
	for _, r := range n.routes.registered() {
		if !isShoal(r.peer()) {
			continue // nobody vouches for it, so its own PINGs have to do
		}
		last := time.Unix(0, r.lastIn.Load())
		if r.tried.After(last) {
			last = r.tried
		}
		if last.Before(since) {
			quietest, since = r, last
		}
	}
	if quietest != nil {
		quietest.tried = now
		quietest.sendLine(pingLine)
	}
}
