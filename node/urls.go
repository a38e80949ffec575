package node

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"

	"shoal/wire"
)

// urls tells clients at which addresses the servers of the cluster serve clients, so that a client
// that loses this one knows where to go.
type urls struct {
	node *Node
	wake chan struct{}

	// mu guards the rest. It is held while clients are told, so that none is told an old list after
	// a newer one; sending never blocks.
	mu      sync.Mutex
	list    []string // nil as long as the node has never known another server
	webList []string // the same for WebSocket clients
	retired bool     // the node itself is not to be connected to any more
}

func (u *urls) init(n *Node) {
	u.node = n
	u.wake = make(chan struct{}, 1)
}

// changed notes that the list may have changed. It never blocks.
func (u *urls) changed() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// run tells clients every new list until ctx ends.
func (u *urls) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.wake:
			u.mu.Lock()
			if u.compute() {
				u.tell()
			}
			u.mu.Unlock()
		}
	}
}

// retire takes the node itself from the list, and tells clients.
func (u *urls) retire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.retired {
		return
	}
	u.retired = true
	u.compute()
	if len(u.list) > 0 || len(u.webList) > 0 || u.node.state.isLame() {
		u.tell()
	}
}

// setRetired is retire for a node that may take it back.
func (u *urls) setRetired(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.retired = yes
	u.compute()
	u.tell()
}

// publish tells clients how things stand, even if the list is the same.
func (u *urls) publish() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.compute()
	u.tell()
}

// introduce sends a client the INFO that follows its first PONG, after which it is told all changes.
func (u *urls) introduce(c *client) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.informed.Store(true)
	c.sendLine(u.node.clientInfo(c, u.of(c.web != nil), true))
}

// get returns the list for clients that have come over WebSocket or not.
func (u *urls) get(web bool) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.of(web)
}

// of is get for a caller that holds mu.
func (u *urls) of(web bool) []string {
	if web {
		return u.webList
	}
	return u.list
}

// tell sends INFO to all clients that can take it. The caller holds mu.
func (u *urls) tell() {
	for _, c := range u.node.clients.all() {
		if c.informed.Load() {
			c.sendLine(u.node.clientInfo(c, u.of(c.web != nil), false))
		}
	}
}

// compute makes the lists anew and reports whether one has changed. The caller holds mu.
func (u *urls) compute() (changed bool) {
	if u.node.options().Cluster.NoAdvertise {
		return false
	}
	list := u.collect(u.node.ownURLs(), u.list, func(i *wire.ServerInfo) []string { return i.ConnectURLs })
	webList := u.collect(u.node.ownWebURLs(), u.webList, func(i *wire.ServerInfo) []string { return i.WSConnectURLs })
	changed = !slices.Equal(list, u.list) || !slices.Equal(webList, u.webList)
	u.list, u.webList = list, webList
	return changed
}

// collect returns the list that is made of the node's own addresses and those of its peers. A client that
// is told no list keeps what it was configured with, so that there is none before there are peers.
func (u *urls) collect(own, before []string, of func(*wire.ServerInfo) []string) []string {
	var list []string
	if !u.retired {
		list = own
	}
	alone := true
	for _, r := range u.node.routes.list() {
		if r.leaving.Load() || r.sendsAway.Load() {
			continue
		}
		for _, url := range of(r.peer()) {
			if !slices.Contains(list, url) {
				list = append(list, url)
				alone = false
			}
		}
	}
	if alone && before == nil {
		return nil
	}
	return list
}

// ownURLs returns the addresses of the node's own client port.
func (n *Node) ownURLs() []string {
	a := n.advertised.Load()
	if a == nil {
		return nil
	}
	return a.urls(n.options().ClientAdvertise != "")
}

// ownWebURLs returns those of its WebSocket port.
func (n *Node) ownWebURLs() []string {
	if n.webPort == nil {
		return nil
	}
	return n.webPort.advertised().urls(n.options().WebSocket.Advertise != "")
}

// urls returns the host:port by which a can be reached: a alone if that is what somebody has configured.
func (a address) urls(configured bool) []string {
	hosts := []string{a.host}
	if !configured {
		hosts = ReachableHosts(a.host)
	}
	list := make([]string, len(hosts))
	for i, host := range hosts {
		list[i] = net.JoinHostPort(host, strconv.Itoa(a.port))
	}
	return list
}

// ReachableHosts returns the hosts at which others reach a listener on host. A wildcard address
// stands for the addresses of the machine's interfaces that reach beyond it, those of IPv4 first, or
// for loopback if there are no others. Link-local ones are left out: they mean nothing without the
// name of the interface.
func ReachableHosts(host string) []string {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{host}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		addrs = nil
	}
	var v4, v6 []string
	for _, addr := range addrs {
		network, ok := addr.(*net.IPNet)
		switch {
		case !ok || !network.IP.IsGlobalUnicast():
		case network.IP.To4() != nil:
			v4 = append(v4, network.IP.String())
		default:
			v6 = append(v6, network.IP.String())
		}
	}
	if all := slices.Concat(v4, v6); len(all) > 0 {
		return all
	}
	return []string{"127.0.0.1"}
}
