package node

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"shoal/membership"
)

// Defaults of [ClusterOptions].
const (
	DefaultClusterPort  = 6222
	DefaultReadyTimeout = 5 * time.Second
	DefaultRoutePing    = 30 * time.Second
)

// maxPoolSize bounds the number of connections to one peer.
const maxPoolSize = 64

// ClusterOptions say how a node and its peers become a cluster: a full mesh of routes, as
// nats-server builds it. Without a Port the node stays alone.
type ClusterOptions struct {
	// Name is the name of the cluster. Servers with different names form no routes; a node without
	// one adopts the name of the cluster that it meets.
	Name string
	// Host is the address that peers connect to; it defaults to 0.0.0.0.
	Host string
	// Port is the port for routes, 1 to 65535; 0 is no cluster, and [RandomPort] picks a free one.
	Port int
	// Advertise is the host:port or host that peers are told instead of Host and Port.
	Advertise string
	// User and Password are what a peer has to give, and what the node gives to peers that it
	// learns about. Password may be a bcrypt hash if nobody is learned about.
	User, Password string
	// AuthTimeout is the time that a peer has for its handshake if it has to give a password; 0 is
	// that for clients.
	AuthTimeout time.Duration
	// TLS encrypts routes and streams of gossip; nil does not.
	TLS *TLSOptions
	// Routes are the URLs of peers to connect to, as in nats://user:password@host:6222. A URL that
	// leads to the node itself does no harm.
	Routes []*url.URL
	// ConnectRetries is how often a peer that was only learned about is dialled again before it is
	// forgotten; 0 is until it says that it leaves, or for an hour.
	ConnectRetries int
	// NoAdvertise keeps the addresses of this cluster's client ports from clients and peers.
	NoAdvertise bool
	// ReadyTimeout bounds how long the node waits for the interest of its peers before it serves
	// clients.
	ReadyTimeout time.Duration
	// PingInterval is the time between two PINGs on a route, at most 30 s.
	PingInterval time.Duration
	// MaxPingsOut is the number of unanswered PINGs after which a route is stale, WriteDeadline how long
	// a blocked write to one may take before it is closed; 0 is that for clients.
	MaxPingsOut   int
	WriteDeadline time.Duration
	// PoolSize is the number of connections to a peer that has a pool as well, over which the two
	// spread their accounts; 0 is one connection for everything. The larger of the two sizes counts.
	PoolSize int
	// Join names members of the cluster to gossip with: host, host:port or nats://host:port, where the
	// port is 6222 unless given, or srv://name. They tell of all others. A server that does not gossip
	// is taken as one of Routes.
	Join []string
	// NoGossip keeps the node from gossip: it finds peers by routes alone, as nats-server does.
	NoGossip bool
	// GossipProfile says how fast gossip is, and how quick to give up on a member.
	GossipProfile membership.Profile
	// GossipKeys encrypt gossip. The first is used, the others are understood.
	GossipKeys [][]byte
	// KeepGossipKeys keeps the keys for the next start when the cluster has changed them, the one in use
	// first; nil does not.
	KeepGossipKeys func(keys [][]byte) error
	// StateDir is a directory in which the node remembers its peers, so that it finds them after all
	// have been restarted. Empty is nowhere.
	StateDir string
	// Permissions restrict what the node and its peers know of each other's subscriptions; nil does not.
	Permissions *RoutePermissions
	// Compression is how routes are compressed, one of the constants Compression...; it defaults to
	// [CompressionOff]. A route is compressed if neither side has that, and one asks for it.
	Compression string
}

// wantsPassword reports whether a peer that dials has to give credentials.
func (o *ClusterOptions) wantsPassword() bool { return o.User != "" || o.Password != "" }

func (o ClusterOptions) withDefaults(ping time.Duration) ClusterOptions {
	setDefault(&o.Host, DefaultHost)
	setDefault(&o.ReadyTimeout, DefaultReadyTimeout)
	setDefault(&o.PingInterval, min(ping, DefaultRoutePing))
	setDefault(&o.Compression, CompressionOff)
	return o
}

