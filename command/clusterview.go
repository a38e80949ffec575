package command

import (
	"time"

	"shoal/membership"
	"shoal/node/monitor"
)

// mostRTTs is the largest cluster of which all round trips are shown: their number grows with its square.
const mostRTTs = 32

// Clusterz implements [monitor.Source].
func (m *monitored) Clusterz() monitor.Clusterz {
	z := monitor.Clusterz{ServerID: m.node.ID(), ServerName: m.node.Name()}
	if m.settings().Node.Cluster.Port == 0 {
		return z
	}
	z.Cluster = m.node.ClusterName()
	cluster := m.node.Membership()
	if cluster == nil {
		return z
	}
	z.Gossip = gossipHealth(cluster.Health())
	members := cluster.Members()
	routed := m.routed()
	for _, member := range members {
		v := memberView(&member)
		v.HasRoute = member.Self || routed[member.ID]
		if member.Lives() && len(members) <= mostRTTs {
			v.RTTs = roundTrips(cluster, &member, members)
		}
		z.Members = append(z.Members, v)
	}
	for _, p := range m.node.Degraded() {
		z.Degraded = append(z.Degraded, monitor.Pair{From: p.From, To: p.To, Since: p.Since.UTC()})
	}
	for _, d := range m.node.Drift() {
		z.Drift = append(z.Drift, monitor.Drift{What: d.Section, Values: d.Values})
	}
	return z
}

// routed returns the IDs of servers that there is a route to.
func (m *monitored) routed() map[string]bool {
	ids := make(map[string]bool)
	for _, r := range m.node.Routes() {
		ids[r.RemoteID] = true
	}
	return ids
}

func memberView(m *membership.Member) monitor.Member {
	return monitor.Member{
		ID: m.ID, Name: m.Name, Self: m.Self,
		State: m.State.String(), Liveness: m.Liveness.String(), Since: m.Since.UTC(), Boot: m.Boot.UTC(),
		Incarnation: m.Incarnation, Cluster: m.Cluster, Version: m.Version,
		Gossip: m.Gossip, Route: m.Route, Client: m.Client, Monitor: m.Monitor,
		RTT: roundTrip(m.RTT), Tags: m.Tags,
	}
}

// roundTrip writes an estimate as coarse as it is.
func roundTrip(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// roundTrips returns the estimated round trips from one member to the others that live.
func roundTrips(c *membership.Cluster, from *membership.Member, all []membership.Member) map[string]float64 {
	trips := make(map[string]float64)
	for _, to := range all {
		if to.ID == from.ID || !to.Lives() {
			continue
		}
		if d, ok := c.RTT(from.ID, to.ID); ok {
			trips[to.Name] = float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
		}
	}
	return trips
}

func gossipHealth(h membership.Health) *monitor.Gossip {
	return &monitor.Gossip{
		Score: h.Score, Joined: h.Joined, Alive: h.Alive, Suspect: h.Suspect, Failed: h.Failed, Left: h.Left,
		LastJoinError: h.LastJoin, Repairs: h.Drift, Stuck: h.Stuck, Stopped: h.Stopped, Refused: h.Refused,
		MembersRefused: h.MembersRefused, Unread: h.Unread, StreamOnly: h.StreamOnly, NoUDP: h.NoUDP, Encrypted: h.Sealed,
	}
}
