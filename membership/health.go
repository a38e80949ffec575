package membership

// Health is how this node's part of the gossip is doing.
type Health struct {
	// Score is 0 if probes work as they should. It grows up to 7 while this node itself seems to be too
	// slow, and it is then slower to accuse others.
	Score  int
	Joined bool // some other member lives
	// Members by what is thought of them, this one included.
	Alive, Suspect, Failed, Left int
	// LastJoin is why the last attempt to contact a seed has failed; empty if it has not.
	LastJoin string
	Drift    uint64 // times that the list of members had to be repaired
	Stuck    bool   // the library does not answer: restart the server
	Stopped  bool   // the library has stopped by itself
	// Refused counts packets and streams that were not gossip of this cluster, and MembersRefused members
	// that may not be in it.
	Refused, MembersRefused uint64
	// Unread counts packets of this node that it could not read again. If it grows, suspects are not seen.
	Unread uint64
	// StreamOnly is the number of members that get their packets over a stream, because UDP does not reach
	// them; if NoUDP, all do, because there is no socket.
	StreamOnly int
	NoUDP      bool
	Sealed     bool // gossip is encrypted
}

// Health returns how this node's part of the gossip is doing.
func (c *Cluster) Health() Health {
	h := Health{
		Score: c.list.GetHealthScore(), Drift: c.drift.Load(), Stuck: c.stuck.Load(), Stopped: c.stopped.Load(),
		Refused:        c.transport.refused.Load() + c.libraryLog.refused.Load(),
		MembersRefused: c.admission.refused.Load(), Unread: c.journal.unread.Load(),
		StreamOnly: c.transport.pipes.blocked(), NoUDP: c.o.Packets == nil, Sealed: c.keyring.keys != nil,
	}
	c.joiner.mu.Lock()
	h.LastJoin = c.joiner.last
	c.joiner.mu.Unlock()
	for _, m := range c.view.members() {
		switch m.Liveness {
		case Alive:
			h.Alive++
		case Suspect:
			h.Suspect++
		case Failed:
			h.Failed++
		case Left:
			h.Left++
		}
		h.Joined = h.Joined || !m.Self && m.Lives()
	}
	return h
}
