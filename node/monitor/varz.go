package monitor

import (
	"fmt"
	"strings"
	"time"
)

// Varz is the answer of /varz. The first group is for the [Source] to fill; the second group is
// filled by the [Handler].
type Varz struct {
	ServerID         string        `json:"server_id"`
	ServerName       string        `json:"server_name"`
	Version          string        `json:"version"` // whose protocol it speaks, as tools compare it
	ShoalVersion     string        `json:"shoal_version"`
	Proto            int           `json:"proto"`
	Host             string        `json:"host"`
	Port             int           `json:"port"`
	AuthRequired     bool          `json:"auth_required,omitempty"`
	ConnectURLs      []string      `json:"connect_urls,omitempty"`
	MaxConnections   int           `json:"max_connections"`
	MaxSubscriptions int           `json:"max_subscriptions,omitempty"`
	PingInterval     time.Duration `json:"ping_interval"`
	MaxPingsOut      int           `json:"ping_max"`
	HTTPHost         string        `json:"http_host"`
	HTTPPort         int           `json:"http_port"`
	AuthTimeout      float64       `json:"auth_timeout"` // seconds
	MaxControlLine   int           `json:"max_control_line"`
	MaxPayload       int           `json:"max_payload"`
	MaxPending       int           `json:"max_pending"`
	WriteDeadline    time.Duration `json:"write_deadline"`
	Start            time.Time     `json:"start"`

	Connections      uint64 `json:"connections"`
	TotalConnections uint64 `json:"total_connections"`
	Routes           int    `json:"routes"`  // connections to other servers
	Remotes          int    `json:"remotes"` // other servers that are connected
	InMsgs           uint64 `json:"in_msgs"`
	InBytes          uint64 `json:"in_bytes"`
	OutMsgs          uint64 `json:"out_msgs"`
	OutBytes         uint64 `json:"out_bytes"`
	SlowConsumers    uint64 `json:"slow_consumers"`
	StaleConnections uint64 `json:"stale_connections"`
	StalledClients   uint64 `json:"stalled_clients"`
	Subscriptions    int    `json:"subscriptions"`

	Now          time.Time        `json:"now"`
	Uptime       string           `json:"uptime"`
	GoVersion    string           `json:"go"`
	Mem          int64            `json:"mem"`
	Cores        int              `json:"cores"`
	MaxProcs     int              `json:"gomaxprocs"`
	CPU          float64          `json:"cpu"`
	HTTPRequests map[string]int64 `json:"http_req_stats"`

	Cluster ClusterVarz `json:"cluster"` // empty for a node that stays alone

	// What this node does not do is still there for tools that expect the key, as an empty object.
	Gateway   struct{} `json:"gateway"`
	Leaf      struct{} `json:"leaf"`
	MQTT      struct{} `json:"mqtt"`
	Websocket struct{} `json:"websocket"`
	JetStream struct{} `json:"jetstream"`
}

// ClusterVarz is how a node listens for other servers.
type ClusterVarz struct {
	Name        string   `json:"name,omitempty"`
	Host        string   `json:"addr,omitempty"`
	Port        int      `json:"cluster_port,omitempty"`
	AuthTimeout float64  `json:"auth_timeout,omitempty"` // seconds
	URLs        []string `json:"urls,omitempty"`         // host:port of configured routes
	PoolSize    int      `json:"pool_size,omitempty"`
}

// uptimeSince is the uptime of a node that may not have started yet.
func uptimeSince(start, now time.Time) string {
	if start.IsZero() {
		return uptime(0)
	}
	return uptime(now.Sub(start))
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