// validate reports the first option that no node could run with.
func (o *ClusterOptions) validate() error {
	switch {
	case o.Port != RandomPort && (o.Port < 0 || o.Port > 65535):
		return fmt.Errorf("cluster: %d is not a port, use 1 to 65535, or -1 for a random one", o.Port)
	case o.Port == 0 && len(o.Join) > 0:
		return errors.New("join: it needs --cluster as well, for the port that peers connect to")
	case o.NoGossip && len(o.Join) > 0:
		return errors.New("join: there is nobody to join without gossip, leave --no_gossip out")
	case o.Port == 0 && len(o.Routes) > 0:
		return errors.New("routes: they need --cluster as well, for the port that peers connect to")
	case o.Name == "_":
		return errors.New("cluster_name: the name _ is reserved, take another")
	case o.ConnectRetries < 0:
		return fmt.Errorf("connect_retries: %d is negative", o.ConnectRetries)
	case o.ReadyTimeout < 0:
		return fmt.Errorf("ready_timeout: %v is negative", o.ReadyTimeout)
	case o.PingInterval < 0:
		return fmt.Errorf("cluster ping_interval: %v is negative", o.PingInterval)
	case o.MaxPingsOut < 0:
		return fmt.Errorf("cluster ping_max: %d is negative", o.MaxPingsOut)
	case o.WriteDeadline < 0:
		return fmt.Errorf("cluster write_deadline: %v is negative", o.WriteDeadline)
	case o.PoolSize < 0 || o.PoolSize > maxPoolSize:
		return fmt.Errorf("pool_size: %d is not from 0 to %d", o.PoolSize, maxPoolSize)
	case !validCompression(o.Compression):
		return fmt.Errorf("compression: %q is not off, accept, s2_auto, s2_uncompressed, s2_fast, s2_better or s2_best", o.Compression)
	}
	if err := o.Permissions.check(); err != nil {
		return fmt.Errorf("cluster.permissions: %w", err)
	}
	for _, r := range o.Name {
		if r <= ' ' || r == 0x7f {
			return fmt.Errorf("cluster_name: %q has a blank in it", o.Name)
		}
	}
	if o.Advertise != "" {
		if _, _, err := splitAdvertised(o.Advertise); err != nil {
			return fmt.Errorf("cluster_advertise: %w", err)
		}
	}
	if o.TLS != nil {
		if err := o.TLS.validate(); err != nil {
			return fmt.Errorf("cluster tls: %w", err)
		}
		if o.TLS.MapUser && o.User == "" {
			return errors.New("cluster.tls: verify_and_map: it needs the user of cluster { authorization }, whom certificates are to name")
		}
		if o.TLS.CheckKnownURLs && !o.TLS.MapUser && len(o.hostNames()) == 0 {
			return errors.New("cluster.tls: verify_cert_and_check_known_urls: it needs host names in routes or join, rather than IP addresses")
		}
	}
	for _, u := range o.Routes {
		err := validateRoute(u)
		if err == nil && u.Scheme == "tls" && o.TLS == nil {
			err = fmt.Errorf("%q needs a certificate, by cluster { tls }", u.Redacted())
		}
		if err != nil {
			return fmt.Errorf("routes: %w", err)
		}
	}
	return nil
}

func validateRoute(u *url.URL) error {
	switch {
	case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "nats-route":
		return fmt.Errorf("%q is not nats://host:port", u.Redacted())
	case u.Hostname() == "":
		return fmt.Errorf("%q has no host", u.Redacted())
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q has no valid port", u.Redacted())
		}
	}
	return nil
}

// routeAddress returns the host:port of a route's URL.
func routeAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = strconv.Itoa(DefaultClusterPort)
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// splitAdvertised splits host:port; a missing port is reported as 0.
func splitAdvertised(hostport string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(hostport)
	var addrErr *net.AddrError
	if errors.As(err, &addrErr) && addrErr.Err == "missing port in address" {
		return hostport, 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		return "", 0, errors.New("the host is missing")
	}
	if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a port", text)
	}
	return host, port, nil
}
