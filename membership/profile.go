package membership

import (
	"fmt"
	"math"
	"time"
)

// Profile is a set of timings that fits a kind of network.
type Profile uint8

const (
	// LAN is for machines in one building or one zone: round trips of a few milliseconds.
	LAN Profile = iota
	// Local is for processes on one machine. It does not survive a pause of two seconds.
	Local
	// WAN is for sites that are far apart, with round trips of some hundred milliseconds.
	WAN
)

// ParseProfile returns the profile of that name.
func ParseProfile(name string) (Profile, error) {
	for _, p := range []Profile{LAN, Local, WAN} {
		if p.String() == name {
			return p, nil
		}
	}
	return LAN, fmt.Errorf("%q is none of local, lan and wan", name)
}

func (p Profile) String() string {
	switch p {
	case Local:
		return "local"
	case WAN:
		return "wan"
	default:
		return "lan"
	}
}

// timing is what a profile sets.
type timing struct {
	probeInterval     time.Duration // between two probes by one node, each of another member
	probeTimeout      time.Duration // for the answer, before others are asked to probe as well
	indirectChecks    int           // how many others are asked
	suspicionMult     int           // time to refute a suspicion: this × max(1, log10 members) × probeInterval
	suspicionMax      int           // times that, if nobody else confirms it
	gossipInterval    time.Duration
	gossipNodes       int           // members that get the news in one interval
	retransmitMult    int           // how often news are sent: this × ceil(log10(members+1))
	gossipToDead      time.Duration // how long a failed member is still told the news
	pushPull          time.Duration // between two exact comparisons with a random member
	streamTimeout     time.Duration // of one exchange over a stream
	handoffQueue      int           // gossip messages that may wait to be handled
	packetSize        int           // bytes of a packet: what fits in one frame
	reclaim           time.Duration // after which a failed member's name may come from another address
	compress          bool
	reconnectInterval time.Duration // between two attempts to reach some failed member
	reconnectTimeout  time.Duration // after which a failed member is forgotten
	tombstone         time.Duration // after which a member that left is forgotten
	reapInterval      time.Duration // between two looks for members to forget
	broadcastTimeout  time.Duration // the longest that each of the two parts of a goodbye takes to be sent
	leavePropagate    time.Duration // and then stays to answer who has not heard it
	queueDepth        int           // news that may wait to be sent, before the oldest are dropped
	resync            []time.Duration
	seedInterval      time.Duration // between two looks for seeds that are not members
	redialInterval    time.Duration // between two looks for failed members that are back
}

