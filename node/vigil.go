package node

import (
	"sync/atomic"
	"time"
)

// reluctance is why queue groups should prefer members elsewhere: the sum of the reasons below.
type reluctance struct{ reasons atomic.Uint32 }

const (
	endsSoon   uint32 = 1 << iota // the connection is about to end
	drains                        // the peer sends its clients elsewhere
	distrusted                    // gossip says that the peer is not well, or goes
	mute                          // the peer does not answer
)

func (r *reluctance) set(reason uint32, yes bool) {
	if yes {
		r.reasons.Or(reason)
	} else {
		r.reasons.And(^reason)
	}
}

func (r *reluctance) any() bool { return r.reasons.Load() != 0 }

const (
	// vigilInterval is how often a route is looked at over which messages for members of queue groups go.
	vigilInterval = 50 * time.Millisecond
	// vigilPatience is how long a peer may take to answer before it is second choice, if the round trip
	// is short, and vigilUnknown if that has not been measured yet.
	vigilPatience, vigilUnknown = 100 * time.Millisecond, time.Second
)

// vigil finds out soon that a peer hangs to which messages for queue groups are sent, because each of these
// is lost if somebody else could have had it. While such messages go over a route and nothing comes, the
// peer is pinged; if nothing has come when it should have answered, it is second choice until something
// comes. That is harmless if it is wrong, as it will be now and then on a busy machine. Whether the peer
// is still one is decided elsewhere, and takes longer.
//
// Its fields, but for armed, belong to the alarm.
type vigil struct {
	r     *route
	alarm alarm
	armed atomic.Bool // the alarm is set

	seen  int64     // lastIn at the last look
	asked time.Time // when the peer was pinged that has sent nothing since; zero if it was not
}

func (v *vigil) init(r *route) {
	v.r = r
	v.alarm.fire = v.look
}

// begin notes that a message for a member of a queue group is sent to the peer.
func (v *vigil) begin() {
	v.r.queued.Store(true)
	if v.armed.CompareAndSwap(false, true) {
		v.r.node.alarms.set(&v.alarm, time.Now().Add(vigilInterval))
	}
}

// look is the alarm.
func (v *vigil) look(now time.Time) time.Time {
	r := v.r
	sent := r.queued.Swap(false)
	last := r.lastIn.Load()
	came := last != v.seen
	v.seen = last
	switch {
	case came:
		v.asked = time.Time{}
		r.avoid.set(mute, false)
	case !v.asked.IsZero():
		if now.Sub(v.asked) >= v.patience() {
			r.avoid.set(mute, true)
		}
	case sent && now.UnixNano()-last >= int64(vigilInterval):
		v.asked = now
		r.sendLine(pingLine)
	}
	if sent || !v.asked.IsZero() {
		return now.Add(vigilInterval)
	}
	v.armed.Store(false)
	// Somebody may have sent something in between, and relied on the alarm.
	if r.queued.Load() && v.armed.CompareAndSwap(false, true) {
		return now.Add(vigilInterval)
	}
	return time.Time{}
}

// patience returns how long the peer may take to answer.
func (v *vigil) patience() time.Duration {
	rtt := v.r.liveness.roundTrip()
	if rtt == 0 {
		return vigilUnknown
	}
	return max(vigilPatience, 2*rtt+vigilInterval)
}
