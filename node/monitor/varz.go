package monitor

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"shoal/node"
)

// Varz is the answer of /varz.
type Varz struct {
	ServerID         string        `json:"server_id"`
	ServerName       string        `json:"server_name"`
	Version          string        `json:"version"` // whose protocol it speaks, as tools compare it
	ShoalVersion     string        `json:"shoal_version"`
	Proto            int           `json:"proto"`
	GitCommit        string        `json:"git_commit,omitempty"`
	GoVersion        string        `json:"go"`
	Host             string        `json:"host"`
	Port             int           `json:"port"`
	AuthRequired     bool          `json:"auth_required,omitempty"`
	TLSRequired      bool          `json:"tls_required,omitempty"`
	TLSVerify        bool          `json:"tls_verify,omitempty"`
	ConnectURLs      []string      `json:"connect_urls,omitempty"`
	WSConnectURLs    []string      `json:"ws_connect_urls,omitempty"`
	MaxConnections   int           `json:"max_connections"`
	MaxSubscriptions int           `json:"max_subscriptions,omitempty"`
	PingInterval     time.Duration `json:"ping_interval"`
	MaxPingsOut      int           `json:"ping_max"`
	HTTPHost         string        `json:"http_host"`
	HTTPPort         int           `json:"http_port"`
	HTTPBasePath     string        `json:"http_base_path"`
	HTTPSPort        int           `json:"https_port"`
	AuthTimeout      float64       `json:"auth_timeout"` // seconds
	MaxControlLine   int           `json:"max_control_line"`
	MaxPayload       int           `json:"max_payload"`
	MaxPending       int           `json:"max_pending"`
	Cluster          ClusterVarz   `json:"cluster"` // empty for a node that stays alone

	// What this node does not do is still there for tools that expect the key, as an empty object.
	Gateway   struct{} `json:"gateway"`
	Leaf      struct{} `json:"leaf"`
	MQTT      struct{} `json:"mqtt"`
	JetStream struct{} `json:"jetstream"`

	WebSocket WebSocketVarz `json:"websocket"` // empty for a node that has none

	TLSTimeout       float64           `json:"tls_timeout"` // seconds
	WriteDeadline    time.Duration     `json:"write_deadline"`
	Start            time.Time         `json:"start"`
	Now              time.Time         `json:"now"`
	Uptime           string            `json:"uptime"`
	Mem              int64             `json:"mem"`
	Cores            int               `json:"cores"`
	MaxProcs         int               `json:"gomaxprocs"`
	MemLimit         int64             `json:"gomemlimit,omitempty"`
	CPU              float64           `json:"cpu"`
	Connections      uint64            `json:"connections"`
	TotalConnections uint64            `json:"total_connections"`
	Routes           int               `json:"routes"`  // connections to other servers
	Remotes          int               `json:"remotes"` // other servers that are connected
	LeafNodes        int               `json:"leafnodes"`
	InMsgs           uint64            `json:"in_msgs"` // from clients and other servers
	InBytes          uint64            `json:"in_bytes"`
	InClientMsgs     uint64            `json:"in_client_msgs"`
	InClientBytes    uint64            `json:"in_client_bytes"`
	OutMsgs          uint64            `json:"out_msgs"` // to clients and other servers
	OutBytes         uint64            `json:"out_bytes"`
	OutClientMsgs    uint64            `json:"out_client_msgs"`
	OutClientBytes   uint64            `json:"out_client_bytes"`
	SlowConsumers    uint64            `json:"slow_consumers"`
	StaleConnections uint64            `json:"stale_connections"`
	StalledClients   uint64            `json:"stalled_clients"`
	Subscriptions    int               `json:"subscriptions"`
	HTTPRequests     map[string]int64  `json:"http_req_stats"`
	ConfigLoaded     time.Time         `json:"config_load_time"`
	ConfigDigest     string            `json:"config_digest"`
	Tags             []string          `json:"tags,omitempty"`
	Metadata         map[string]string `json:"metadata,omitempty"`
	SystemAccount    string            `json:"system_account,omitempty"`
	SlowByKind       ByKind            `json:"slow_consumer_stats"`
	StaleByKind      ByKind            `json:"stale_connection_stats"`
	CertNotAfter     time.Time         `json:"tls_cert_not_after,omitzero"`
}

// ClusterVarz is how a node listens for other servers.
type ClusterVarz struct {
	Name        string   `json:"name,omitempty"`
	Host        string   `json:"addr,omitempty"`
	Port        int      `json:"cluster_port,omitempty"`
	AuthTimeout float64  `json:"auth_timeout,omitempty"` // seconds
	URLs        []string `json:"urls,omitempty"`         // host:port of configured routes
	TLSTimeout  float64  `json:"tls_timeout,omitempty"`  // seconds
	TLSRequired bool     `json:"tls_required,omitempty"`
	PoolSize    int      `json:"pool_size,omitempty"`
	// WriteDeadline is 0 if it is that for clients.
	WriteDeadline time.Duration `json:"write_deadline,omitempty"`
}

// ByKind are numbers of connections.
type ByKind struct {
	Clients  uint64 `json:"clients"`
	Routes   uint64 `json:"routes"`
	Gateways uint64 `json:"gateways"`
	Leafs    uint64 `json:"leafs"`
}