// timing returns the numbers of a profile. They are measured, see docs/membership.md.
func (p Profile) timing() timing {
	t := timing{
		// Halving the usual second halves detection, for 270 bytes a second.
		probeInterval: 500 * time.Millisecond,
		// Above the 99th percentile of round trip plus scheduling; half the interval is left for the
		// indirect probes and the one over TCP.
		probeTimeout: 250 * time.Millisecond,
		// One of three is enough to save a member from a lossy path.
		indirectChecks: 3,
		// With probeInterval, 2.0 s to refute among 10 members and 3.4 s among 50: outlasts a pause of
		// 2 s, busy processors and a loss of half the packets.
		suspicionMult: 4,
		// On the small side of a split too few confirm, and the timer runs towards this multiple: half of four
		// nodes give up the others after 5 s. The usual 6 would add three seconds.
		suspicionMax: 2,
		// News reach 50 members in half a second. To wake up twice as often is a fifth of what an idle
		// member costs.
		gossipInterval: 200 * time.Millisecond,
		gossipNodes:    4,
		// A member misses a piece of news with a chance of e^-(mult × ceil(log10(n+1))): with 4, one
		// change in sixty is missed by some of 50 members, with 6 none in three thousand.
		retransmitMult: 6,
		// A member that was cut off for less hears what is said about it as soon as it is back.
		gossipToDead: 30 * time.Second,
		// Bounds how long missed news stay missed, and is most of the bytes of a large cluster, although
		// memberlist doubles it for more than 32 members.
		pushPull: 30 * time.Second,
		// An address that accepts and stays mute holds up one attempt to join for this long.
		streamTimeout: 3 * time.Second,
		// Deep enough for the storm of a whole cluster that starts at once.
		handoffQueue: 4096,
		// One Ethernet frame less headers: a fragment lost would be a packet lost.
		packetSize: 1400,
		reclaim:    5 * time.Second,
		// The library's own attempts are a second line: they leave much to chance, see joiner.redial.
		reconnectInterval: 5 * time.Second,
		// Longer than any outage somebody would wait for; the loop over the seeds has no limit at all.
		reconnectTimeout: 6 * time.Hour,
		tombstone:        time.Hour,
		reapInterval:     5 * time.Second,
		// Each part takes 30 to 60 ms, see carryGoodbye. When many stop at once, the library may lose its
		// own part, as told at journal, and wait for it.
		broadcastTimeout: 300 * time.Millisecond,
		leavePropagate:   500 * time.Millisecond,
		queueDepth:       1024,
		// News of a join run out of retransmissions before a newcomer that knows nobody has heard of
		// everybody. One more exact exchange brings 50 members from many seconds to under one.
		resync: []time.Duration{250 * time.Millisecond, time.Second, 5 * time.Second},
		// Bounds how long a split lasts after the network has healed.
		seedInterval: 10 * time.Second,
		// A split is healed in about this time: the small side tries it every time, the large one seldom.
		redialInterval: 2 * time.Second,
	}
	switch p {
	case Local:
		// Round trips of microseconds: everything faster. The time to refute is 0.6 s.
		t.probeInterval, t.probeTimeout = 200*time.Millisecond, 100*time.Millisecond
		t.suspicionMult, t.suspicionMax = 3, 4
		t.gossipInterval = 50 * time.Millisecond
		t.retransmitMult = 4 // the next exact comparison is 5 s away at most
		t.gossipToDead = 10 * time.Second
		t.pushPull = 5 * time.Second
		t.streamTimeout = 2 * time.Second
		t.handoffQueue = 1024
		t.reclaim = time.Second
		t.reconnectInterval, t.reapInterval = time.Second, time.Second
		t.reconnectTimeout, t.tombstone = 10*time.Minute, 10*time.Minute
		t.leavePropagate = 200 * time.Millisecond
		t.resync = []time.Duration{250 * time.Millisecond, time.Second}
		t.seedInterval, t.redialInterval = 2*time.Second, time.Second
	case WAN:
		// The probe must wait for the other side of the world, and a lossy hour must not cost members.
		t.probeInterval, t.probeTimeout = 3*time.Second, 1500*time.Millisecond
		t.suspicionMult, t.suspicionMax = 6, 6
		t.gossipInterval = 500 * time.Millisecond
		t.gossipToDead = time.Minute
		t.pushPull = time.Minute
		t.streamTimeout = 10 * time.Second
		// A full exchange shrinks to a fourth. Elsewhere it is not worth it: memberlist sets up 64 kB of
		// tables for each packet, which is more than half of what gossip costs.
		t.compress = true
		t.packetSize = 1200 // tunnels take their share of the frame
		t.reclaim = 30 * time.Second
		t.reconnectInterval, t.reapInterval = 30*time.Second, 15*time.Second
		t.reconnectTimeout, t.tombstone = 24*time.Hour, 24*time.Hour
		t.leavePropagate = time.Second
		t.queueDepth = 4096
		t.resync = []time.Duration{time.Second, 5 * time.Second}
		t.seedInterval, t.redialInterval = time.Minute, 10*time.Second
	}
	return t
}

// longestSuspicion is the longest that a member can be suspected without having failed or refuted it,
// among n members, with some room for a busy machine.
func (t *timing) longestSuspicion(n int) time.Duration {
	scale := max(1, math.Log10(max(1, float64(n))))
	return time.Duration(scale*float64(t.suspicionMult*t.suspicionMax))*t.probeInterval + 10*time.Second
}
