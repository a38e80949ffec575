package command

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shoal/node"
	"shoal/node/monitor"
)

// statusTime is how long the members may take to say how they are.
const statusTime = time.Second

// memberList is what the admin socket tells of the cluster.
type memberList struct {
	ServerID   string         `json:"server_id"`
	ServerName string         `json:"server_name"`
	Cluster    string         `json:"cluster,omitempty"`
	Gossips    bool           `json:"gossips"`
	Members    []memberRow    `json:"members"`
	Degraded   []monitor.Pair `json:"degraded"`
	Drift      []driftRow     `json:"drift"`
}

// memberRow is a member, and what it says when it is asked.
type memberRow struct {
	monitor.Member
	Connections *uint64 `json:"connections,omitempty"` // nil if it was not to be had
	Draining    bool    `json:"draining"`
	Error       string  `json:"error,omitempty"` // why

	settings map[string]map[string]string
}

// driftRow is a setting in which members differ.
type driftRow struct {
	Section string              `json:"section"`
	Setting string              `json:"setting"`
	Values  map[string][]string `json:"values"` // names of members by what they have
}

// members describes the cluster, and asks all members that live how they are.
func (a *admin) members(ctx context.Context) memberList {
	z := a.Clusterz()
	list := memberList{
		ServerID: z.ServerID, ServerName: z.ServerName, Cluster: z.Cluster, Gossips: z.Gossip != nil,
		Members: []memberRow{}, Degraded: z.Degraded, Drift: []driftRow{},
	}
	if z.Degraded == nil {
		list.Degraded = []monitor.Pair{}
	}
	if z.Gossip == nil {
		z.Members = a.routedMembers()
	}
	for _, m := range z.Members {
		m.RTTs = nil
		list.Members = append(list.Members, memberRow{Member: m})
	}
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	var wg sync.WaitGroup
	for i := range list.Members {
		row := &list.Members[i]
		if row.Liveness == "failed" || row.Liveness == "left" {
			continue
		}
		wg.Go(func() {
			s, err := a.node.StatusOf(ctx, row.ID)
			if err != nil {
				row.Error = err.Error()
				return
			}
			row.Connections, row.Draining, row.settings = &s.Connections, s.Draining, s.Settings
		})
	}
	wg.Wait()
	list.Drift = driftRows(list.Members, a.node.Drift())
	return list
}

// routedMembers describes the servers of a cluster without gossip: this one, and those with a route.
func (a *admin) routedMembers() []monitor.Member {
	self := monitor.Member{ID: a.node.ID(), Name: a.node.Name(), Self: true, State: "active", Liveness: "alive",
		Cluster: a.node.ClusterName(), Version: node.Version, HasRoute: true, Since: a.node.Stats().Start}
	if a.node.Draining() {
		self.State = "draining"
	}
	if addr := a.node.ClusterAddr(); addr != nil {
		self.Route = addr.String()
	}
	all := []monitor.Member{self}
	seen := make(map[string]bool)
	for _, r := range a.node.Routes() {
		if !seen[r.RemoteID] {
			all = append(all, monitor.Member{ID: r.RemoteID, Name: r.RemoteName, State: "connected", Liveness: "alive",
				Since: r.Start, RTT: roundTrip(r.RTT), HasRoute: true, Route: net.JoinHostPort(r.IP, strconv.Itoa(r.Port))})
		}
		seen[r.RemoteID] = true
	}
	return all
}

// driftRows finds the settings in which members differ, as they have told them. Of a section about which
// they have not, there are only the digests that they gossip.
func driftRows(members []memberRow, digests []node.Drift) []driftRow {
	values := make(map[[2]string]map[string][]string)
	for _, m := range members {
		for section, settings := range m.settings {
			for setting, value := range settings {
				key := [2]string{section, setting}
				if values[key] == nil {
					values[key] = make(map[string][]string)
				}
				values[key][value] = append(values[key][value], m.Name)
			}
		}
	}
	rows := []driftRow{}
	told := make(map[string]bool)
	for key, v := range values {
		if len(v) > 1 {
			rows = append(rows, driftRow{key[0], key[1], v})
			told[key[0]] = true
		}
	}
	for _, d := range digests {
		if !told[d.Section] {
			setting := "digest"
			if d.Section == "version" {
				setting = d.Section
			}
			rows = append(rows, driftRow{d.Section, setting, maps.Clone(d.Values)})
		}
	}
	slices.SortFunc(rows, func(x, y driftRow) int {
		return strings.Compare(x.Section+" "+x.Setting, y.Section+" "+y.Setting)
	})
	return rows
}
