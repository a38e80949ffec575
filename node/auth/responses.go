package auth

import (
	"sync"
	"time"
)

// Limits of what is remembered of the requests of one client. More of them unanswered at once is
// seldom intended, and the reference, which forgets none before its time, lets a client that never
// answers fill its memory.
const (
	maxResponseBytes = 16 << 20
	// responseOverhead is about what an entry needs beside its subject.
	responseOverhead = 128
)

// Responses are the subjects to which a client may publish for a while, since it was asked to answer
// there. It is safe for concurrent use.
type Responses struct {
	rule ResponseRule

	// mu guards what follows.
	mu   sync.Mutex
	open map[string]*response
	// order has the responses as they came, and so as they expire. Some are not open any more.
	order []*response
	bytes int // of those in order
}

// response is a subject with the answers that may still go there.
type response struct {
	subject string
	left    int
	expires time.Time
}

// NewResponses returns the responses of one client under a rule from [Rules.Responses].
func NewResponses(rule ResponseRule) *Responses {
	return &Responses{rule: rule, open: make(map[string]*response)}
}

// Track allows answers to a request that is delivered with the reply subject. A second request with
// the same one may be answered as often as the first.
func (r *Responses) Track(reply string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &response{subject: reply, left: r.rule.Max, expires: now.Add(r.rule.Expires)}
	if old := r.open[reply]; old != nil && r.rule.Max > 0 && !r.expired(old, now) {
		p.left = min(p.left+old.left, maxResponseBytes)
	}
	r.open[reply] = p
	r.order = append(r.order, p)
	r.bytes += p.size()
	r.prune(now)
}

// Use reports whether an answer may be published to the subject, and counts it.
func (r *Responses) Use(subject string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.open[subject]
	if p == nil {
		return false
	}
	if r.expired(p, now) {
		delete(r.open, subject)
		return false
	}
	if r.rule.Max > 0 {
		if p.left--; p.left == 0 {
			delete(r.open, subject)
		}
	}
	return true
}

// prune forgets responses from the oldest on: those that are not open, and those that do not fit.
func (r *Responses) prune(now time.Time) {
	for len(r.order) > 0 {
		p := r.order[0]
		if r.open[p.subject] == p && !r.expired(p, now) && r.bytes <= maxResponseBytes {
			break
		}
		if r.open[p.subject] == p {
			delete(r.open, p.subject)
		}
		r.order[0] = nil
		r.order = r.order[1:]
		r.bytes -= p.size()
	}
	// One that stays open for long must not hold back thousands that were answered after it.
	if len(r.order) < 2*len(r.open)+64 {
		return
	}
	kept := make([]*response, 0, len(r.open))
	r.bytes = 0
	for _, p := range r.order {
		if r.open[p.subject] == p {
			kept = append(kept, p)
			r.bytes += p.size()
		}
	}
	r.order = kept
}

func (r *Responses) expired(p *response, now time.Time) bool {
	return r.rule.Expires > 0 && now.After(p.expires)
}

func (p *response) size() int { return len(p.subject) + responseOverhead }
