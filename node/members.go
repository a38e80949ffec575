package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"shoal/membership"
	"shoal/wire"
)

// members ties the node to the gossip of its cluster. Gossip proposes whom to have a route to, and
// whom to distrust; the route's own PING decides.
type members struct {
	node    *Node
	cluster atomic.Pointer[membership.Cluster] // nil while the node does not gossip
	packets net.PacketConn
	settled atomic.Bool // who was found at the start is known to the dialer
	quiet   quietRoutes
	missing missing
	drift   driftLog
}

// membersTick is how often the node looks at the members although nothing is said to have changed.
const membersTick = 2 * time.Second

// start begins to gossip. It fails if the node cannot: routes that are configured work all the same.
func (m *members) start(ctx context.Context) error {
	n := m.node
	opts := &n.options().Cluster
	advertise, err := m.advertise(ctx)
	if err != nil {
		return err
	}
	addr := net.JoinHostPort(opts.Host, strconv.Itoa(n.clusterPort()))
	if m.packets, err = net.ListenPacket("udp", addr); err != nil {
		n.log.Warn("Gossip has no UDP port, and goes over TCP", "error", err)
		m.packets = nil
	}
	if len(opts.GossipKeys) == 0 && !advertise.Addr().IsLoopback() {
		n.log.Warn("Gossip is not encrypted: whoever reaches the cluster port can read and forge it, use --gossip_key")
	}
	var client string
	if urls := n.ownURLs(); len(urls) > 0 && !opts.NoAdvertise {
		client = urls[0]
	}
	cluster, err := membership.Start(ctx, membership.Options{
		ID:        n.id,
		Name:      n.name,
		Cluster:   n.cluster.get,
		Version:   Version,
		Route:     net.JoinHostPort(advertise.Addr().String(), strconv.Itoa(n.routePort)),
		Client:    client,
		Advertise: advertise,
		Profile:   opts.GossipProfile,
		Join:      opts.Join,
		StateDir:  opts.StateDir,
		Keys:      opts.GossipKeys,
		KeepKeys:  opts.KeepGossipKeys,
		Packets:   m.packets,
		Dial:      n.dialGossip,
		Duplicate: m.duplicate,
		Stopped:   func() { n.fail(errGossipStopped) },
		Logger:    n.log,
	})
	if err != nil {
		if m.packets != nil {
			m.packets.Close()
		}
		return err
	}
	m.cluster.Store(cluster)
	if err := cluster.SetTag(driftTag, digests(n.settings())); err != nil {
		n.log.Warn("Others will not see whether this server is configured like them", "error", err)
	}
	return nil
}

// knows reports whether a peer is a member that lives, in the same gossip as this node.
func (m *members) knows(peer *wire.ServerInfo) bool {
	c := m.cluster.Load()
	if c == nil || !isShoal(peer) || !peer.Shoal.Gossip {
		return false
	}
	member, ok := c.Member(peer.ID)
	return ok && member.Lives()
}

// isSettled reports whether who was found at the start is known to the dialer.
func (m *members) isSettled() bool { return m.cluster.Load() == nil || m.settled.Load() }

// run brings the dialer and the routes in line with what gossip says until ctx ends.
func (m *members) run(ctx context.Context) {
	c := m.cluster.Load()
	tick := time.NewTicker(membersTick)
	defer tick.Stop()
	for {
		m.apply(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-c.Changed():
		case <-tick.C:
		}
	}
}

// apply does what follows from the members as they are now.
func (m *members) apply(now time.Time) {
	n, c := m.node, m.cluster.Load()
	contacted := c.Contacted() // before the members are looked at
	for _, member := range c.Members() {
		if member.Self {
			continue
		}
		m.follow(&member, now)
	}
	m.quiet.try(n, now)
	m.missing.update(n, c, now)
	m.drift.update(n, c.Members(), now)
	if contacted || len(n.options().Cluster.Join) == 0 || c.Health().LastJoin != "" {
		if !m.settled.Swap(true) {
			n.readiness.check()
		}
	}
}

