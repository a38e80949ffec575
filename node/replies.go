package node

import (
	"container/list"
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
	waiting   map[*account]*list.List // the subjects of those awaited in an account, the oldest first
	sweep     alarm
}

// maxOwed is how many replies may be awaited in an account at once, some 40 MiB. More than that are
// requests to a service that does not answer, and cost only those who make them.
const maxOwed = 1 << 17

// owed is a reply that is awaited.
type owed struct {
	to        *account // in which it is awaited
	subject   string
	once      bool
	threshold time.Duration
	until     time.Time
	at        *list.Element // among those that are waiting
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
		r.waiting = make(map[*account]*list.List)
	}
	if len(r.owed) == 0 {
		r.account.node.alarms.set(&r.sweep, now.Add(sweepEvery))
	}
	waiting := r.waiting[o.to]
	if waiting == nil {
		waiting = list.New()
		r.waiting[o.to] = waiting
	}
	if waiting.Len() == maxOwed {
		r.forget(waiting.Front().Value.(string))
	}
	o.at = waiting.PushBack(subject)
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
		r.forget(subject)
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
	r.forget(subject)
}

// forget forgets a reply, if it is awaited. The caller holds mu.
func (r *replies) forget(subject string) {
	o := r.owed[subject]
	if o == nil {
		return
	}
	delete(r.owed, subject)
	waiting := r.waiting[o.to]
	if waiting.Remove(o.at); waiting.Len() == 0 {
		delete(r.waiting, o.to)
	}
}

// prune is the alarm that forgets what never came.
func (r *replies) prune(now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for subject, o := range r.owed {
		if now.After(o.until) {
			r.forget(subject)
		}
	}
	if len(r.owed) == 0 {
		return time.Time{}
	}
	return now.Add(sweepEvery)
}
