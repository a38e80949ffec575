package node

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strconv"

	"shoal/wire"
)

// address is a host and a port that clients are told.
type address struct {
	host string
	port int
}

// Advertise changes the host:port, or host alone, that clients are told to connect to, and tells it
// to those that are connected. An empty string means the address the node listens on.
func (n *Node) Advertise(hostport string) error {
	opts := Options{ClientAdvertise: hostport}
	if err := opts.Validate(); err != nil {
		return err
	}
	if n.Addr() == nil {
		return fmt.Errorf("client_advertise: the node has not been started")
	}
	n.setAdvertised(hostport)
	n.urls.publish()
	n.routes.announce()
	return nil
}

func (n *Node) setAdvertised(hostport string) {
	a := address{n.options().Host, n.port.addr.Port}.advertisedAs(hostport)
	n.advertised.Store(&a)
}

// advertisedAs returns what clients are told instead of a, if that is something else.
func (a address) advertisedAs(hostport string) address {
	if hostport != "" {
		host, port, _ := splitAdvertised(hostport) // was validated
		a.host = host
		if port != 0 {
			a.port = port
		}
	}
	return a
}

// AuthRequired reports whether every client is some user: one that it logs in as, or one that it is taken for
// if it does not, although INFO says then that there is no need to log in. A guest of the global account is
// nobody.
func (n *Node) AuthRequired() bool {
	a := n.options().Authenticator
	if a == nil {
		return false
	}
	anybody := a.Anonymous(standardConnection)
	return anybody == nil || anybody.User != "" && anybody.User != GlobalAccount
}

// clientInfo returns the INFO line for a client, with the addresses of the cluster: the first one,
// an update, or, if connected, the one that follows the first PONG.
func (n *Node) clientInfo(c *client, urls []string, connected bool) []byte {
	return n.infoFor(c, urls, connected).Append(nil)
}

// infoFor is what clientInfo writes.
func (n *Node) infoFor(c *client, urls []string, connected bool) *wire.ServerInfo {
	a := *n.advertised.Load()
	if c.web != nil {
		a = n.webPort.advertised()
	}
	authenticator := c.authenticator(n.options())
	info := &wire.ServerInfo{
		ID:           n.id,
		Name:         n.name,
		Version:      ProtocolVersion,
		Proto:        1,
		Go:           runtime.Version(),
		Host:         a.host,
		Port:         a.port,
		Headers:      !n.options().NoHeaders,
		AuthRequired: authenticator != nil && (connected || authenticator.Anonymous(c.connectionType()) == nil),
		MaxPayload:   c.maxPayload(),
		ClientID:     c.id,
		ClientIP:     c.ip(),
		ConnectURLs:  urls,
		LameDuck:     n.sendsAway(),
		ConnectInfo:  connected,
	}
	switch t := n.options().TLS; {
	case c.web != nil:
		info.TLSRequired = n.options().WebSocket.TLS != nil
		info.TLSAvailable = info.TLSRequired
	case t != nil && c.sock.raw != nil:
		info.TLSRequired = !t.AllowPlain || c.secureFirst
		info.TLSAvailable = t.AllowPlain
		info.TLSVerify = t.Config().ClientAuth == tls.RequireAndVerifyClientCert
	}
	if n.options().Cluster.Port != 0 {
		info.Cluster, _ = n.cluster.get()
	}
	if !connected && !c.informed.Load() {
		info.Nonce = c.nonce // is of use in the first one
		if c.awaitsProxy.Load() {
			info.ClientIP = "" // is yet to be told
		}
	}
	if connected {
		account := c.home.Load()
		info.RemoteAccount = account.name
		info.AccountIsSystem = account == n.accounts.system
	}
	return info
}

// ip returns the address of the other side without its port.
func (c *conn) ip() string {
	addr := c.farEnd()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr // no TCP connection
	}
	if _, err := strconv.Atoi(port); err != nil {
		return addr
	}
	return host
}