// Varz describes the node, its limits and its counters.
func (m *Monitor) Varz() Varz {
	n := m.source.Node()
	opts, now := n.Options(), time.Now().UTC()
	v := Varz{
		ServerID:         n.ID(),
		ServerName:       n.Name(),
		Version:          node.ProtocolVersion,
		ShoalVersion:     node.Version,
		Proto:            1,
		GitCommit:        gitCommit(),
		GoVersion:        runtime.Version(),
		Host:             opts.Host,
		Port:             opts.Port,
		AuthRequired:     n.AuthRequired(),
		MaxConnections:   opts.MaxConnections,
		MaxSubscriptions: opts.MaxSubscriptions,
		PingInterval:     opts.PingInterval,
		MaxPingsOut:      opts.MaxPingsOut,
		AuthTimeout:      opts.AuthTimeout.Seconds(),
		MaxControlLine:   opts.MaxControlLine,
		MaxPayload:       opts.MaxPayload,
		MaxPending:       opts.MaxPending,
		TLSTimeout:       tlsTimeout(opts.TLS),
		WriteDeadline:    opts.WriteDeadline,
		Cluster:          m.cluster(n, &opts),
		WebSocket:        webSocket(opts.WebSocket),
		Now:              now,
		Cores:            runtime.NumCPU(),
		MaxProcs:         runtime.GOMAXPROCS(0),
		MemLimit:         memoryLimit(),
		Mem:              residentMemory(),
		CPU:              m.process.cpuPercent(now),
		Tags:             opts.Tags,
		Metadata:         opts.Metadata,
		SystemAccount:    opts.SystemAccount,
		HTTPRequests:     make(map[string]int64, len(m.requests)),
	}
	for path, count := range m.requests {
		v.HTTPRequests[path] = count.Load()
	}
	if t := opts.TLS; t != nil {
		config := t.Config()
		v.TLSRequired = !t.AllowPlain
		v.TLSVerify = config.ClientAuth == tls.RequireAndVerifyClientCert
		v.CertNotAfter = notAfter(config)
	}
	if m.source.Started() {
		v.Port = portOf(n.Addr())
		if opts.WebSocket != nil {
			v.WebSocket.Port = portOf(n.WebSocketAddr())
		}
		v.ConnectURLs, v.WSConnectURLs = n.ConnectURLs(), n.WebSocketConnectURLs()
	}
	v.count(n.Stats())
	v.Uptime = uptime(now.Sub(v.Start))
	m.source.Complete(&v)
	return v
}

// count fills in the figures of a node.
func (v *Varz) count(s node.Stats) {
	v.Start = s.Start.UTC()
	v.ConfigLoaded = v.Start
	v.Connections, v.TotalConnections = s.Connections, s.TotalConnections
	v.Routes, v.Remotes = s.Routes, s.Remotes
	v.InClientMsgs, v.InClientBytes = s.InMsgs, s.InBytes
	v.OutClientMsgs, v.OutClientBytes = s.OutMsgs, s.OutBytes
	v.InMsgs, v.InBytes = s.InMsgs+s.RouteInMsgs, s.InBytes+s.RouteInBytes
	v.OutMsgs, v.OutBytes = s.OutMsgs+s.RouteOutMsgs, s.OutBytes+s.RouteOutBytes
	v.SlowByKind = ByKind{Clients: s.SlowConsumers, Routes: s.SlowRoutes}
	v.StaleByKind = ByKind{Clients: s.StaleConnections, Routes: s.StaleRoutes}
	v.SlowConsumers = s.SlowConsumers + s.SlowRoutes
	v.StaleConnections = s.StaleConnections + s.StaleRoutes
	v.StalledClients = s.StalledClients
	v.Subscriptions = s.Subscriptions
}

func (m *Monitor) cluster(n *node.Node, opts *node.Options) ClusterVarz {
	c := &opts.Cluster
	if c.Port == 0 {
		return ClusterVarz{}
	}
	v := ClusterVarz{
		Name:        n.ClusterName(),
		Host:        c.Host,
		Port:        c.Port,
		AuthTimeout: opts.AuthTimeout.Seconds(),
		PoolSize:    c.PoolSize,
		TLSTimeout:  tlsTimeout(c.TLS),
		TLSRequired: c.TLS != nil,

		WriteDeadline: c.WriteDeadline,
	}
	for _, u := range c.Routes {
		v.URLs = append(v.URLs, u.Host)
	}
	if m.source.Started() {
		v.Port = portOf(n.ClusterAddr())
	}
	return v
}

// tlsTimeout returns what bounds a handshake, in seconds.
func tlsTimeout(t *node.TLSOptions) float64 {
	if t != nil && t.Timeout > 0 {
		return t.Timeout.Seconds()
	}
	return node.DefaultTLSTimeout.Seconds()
}

// notAfter returns when the first certificate expires, zero if that is not known.
func notAfter(config *tls.Config) time.Time {
	if len(config.Certificates) == 0 || config.Certificates[0].Leaf == nil {
		return time.Time{}
	}
	return config.Certificates[0].Leaf.NotAfter
}

// portOf returns the port of a listener, 0 if there is none.
func portOf(addr net.Addr) int {
	if a, ok := addr.(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// uptime writes a duration as monitoring tools parse it: 1y2d3h4m5s without its leading zero units.
func uptime(d time.Duration) string {
	seconds := int64(d / time.Second)
	var b strings.Builder
	for _, unit := range []struct {
		name    string
		seconds int64
	}{
		{"y", 365 * 24 * 3600},
		{"d", 24 * 3600},
		{"h", 3600},
		{"m", 60},
	} {
		if n := seconds / unit.seconds; n > 0 || b.Len() > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			seconds -= n * unit.seconds
		}
	}
	fmt.Fprintf(&b, "%ds", seconds)
	return b.String()
}