// follow does what follows from one member.
func (m *members) follow(member *membership.Member, now time.Time) {
	n := m.node
	routes := n.routes.to(member.ID)
	leaves := member.State == membership.LameDuck || member.State == membership.Draining
	for _, r := range routes {
		if r.sendsAway.Swap(leaves) != leaves {
			n.urls.changed()
		}
		r.avoid.set(distrusted, leaves || member.Liveness != membership.Alive)
	}
	switch member.Liveness {
	case membership.Alive:
		if member.Route != "" {
			n.targets.propose(now, member.ID, member.Route, member.Since)
		}
	case membership.Suspect:
		// Nobody prefers it any more, and its route has to show that it works.
		for _, r := range routes {
			r.probe(suspectTime)
		}
	case membership.Failed:
		for _, r := range routes {
			within := failedTime
			if r.reach() == unreachable {
				within = 0
			}
			r.probe(within)
		}
	case membership.Left:
		// It closes its routes itself when all that its clients have sent is on its way.
		n.targets.left(member.ID)
		for _, r := range routes {
			r.probe(failedTime)
		}
	}
}

// How long a route to a member may take to answer that others suspect, or that has failed. A suspicion
// alone is no reason to cut a route: on a network that loses packets there are many, and the answer can be
// behind messages that TCP needs long for.
const (
	suspectTime = slowTime
	failedTime  = 1500 * time.Millisecond
)

// stream takes a stream of gossip that was accepted on the cluster port.
func (m *members) stream(nc net.Conn) {
	if c := m.cluster.Load(); c != nil {
		c.Stream(nc)
		return
	}
	nc.Close()
}

// duplicate is called when an older member has the name of this node.
func (m *members) duplicate(other membership.Member) {
	m.node.fail(&DuplicateNameError{Name: m.node.name, Own: m.node.ClusterAddr().String(), Other: other.Route})
}

// errGossipStopped is why a node stops whose gossip has: the others would take it for dead, and go on without
// it, while its clients would not notice.
var errGossipStopped = errors.New("gossip has stopped by itself, start the server again")

// setState tells the other members what the node is up to.
func (m *members) setState(s membership.State) {
	c := m.cluster.Load()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := c.SetState(ctx, s); err != nil {
		m.node.log.Debug("Gossip did not take the new state", "state", s, "error", err)
	}
}

// leave says goodbye to the other members, if there is somebody to hear it.
func (m *members) leave() {
	c := m.cluster.Load()
	if c == nil || !c.Health().Joined {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := c.Leave(ctx); err != nil {
		m.node.log.Debug("Gossip did not say goodbye", "error", err)
	}
}

// close ends gossip.
func (m *members) close() {
	c := m.cluster.Load()
	if c == nil {
		return
	}
	if err := c.Close(); err != nil {
		m.node.log.Debug("Gossip did not end well", "error", err)
	}
	if m.packets != nil {
		m.packets.Close()
	}
}

// advertise returns the address for gossip that others are told: what is configured, or the address
// that the node listens on, or, if that is a wildcard, the one that leads to others.
func (m *members) advertise(ctx context.Context) (netip.AddrPort, error) {
	n := m.node
	host := n.routeHost
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		var ok bool
		if host, ok = outward(ctx, &n.options().Cluster); !ok {
			n.log.Warn("This machine has only loopback addresses, so other machines will not find this server by gossip: " +
				"restart it when there is a network, or use --cluster_advertise")
		}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip := ips[0].Unmap()
	for _, other := range ips {
		if ip.Is6() && other.Unmap().Is4() {
			ip = other.Unmap()
		}
	}
	return netip.AddrPortFrom(ip, uint16(n.routePort)), nil
}

// Members returns the members of the cluster as gossip knows them, nil if the node does not gossip.
func (n *Node) Members() []membership.Member {
	if c := n.members.cluster.Load(); c != nil {
		return c.Members()
	}
	return nil
}

// Membership returns the gossip of the node, nil if it does not gossip.
func (n *Node) Membership() *membership.Cluster { return n.members.cluster.Load() }

// DuplicateNameError says that a node stops because an older one has its name.
type DuplicateNameError struct {
	Name       string
	Own, Other string // cluster addresses
}

// Error implements error.
func (e *DuplicateNameError) Error() string {
	return "name: " + strconv.Quote(e.Name) + " is the name of the server at " + e.Other + " already, give this one at " +
		e.Own + " another"
}
