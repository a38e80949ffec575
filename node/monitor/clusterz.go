package monitor

import "time"

// Clusterz is the answer of /clusterz: the cluster as this node sees it. Now is filled by the [Monitor].
type Clusterz struct {
	ServerID   string    `json:"server_id"`
	ServerName string    `json:"server_name"`
	Cluster    string    `json:"cluster,omitempty"`
	Now        time.Time `json:"now"`
	// Gossip is nil for a node that does not gossip, which then knows no members.
	Gossip   *Gossip  `json:"gossip"`
	Members  []Member `json:"members"`
	Degraded []Pair   `json:"degraded"` // members that are alive but have no route
	Drift    []Drift  `json:"drift"`    // in what members that are alive differ
}

// Member is a member of the cluster.
type Member struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Self        bool      `json:"self,omitempty"`
	State       string    `json:"state"`    // joining, active, lame duck or draining, as it says itself
	Liveness    string    `json:"liveness"` // alive, suspect, failed or left, as others think
	Since       time.Time `json:"since"`    // when liveness has changed
	Boot        time.Time `json:"boot"`     // when it has started, by its own clock
	Incarnation uint32    `json:"incarnation"`
	Cluster     string    `json:"cluster"`
	Version     string    `json:"version"`
	Gossip      string    `json:"gossip_addr"`
	Route       string    `json:"route_addr"`
	Client      string    `json:"client_addr,omitempty"`
	Monitor     string    `json:"monitor_addr,omitempty"`
	RTT         string    `json:"rtt,omitempty"` // estimated, from this node
	// HasRoute says that this node has a route to it, or is it.
	HasRoute bool              `json:"has_route"`
	Tags     map[string]string `json:"tags,omitempty"`
	// RTTs are estimated round trips to other members, by their name, in milliseconds.
	RTTs map[string]float64 `json:"rtt_ms,omitempty"`
}

// Pair is two members of which the first misses a route to the second.
type Pair struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	Since time.Time `json:"since"`
}

// Drift is something in which members differ, and which of them agree with each other.
type Drift struct {
	What   string              `json:"what"`
	Values map[string][]string `json:"values"` // names of members by what they have
}

// Gossip is how the gossip of this node is doing.
type Gossip struct {
	Score          int    `json:"health_score"` // 0 is good, up to 7 as long as this node is too slow
	Joined         bool   `json:"joined"`
	Alive          int    `json:"alive"`
	Suspect        int    `json:"suspect"`
	Failed         int    `json:"failed"`
	Left           int    `json:"left"`
	LastJoinError  string `json:"last_join_error,omitempty"`
	Repairs        uint64 `json:"repairs"` // times that the list of members was wrong and has been repaired
	Stuck          bool   `json:"stuck"`
	Stopped        bool   `json:"stopped"`
	Refused        uint64 `json:"refused"` // packets and streams that were not gossip of this cluster
	MembersRefused uint64 `json:"members_refused"`
	Unread         uint64 `json:"unread"`
	StreamOnly     int    `json:"stream_only"` // members that UDP does not reach
	NoUDP          bool   `json:"no_udp"`
	Encrypted      bool   `json:"encrypted"`
}

// Clusterz describes the cluster as the node sees it.
func (m *Monitor) Clusterz() Clusterz {
	z := m.source.Clusterz()
	z.Now = time.Now().UTC()
	// Tools need not tell null from a list.
	if z.Members == nil {
		z.Members = []Member{}
	}
	if z.Degraded == nil {
		z.Degraded = []Pair{}
	}
	if z.Drift == nil {
		z.Drift = []Drift{}
	}
	return z
}
