package membership

import (
	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

// configure returns the library's settings.
func (c *Cluster) configure(tags map[string]string) *serf.Config {
	t := &c.timing
	m := memberlist.DefaultLANConfig()
	m.Transport = c.transport
	m.Label = label
	m.BindAddr, m.BindPort = c.o.Advertise.Addr().String(), int(c.o.Advertise.Port())
	m.AdvertiseAddr, m.AdvertisePort = m.BindAddr, m.BindPort
	m.TCPTimeout = t.streamTimeout
	m.IndirectChecks = t.indirectChecks
	m.RetransmitMult = t.retransmitMult
	m.SuspicionMult, m.SuspicionMaxTimeoutMult = t.suspicionMult, t.suspicionMax
	m.PushPullInterval = t.pushPull
	m.ProbeInterval, m.ProbeTimeout = t.probeInterval, t.probeTimeout
	m.AwarenessMaxMultiplier = 8 // a node that misses its own probes' answers takes up to 8 times as long to accuse
	m.GossipInterval, m.GossipNodes, m.GossipToTheDeadTime = t.gossipInterval, t.gossipNodes, t.gossipToDead
	m.EnableCompression = t.compress
	m.Keyring = c.keyring.keys
	m.HandoffQueueDepth = t.handoffQueue
	m.UDPBufferSize = t.packetSize
	m.DeadNodeReclaimTime = t.reclaim
	m.RequireNodeNames = false // a seed's ID is not known before it has been contacted
	m.LogOutput, m.Logger = nil, c.libraryLog.logger()
	m.MsgpackUseNewTimeFormat = true

	s := serf.DefaultConfig()
	s.MemberlistConfig = m
	s.NodeName = c.o.ID
	s.Tags = tags
	s.EventCh = c.events
	s.ProtocolVersion = serf.ProtocolVersionMax
	s.ReconnectInterval, s.ReconnectTimeout = t.reconnectInterval, t.reconnectTimeout
	s.TombstoneTimeout, s.ReapInterval = t.tombstone, t.reapInterval
	s.BroadcastTimeout, s.LeavePropagateDelay = t.broadcastTimeout, 0 // Leave itself stays as long as is needed
	s.MinQueueDepth = t.queueDepth
	// Names are fresh, so a conflict is a cloned process or an attack, and must not stop this one.
	s.EnableNameConflictResolution = false
	s.ValidateNodeNames = true
	s.UserEventSizeLimit, s.QuerySizeLimit, s.QueryResponseSizeLimit = 512, 1024, 1024
	s.MsgpackUseNewTimeFormat = true
	s.SnapshotPath = ""                         // the file of peers takes its place: it keeps failed members, and survives a kill
	m.Merge, m.Alive = c.admission, c.admission // see there
	s.ReconnectTimeoutOverride = supersededTimeout{c.view}
	s.LogOutput, s.Logger = nil, m.Logger
	return s
}
