package monitor

import (
	"time"

	"shoal/wire"
)

// RoutezOptions are what is asked about routes.
type RoutezOptions struct {
	// Subscriptions asks for the subjects that peers are interested in, SubscriptionsDetail for all about
	// that.
	Subscriptions       bool `json:"subscriptions"`
	SubscriptionsDetail bool `json:"subscriptions_detail"`
}

// Routez is the answer of /routez.
type Routez struct {
	ServerID   string    `json:"server_id"`
	ServerName string    `json:"server_name"`
	Now        time.Time `json:"now"`
	// Import and Export are what this server restricts, nil if it does not.
	Import    *wire.SubjectPermission `json:"import,omitempty"`
	Export    *wire.SubjectPermission `json:"export,omitempty"`
	NumRoutes int                     `json:"num_routes"`
	Routes    []Route                 `json:"routes"`
}

// Route describes a connection to another server of the cluster.
type Route struct {
	ID            uint64    `json:"rid"`
	RemoteID      string    `json:"remote_id"`
	RemoteName    string    `json:"remote_name"`
	Solicited     bool      `json:"did_solicit"`
	Configured    bool      `json:"is_configured"`
	IP            string    `json:"ip"`
	Port          int       `json:"port"`
	Start         time.Time `json:"start"`
	LastActivity  time.Time `json:"last_activity"`
	RTT           string    `json:"rtt,omitempty"`
	Uptime        string    `json:"uptime"`
	Idle          string    `json:"idle"`
	Pending       int       `json:"pending_size"`
	InMsgs        uint64    `json:"in_msgs"`
	OutMsgs       uint64    `json:"out_msgs"`
	InBytes       uint64    `json:"in_bytes"`
	OutBytes      uint64    `json:"out_bytes"`
	Subscriptions int       `json:"subscriptions"`

	Import      *wire.SubjectPermission `json:"import,omitempty"` // what the other server restricts
	Export      *wire.SubjectPermission `json:"export,omitempty"`
	Subjects    []string                `json:"subscriptions_list,omitempty"`
	Detail      []Subscription          `json:"subscriptions_list_detail,omitempty"`
	Account     string                  `json:"account,omitempty"` // the only one that it is for
	Compression string                  `json:"compression"`
	// The rest is not in the answers of nats-server.
	Shoal        bool `json:"shoal"`        // whether the other server is a shoal node
	Synchronized bool `json:"synchronized"` // whether all that it subscribes to is known here
}

// Routez describes the connections to other servers.
func (m *Monitor) Routez(o RoutezOptions) Routez {
	n, now := m.source.Node(), time.Now().UTC()
	list := n.Routes
	if o.Subscriptions || o.SubscriptionsDetail {
		list = n.RoutesWithInterest
	}
	z := Routez{ServerID: n.ID(), ServerName: n.Name(), Now: now, Routes: []Route{}}
	options := n.Options()
	z.Import, z.Export = options.Cluster.Permissions.Announced()
	for _, r := range list() {
		v := Route{
			ID:            r.ID,
			RemoteID:      r.RemoteID,
			RemoteName:    r.RemoteName,
			Solicited:     r.Solicited,
			Configured:    r.Configured,
			IP:            r.IP,
			Port:          r.Port,
			Start:         r.Start.UTC(),
			LastActivity:  r.LastActivity.UTC(),
			RTT:           roundTrip(r.RTT),
			Uptime:        uptime(now.Sub(r.Start)),
			Idle:          uptime(now.Sub(r.LastActivity)),
			Pending:       r.Pending,
			InMsgs:        r.InMsgs,
			OutMsgs:       r.OutMsgs,
			InBytes:       r.InBytes,
			OutBytes:      r.OutBytes,
			Subscriptions: r.Subscriptions,
			Account:       r.Account,
			Compression:   r.Compression,
			Import:        r.Import,
			Export:        r.Export,
			Shoal:         r.Shoal,
			Synchronized:  r.Synchronized,
		}
		v.Subjects, v.Detail = subscribed(r.Subscribed, o.SubscriptionsDetail)
		z.Routes = append(z.Routes, v)
	}
	z.NumRoutes = len(z.Routes)
	return z
}
