package node

import (
	"sync"
	"time"
)

// maxWarnings is the number of warnings and errors about connections that are logged in a second.
const maxWarnings = 50

// rateLimit lets a number of things happen in a second. The zero value is ready to use.
type rateLimit struct {
	mu         sync.Mutex // guards the rest
	second     int64      // the current one
	n          int        // what happened in it
	suppressed int        // what was not allowed, and not yet reported
}

// allow reports whether one more is allowed if limit are in a second, and, at the first that is, how many were not before.
func (l *rateLimit) allow(now time.Time, limit int) (ok bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.n = second, 0
	}
	if l.n++; l.n > limit {
		l.suppressed++
		return false, 0
	}
	suppressed, l.suppressed = l.suppressed, 0
	return true, suppressed
}
