package node

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"
)

// replyPrefix begins the subjects under which services of one account answer requests of another.
const replyPrefix = "_R_."

// replies are the subjects under which services of an account answer requests that came from others.
// They all begin alike, so that peers are told of one interest.
type replies struct {
	account *account
	prefix  string // _R_.xxxxxxxx.

	mu        sync.Mutex // guards the rest
	announced bool       // peers know of the prefix
	owed      map[string]*owed
	sweep     alarm
}

// owed is a reply that is awaited.
type owed struct {
	to        *account // in which it is awaited
	subject   string
	once      bool
	threshold time.Duration
	until     time.Time
}

// sweepEvery is how often replies are looked through for those that never came.
const sweepEvery = 15 * time.Second

// randomText returns n bytes that nobody can guess, as text that may be a token of a subject.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (r *replies) init(a *account) {
	r.account = a
	r.prefix = replyPrefix + randomText(6) + "."
	r.sweep.fire = r.prune
}

// expect returns the subject to answer to. It reports whether peers have to be told of it.
func (r *replies) expect(o *owed) (subject string, news bool) {
	now := time.Now()
	o.until = now.Add(o.threshold)
	subject = r.prefix + randomText(9)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owed == nil {
		r.owed = make(map[string]*owed)
	}
	if len(r.owed) == 0 {
		r.account.node.alarms.set(&r.sweep, now.Add(sweepEvery))
	}
	r.owed[subject] = o
	if news = !r.announced; news {
		r.announced = true
		r.account.node.interest.add(r.account, r.prefix+">", "")
	}
	return subject, news
}

// take returns what a reply is for, nil if it is not awaited.
func (r *replies) take(subject string) *owed {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.owed[subject]
	switch {
	case o == nil:
		return nil
	case o.once || now.After(o.until):
		delete(r.owed, subject)
	default:
		again := *o // the one before may be in use
		again.until = now.Add(o.threshold)
		r.owed[subject] = &again
	}
	if now.After(o.until) {
		return nil
	}
	return o
}

// drop forgets a reply that will not come.
func (r *replies) drop(subject string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owed, subject)
}

// prune is the alarm that forgets what never came.
func (r *replies) prune(now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for subject, o := range r.owed {
		if now.After(o.until) {
			delete(r.owed, subject)
		}
	}
	if len(r.owed) == 0 {
		return time.Time{}
	}
	return now.Add(sweepEvery)
}
