package membership

import (
	"sync"
	"time"
)

// limiter lets a line of each kind through once in a while, and counts those it holds back, so that a
// flood of bad packets is not a flood of lines.
type limiter struct {
	every time.Duration

	mu   sync.Mutex // guards the rest
	seen map[string]*limited
}

type limited struct {
	last time.Time
	held int
}

// mostKinds bounds the memory of a limiter. Past it, all is forgotten.
const mostKinds = 256

// allow reports whether a line of that kind may be shown at now, and how many were held back before it.
func (l *limiter) allow(kind string, now time.Time) (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.seen[kind]
	if k == nil {
		if l.seen == nil || len(l.seen) >= mostKinds {
			l.seen = make(map[string]*limited)
		}
		k = new(limited)
		l.seen[kind] = k
	} else if now.Sub(k.last) < l.every {
		k.held++
		return 0, false
	}
	held, k.held, k.last = k.held, 0, now
	return held, true
}
