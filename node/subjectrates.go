package node

import (
	"cmp"
	"slices"
	"time"
)

const (
	// subjectsShown is how many subjects are told.
	subjectsShown = 20
	// mostVisited bounds the subscriptions that are looked at: there may be millions.
	mostVisited = 100_000
	// watchedFor is how long rates of subjects are kept up to date after somebody has asked for them.
	watchedFor = time.Minute
)

// SubjectRate is the messages that clients of a server get by their subscriptions to a subject.
type SubjectRate struct {
	Account string  `json:"account"`
	Subject string  `json:"subject"`
	Msgs    float64 `json:"msgs"` // per second
	Subs    int     `json:"subs"`
}

// subjectRates compares what subscriptions have got at two times. Publishing costs nothing for it: it is
// counted for every subscription anyway. It belongs to [history].
type subjectRates struct {
	wanted time.Time // when somebody has asked last
	last   time.Time // zero if nothing is known of before
	got    map[subjectKey]uint64
	top    []SubjectRate
}

type subjectKey struct {
	account *account
	subject string
}

// take compares, if somebody wants to know.
func (s *subjectRates) take(n *Node, now time.Time) {
	if now.Sub(s.wanted) > watchedFor {
		*s = subjectRates{wanted: s.wanted}
		return
	}
	got, subs := make(map[subjectKey]uint64), make(map[subjectKey]int)
	visited := 0
	for _, c := range n.clients.all() {
		for _, sub := range c.subs.all() {
			key := subjectKey{sub.account, sub.subject}
			got[key] += uint64(sub.delivered.Load())
			subs[key]++
		}
		if visited += c.subs.len(); visited > mostVisited {
			break
		}
	}
	if !s.last.IsZero() {
		s.top = s.top[:0]
		for key, v := range got {
			before, known := s.got[key]
			if !known || v <= before { // fewer are left of those that were counted
				continue
			}
			s.top = append(s.top, SubjectRate{
				Account: key.account.name, Subject: key.subject, Msgs: perSecond(v, before, now.Sub(s.last)), Subs: subs[key],
			})
		}
		slices.SortFunc(s.top, func(a, b SubjectRate) int {
			return cmp.Or(cmp.Compare(b.Msgs, a.Msgs), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Subject, b.Subject))
		})
		s.top = slices.Clone(s.top[:min(len(s.top), subjectsShown)])
	}
	s.last, s.got = now, got
}

// ofSubjects returns the subjects with the most messages, of the time since somebody has begun to ask.
func (h *history) ofSubjects(now time.Time) []SubjectRate {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subjects.wanted = now
	return h.subjects.top
}
