package monitor

import (
	"net/http"
	"time"
)

// Routez is the answer of /routez. Now is filled by the [Handler].
type Routez struct {
	ServerID   string    `json:"server_id"`
	ServerName string    `json:"server_name"`
	Now        time.Time `json:"now"`
	NumRoutes  int       `json:"num_routes"`
	Routes     []Route   `json:"routes"`
}

// Route describes a connection to another server of the cluster. RTT, Uptime and Idle are filled by
// the [Handler].
type Route struct {
	ID            uint64        `json:"rid"`
	RemoteID      string        `json:"remote_id"`
	RemoteName    string        `json:"remote_name"`
	Solicited     bool          `json:"did_solicit"`
	Configured    bool          `json:"is_configured"`
	IP            string        `json:"ip"`
	Port          int           `json:"port"`
	Start         time.Time     `json:"start"`
	LastActivity  time.Time     `json:"last_activity"`
	RoundTrip     time.Duration `json:"-"` // 0 if there was none yet
	RTT           string        `json:"rtt,omitempty"`
	Uptime        string        `json:"uptime"`
	Idle          string        `json:"idle"`
	Pending       int           `json:"pending_size"`
	InMsgs        uint64        `json:"in_msgs"`
	OutMsgs       uint64        `json:"out_msgs"`
	InBytes       uint64        `json:"in_bytes"`
	OutBytes      uint64        `json:"out_bytes"`
	Subscriptions int           `json:"subscriptions"`
	Account       string        `json:"account,omitempty"` // the only one that it is for
	Compression   string        `json:"compression"`
	// The rest is not in the answers of nats-server.
	Shoal        bool `json:"shoal"`        // whether the other server is a shoal node
	Synchronized bool `json:"synchronized"` // whether all that it subscribes to is known here
}

func (h *Handler) routez(w http.ResponseWriter, r *http.Request) {
	z := h.source.Routez()
	z.Now = time.Now().UTC()
	z.NumRoutes = len(z.Routes)
	for i := range z.Routes {
		route := &z.Routes[i]
		if route.RoundTrip > 0 {
			route.RTT = route.RoundTrip.String()
		}
		route.Uptime = uptime(z.Now.Sub(route.Start))
		route.Idle = uptime(z.Now.Sub(route.LastActivity))
	}
	replyIndented(w, r, z)
}
