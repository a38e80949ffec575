package node

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"shoal/wire"
)

// routes are the connections of a node to its peers.
type routes struct {
	mu     sync.Mutex // guards the rest
	all    map[*route]struct{}
	links  map[string]*link // with registered connections, by ID of the peer
	closed *ending          // why there are no more
	gone   past             // of connections that have ended
}

func (t *routes) init() {
	t.all, t.links = make(map[*route]struct{}), make(map[string]*link)
}

// add takes in a new connection, for which a goroutine is going to be started. It reports whether
// there may be one.
func (t *routes) add(r *route) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return false
	}
	t.all[r] = struct{}{}
	// Under the lock, so that a node that has refused a connection waits for all that came before.
	r.node.wg.Add(1)
	return true
}

// register gives r its slot, or returns the connection that has it. It reports whether r is the first
// connection to its peer.
func (t *routes) register(r *route) (first bool, old *route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.links[r.peer().ID]
	if l == nil {
		l = &link{routes: make(map[string]*route)}
		t.links[r.peer().ID] = l
	}
	if old := l.routes[r.slot]; old != nil {
		return false, old
	}
	l.routes[r.slot] = r
	return len(l.routes) == 1, nil
}

// unregister makes room for another connection in the slot of r. It reports whether r was the last
// connection to its peer.
func (t *routes) unregister(r *route) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.peer() == nil {
		return false
	}
	l := t.links[r.peer().ID]
	if l == nil || l.routes[r.slot] != r {
		return false
	}
	delete(l.routes, r.slot)
	if len(l.routes) == 0 {
		delete(t.links, r.peer().ID)
		return true
	}
	return false
}

// remove forgets a connection that has ended.
func (t *routes) remove(r *route) {
	t.mu.Lock()
	delete(t.all, r)
	t.gone.count(&r.conn)
	t.mu.Unlock()
	n := r.node
	n.interest.leave(r)
	n.clients.left.Add(1) // for caches that know the connection
	if t.unregister(r) {
		n.targets.disconnected(r.peer().ID, time.Now(), r.attempt != nil, r.leaving.Load())
		n.urls.changed()
	}
	if n.sendsAway() {
		n.interest.withdrawQueues(&n.buffers, n.hasMembersElsewhere)
	}
	if r.attempt != nil && !r.registered.Load() {
		if r.attempt.pooled {
			t.poolDialed(r.attempt.id, r.attempt.poolIndex, false)
		} else {
			n.attemptEnded(r)
		}
	}
	n.wakeDialer() // a pool may have lost a connection
	n.readiness.check()
}

// inSlot returns the registered connection to a peer in that slot, or nil.
func (t *routes) inSlot(id, slot string) *route {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.links[id]; l != nil {
		return l.routes[slot]
	}
	return nil
}

// forget drops a connection that goes on as something else.
func (t *routes) forget(r *route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, r)
}

// to returns all registered connections to a peer.
func (t *routes) to(id string) []*route {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.links[id]; l != nil {
		return slices.Collect(maps.Values(l.routes))
	}
	return nil
}

// knows reports whether there is a registered connection to a peer.
func (t *routes) knows(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.links[id] != nil
}

// list returns one registered connection for each peer, the oldest first.
func (t *routes) list() []*route {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*route, 0, len(t.links))
	for _, l := range t.links {
		list = append(list, l.first())
	}
	sortByAge(list)
	return list
}

// registered returns all registered connections, the oldest first.
func (t *routes) registered() []*route {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*route
	for _, l := range t.links {
		list = slices.AppendSeq(list, maps.Values(l.routes))
	}
	sortByAge(list)
	return list
}

// synchronized reports whether every peer has sent all its interest.
func (t *routes) synchronized() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.links {
		carried := false
		for _, r := range l.routes {
			if !r.synced.Load() {
				return false
			}
			carried = carried || r.carries(GlobalAccount)
		}
		if !carried {
			return false
		}
	}
	return true
}

func sortByAge(list []*route) {
	slices.SortFunc(list, func(a, b *route) int { return cmp.Compare(a.id, b.id) })
}

// total returns what all connections, also those that have ended, have sent and received.
func (t *routes) total() past {
	t.mu.Lock()
	sum, all := t.gone, slices.Collect(maps.Keys(t.all))
	t.mu.Unlock()
	for _, r := range all {
		sum.count(&r.conn)
	}
	return sum
}

// everyone returns all connections, also those without a registered peer.
func (t *routes) everyone() []*route {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*route, 0, len(t.all))
	for r := range t.all {
		list = append(list, r)
	}
	return list
}

