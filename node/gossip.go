package node

import (
	"net"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"shoal/wire"
)

// How far news about a server is to travel, as INFO says it.
const (
	gossipDefault = 0
	gossipStop    = 1  // the receiver does not pass it on
	gossipForce   = 2  // the receiver passes it on although it has itself only heard of it
	gossipKeep    = -1 // not on the wire: as it was heard first
)

// shoalProto is [wire.ShoalInfo.Proto] of this version.
const shoalProto = 3

// routeProto is the version of the protocol of routes that a node speaks without a [SystemService].
const routeProto = 2

// routeInfo returns the INFO for a peer, or for one that has not said who it is yet.
func (n *Node) routeInfo(r *route) *wire.ServerInfo {
	name, fixed := n.cluster.get()
	opts := &n.options().Cluster
	info := &wire.ServerInfo{
		ID:             n.id,
		Name:           n.name,
		Version:        ProtocolVersion,
		Proto:          routeProto,
		Go:             runtime.Version(),
		Host:           n.routeHost,
		Port:           n.routePort,
		Headers:        true,
		AuthRequired:   opts.wantsPassword(),
		TLSRequired:    opts.TLS != nil,
		TLSVerify:      opts.TLS != nil,
		MaxPayload:     n.options().MaxPayload,
		Cluster:        name,
		ClusterDynamic: !fixed,
		LNOC:           true,
		LNOCU:          true,
		LN:             true,
		LameDuck:       n.state.isLame(),
		Shoal: &wire.ShoalInfo{Proto: shoalProto, FixedName: fixed, Gossip: n.members.cluster.Load() != nil,
			Draining: n.Draining()},
	}
	info.Import, info.Export = opts.Permissions.Announced()
	if n.system != nil {
		info.Proto = traceProto
	}
	if opts.Advertise != "" {
		info.IP = "nats-route://" + net.JoinHostPort(n.routeHost, strconv.Itoa(n.routePort)) + "/"
	}
	// What a nats-server is told of it could not be taken back.
	if away := n.Draining() && r != nil && r.isShoal; !opts.NoAdvertise && !away {
		info.ConnectURLs, info.WSConnectURLs = n.ownURLs(), n.ownWebURLs()
	}
	if opts.Compression != CompressionOff {
		info.Compression = opts.Compression
	}
	info.RoutePoolSize = opts.PoolSize
	if r != nil && r.attempt != nil {
		info.GossipMode = r.attempt.mode
		info.RoutePoolIdx = r.attempt.poolIndex
		info.Compression = r.compression
	}
	return info
}

// routeConnect returns the CONNECT that introduces the node to a peer, without credentials.
func (n *Node) routeConnect() *wire.ConnectOptions {
	name, fixed := n.cluster.get()
	return &wire.ConnectOptions{
		Echo:           true,
		Name:           n.id,
		Headers:        true,
		TLSRequired:    n.options().Cluster.TLS != nil,
		Cluster:        name,
		ClusterDynamic: !fixed,
		LNOC:           true,
		LNOCU:          true,
		LN:             true,
		Shoal:          shoalProto,
	}
}

// registered spreads the news of a new route.
func (n *Node) registered(r *route) {
	n.targets.connected(r.peer().ID)
	line := r.news().Append(nil)
	// What a dialler was told about this peer, it has been told about the others as well. The
	// others, if they are shoal nodes, are told the newcomer's address by it.
	tell := r.peer().GossipMode != gossipStop && (r.attempt == nil || r.attempt.configured || r.attempt.mode == gossipForce)
	gossips := n.members.knows(r.peer())
	for _, other := range n.routes.list() {
		if other.peer().ID == r.peer().ID {
			continue // another connection to the same server
		}
		if gossips && n.members.knows(other.peer()) {
			continue // they hear of each other by gossip, so that is not told as often as there are routes
		}
		if tell {
			other.sendLine(line)
		}
		if r.isShoal {
			// nats-server leaves it to the others to dial the newcomer. Told of them, it can wait
			// for their interest before it serves clients.
			r.sendLine(other.news().Append(nil))
		}
	}
	addr := r.hostport()
	if c := n.members.cluster.Load(); c != nil && r.isShoal && r.peer().Shoal.Gossip {
		// Nodes that know each other by routes alone gossip all the same.
		c.Hint(addr)
	}
	n.targets.learn(time.Now(), r.peer().ID, addr, gossipKeep, needsPassword(r.peer()))
	n.urls.changed()
}

// news returns what others are told of the peer.
func (r *route) news() *wire.ServerInfo {
	news := *r.peer()
	news.IP = r.url()
	news.GossipMode = gossipStop
	// These are about the connection.
	news.Nonce, news.RouteAccount, news.RoutePoolIdx = "", "", 0
	if news.Shoal != nil {
		shoal := *news.Shoal
		shoal.Nonce, shoal.Proof = "", ""
		news.Shoal = &shoal
	}
	return &news
}

// needsPassword reports whether a server can be convinced by nothing but the password itself.
func needsPassword(info *wire.ServerInfo) bool { return info.AuthRequired && !isShoal(info) }

// hear takes note of a server that a peer knows.
func (n *Node) hear(info *wire.ServerInfo) {
	if info.ID == "" || info.ID == n.id || info.LameDuck || n.routes.knows(info.ID) {
		return
	}
	host, port := routeAddressOf(info, info.Host)
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	n.log.Debug("Heard of a server", "name", info.Name, "addr", addr)
	n.targets.learn(time.Now(), info.ID, addr, info.GossipMode, needsPassword(info))
}

// address returns where the peer listens for routes: what it advertises, or else the address that
// the connection comes from, with the port that it has named.
func (r *route) address() (host string, port int) { return routeAddressOf(r.peer(), r.ip()) }

// hostport returns that address as host:port.
func (r *route) hostport() string {
	host, port := r.address()
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// url returns that address as INFO gives it.
func (r *route) url() string { return "nats-route://" + r.hostport() + "/" }

// routeAddressOf returns where the server that an INFO describes listens for routes: what it advertises,
// or else the port that it has named at the given host.
func routeAddressOf(info *wire.ServerInfo, otherwise string) (host string, port int) {
	if u, err := url.Parse(info.IP); err == nil && u.Port() != "" {
		port, _ := strconv.Atoi(u.Port())
		return u.Hostname(), port
	}
	return otherwise, info.Port
}
