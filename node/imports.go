package node

import (
	"slices"

	"shoal/subjects"
)

// A client that subscribes to what its account imports has a shadow of its subscription in the account
// that exports: messages there are delivered through it, under the subject that the importing account
// has for them.

// longestChain is the number of accounts that messages may be handed on through.
const longestChain = 8

// shadows makes the shadows of a subscription, and notes them with it.
func (a *account) shadows(s *subscription) []*subscription {
	list := a.shadowsOf(s, s, s.subject, nil, longestChain)
	if len(list) > 0 {
		x := special{}
		if old := s.special.Load(); old != nil {
			x = *old
		}
		x.shadows = list
		s.special.Store(&x)
	}
	return list
}

// shadowsOf returns the shadows for a pattern in the account a, through which messages reach origin. above
// is the shadow in a, or nil if a is where origin is.
func (a *account) shadowsOf(s, origin *subscription, pattern string, above *subscription, depth int) (list []*subscription) {
	if depth == 0 {
		return nil
	}
	for _, im := range a.terms.Load().streams {
		wanted, ok := subjects.Intersect(pattern, im.local)
		if !ok {
			continue
		}
		there, ok := im.back.Apply(wanted)
		if !ok {
			continue
		}
		shadow := &subscription{
			conn:    s.conn,
			account: im.from,
			subject: there,
			queue:   s.queue,
			sid:     s.sid,
		}
		shadow.special.Store(&special{origin: origin, above: above, show: im.show, trace: im.trace})
		list = append(list, shadow)
		list = append(list, im.from.shadowsOf(s, origin, there, shadow, depth-1)...)
	}
	return list
}

// reshadow gives a subscription of a client the shadows that its account's imports ask for now. Those that
// are as before stay, so that no message misses them. The caller holds changing for writing.
func (s *subscription) reshadow() {
	var x special
	if old := s.special.Load(); old != nil {
		x = *old
	}
	wanted := s.account.shadowsOf(s, s, s.subject, nil, longestChain)
	var fresh []*subscription
	stale := slices.Clone(x.shadows)
	for i, shadow := range wanted {
		if j := slices.IndexFunc(stale, shadow.sameShadow); j >= 0 {
			wanted[i] = stale[j]
			stale = slices.Delete(stale, j, j+1)
		} else {
			fresh = append(fresh, shadow)
		}
	}
	if len(fresh) == 0 && len(stale) == 0 {
		return
	}
	for _, shadow := range stale {
		shadow.remove()
	}
	x.shadows = wanted
	s.special.Store(&x)
	for _, shadow := range fresh {
		shadow.account.put(shadow)
	}
}

// sameShadow reports whether two shadows of one subscription do the same.
func (s *subscription) sameShadow(other *subscription) bool {
	x, y := s.special.Load(), other.special.Load()
	switch {
	case s.account != other.account || s.subject != other.subject || x.trace != y.trace || !x.show.Equal(y.show):
		return false
	case x.above == nil || y.above == nil:
		return x.above == y.above
	}
	return x.above.sameShadow(y.above)
}

// shown returns the subject under which a subscription gets a message, and whether it gets it.
func (x *special) shown(subject string) (string, bool) {
	if x.show != nil {
		var ok bool
		if subject, ok = x.show.Apply(subject); !ok {
			return "", false
		}
	}
	if x.above != nil {
		return x.above.special.Load().shown(subject)
	}
	if x.origin != nil {
		if y := x.origin.special.Load(); y != nil && y.filter != nil && y.filter.Denies(subject) {
			return "", false
		}
	}
	if x.filter != nil && x.filter.Denies(subject) {
		return "", false
	}
	return subject, true
}