// renamed tells shoal nodes the new name of the cluster, which the node has learned on the
// connection from. Others know the route under the old name; it has to be made anew.
func (t *routes) renamed(from *route) {
	for _, r := range t.registered() {
		switch {
		case r == from || from.peer() != nil && r.peer().ID == from.peer().ID:
		case isShoal(r.peer()):
			r.sendLine(r.node.routeInfo(r).Append(nil))
		default:
			r.end(&ending{reason: reasonClusterName})
		}
	}
}

// announce tells shoal nodes what has changed about this one; nats-server would not listen.
func (t *routes) announce() {
	for _, r := range t.list() {
		if isShoal(r.peer()) {
			r.sendLine(r.node.routeInfo(r).Append(nil))
		}
	}
}

// broadcast sends a line to all peers.
func (t *routes) broadcast(line []byte) {
	for _, r := range t.list() {
		r.sendLine(line)
	}
}

// refuse lets nobody become a peer any more.
func (t *routes) refuse(e *ending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed == nil {
		t.closed = e
	}
}

// close ends all connections in good order and refuses new ones.
func (t *routes) close(e *ending) {
	t.refuse(e)
	for _, r := range t.everyone() {
		r.end(e)
	}
}

// cut ends all connections at once.
func (t *routes) cut(e *ending) {
	t.refuse(e)
	for _, r := range t.everyone() {
		r.cut(e)
	}
}

// RouteInfo describes a route at one moment.
type RouteInfo struct {
	// ID is the number of the connection.
	ID uint64
	// RemoteID and RemoteName are the ID and the name of the peer.
	RemoteID, RemoteName string
	// Shoal says that the peer is a shoal node.
	Shoal bool
	// Solicited says that this node has dialled, Configured that it was told to.
	Solicited, Configured bool
	// IP and Port are the address of the other side.
	IP   string
	Port int
	// Start is when the connection was made, LastActivity when something came last.
	Start, LastActivity time.Time
	// RTT is the last round trip that was measured, 0 if there is none yet.
	RTT time.Duration
	// Pending is the number of bytes that wait to be written.
	Pending int
	// InMsgs to OutBytes are messages and their bytes of payload.
	InMsgs, InBytes, OutMsgs, OutBytes uint64
	// Subscriptions is the number of entries of the peer's interest.
	Subscriptions int
	// Account is the only account that the connection is for, empty if it is for several.
	Account string
	// Compression is the mode of compression.
	Compression string
	// Synchronized says that the peer's interest at registration has been received.
	Synchronized bool
	// Import and Export are the permissions that the peer has told, nil for what it does not restrict.
	Import, Export *wire.SubjectPermission
	// Subscribed is the peer's interest, if it was asked for.
	Subscribed []Subscription
}

// RoutesWithInterest is like [Node.Routes], but tells also what each peer is interested in.
func (n *Node) RoutesWithInterest() []RouteInfo {
	list := n.routes.registered()
	infos := make([]RouteInfo, len(list))
	for i, r := range list {
		infos[i] = r.describe()
		infos[i].Subscribed = r.subscribed()
	}
	return infos
}

// Routes describes the registered connections to peers, the oldest first.
func (n *Node) Routes() []RouteInfo {
	list := n.routes.registered()
	infos := make([]RouteInfo, len(list))
	for i, r := range list {
		infos[i] = r.describe()
	}
	return infos
}

func (r *route) describe() RouteInfo {
	t := r.traffic()
	peer := r.peer()
	ip, port := r.address()
	info := RouteInfo{
		ID:            r.id,
		RemoteID:      peer.ID,
		RemoteName:    peer.Name,
		Shoal:         isShoal(peer),
		Solicited:     r.attempt != nil,
		Configured:    r.attempt != nil && r.attempt.configured,
		IP:            ip,
		Port:          port,
		Start:         r.start,
		RTT:           r.liveness.roundTrip(),
		Pending:       r.out.waiting(),
		InMsgs:        t.inMsgs,
		InBytes:       t.inBytes,
		OutMsgs:       t.outMsgs,
		OutBytes:      t.outBytes,
		Subscriptions: r.subs.len(),
		Account:       r.carriage.account,
		Compression:   r.compression,
		Import:        peer.Import,
		Export:        peer.Export,
		Synchronized:  r.synced.Load(),
		LastActivity:  time.Unix(0, r.lastIn.Load()),
	}
	return info
}

// isShoal reports whether the server that sent an INFO is a shoal node.
func isShoal(info *wire.ServerInfo) bool { return info.Shoal != nil && info.Shoal.Proto > 0 }
