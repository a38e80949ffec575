package node

import (
	"sync"
	"time"
)

// liveness keeps account of a connection's PINGs.
type liveness struct {
	mu       sync.Mutex // guards the rest
	out      int        // PINGs without a PONG
	sent     time.Time  // when the last PING was sent, zero when it is answered
	rtt      time.Duration
	measured time.Time // when rtt was measured by a PING
}

type livenessVerdict int

const (
	livenessQuiet livenessVerdict = iota // nothing to do
	livenessPing                         // send a PING
	livenessStale                        // the other side is gone
)

// tick decides what to do when the ping interval is over. A connection that has sent something
// meanwhile is left alone unless its round trip is unknown or was measured long ago.
func (l *liveness) tick(now time.Time, busy bool, maxOut int) livenessVerdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := !l.measured.IsZero() && now.Sub(l.measured) < staleRTT
	if busy && known {
		return livenessQuiet
	}
	if l.out+1 > maxOut {
		return livenessStale
	}
	l.out++
	l.sent = now
	return livenessPing
}

// pong notes an answer, or an unsolicited PONG, which does no harm.
func (l *liveness) pong(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = 0
	if !l.sent.IsZero() {
		l.rtt = now.Sub(l.sent)
		l.measured = now
		l.sent = time.Time{}
	}
}

// connected estimates the round trip until a PING has measured it.
func (l *liveness) connected(sinceAccept time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rtt == 0 {
		l.rtt = sinceAccept
	}
}

// roundTrip returns the last known round-trip time, 0 if there is none.
func (l *liveness) roundTrip() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rtt
}
