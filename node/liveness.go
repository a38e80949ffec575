package node

import (
	"sync"
	"time"
)

// liveness keeps account of a connection's PINGs.
type liveness struct {
	mu   sync.Mutex    // guards the rest
	out  int           // PINGs without a PONG
	sent time.Time     // when the last PING was sent
	open bool          // it has not been answered
	rtt  time.Duration // the last one known
}

type livenessVerdict int

const (
	livenessQuiet livenessVerdict = iota // nothing to do
	livenessPing                         // send a PING
	livenessStale                        // the other side is gone
)

// tick decides what to do when the ping interval is over. A connection that has sent something
// meanwhile is left alone, unless it has not been pinged for long: the round trip is of interest too.
func (l *liveness) tick(now time.Time, busy bool, maxOut int) livenessVerdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if busy && !l.sent.IsZero() && now.Sub(l.sent) < staleRTT {
		return livenessQuiet
	}
	if l.out+1 > maxOut {
		return livenessStale
	}
	l.out++
	l.sent, l.open = now, true
	return livenessPing
}

// pong notes an answer, or an unsolicited PONG, which does no harm.
func (l *liveness) pong(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = 0
	if l.open {
		l.rtt = now.Sub(l.sent)
		l.open = false
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

// roundTrip returns the last round trip that is known, or 0.
func (l *liveness) roundTrip() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rtt
}
