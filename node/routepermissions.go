package node

import (
	"fmt"
	"log/slog"
	"reflect"

	"shoal/node/auth"
	"shoal/wire"
)

// RoutePermissions say of which subscriptions the servers of a cluster tell each other, by their subjects.
// Rules about queue groups are none here.
type RoutePermissions struct {
	// Import has the node announce only such subscriptions of its clients, so that it gets no other
	// messages from its peers.
	Import auth.SubjectRules
	// Export has the node take note only of such subscriptions of its peers, so that they get no other
	// messages from it.
	Export auth.SubjectRules
}

// check returns the first thing that makes no sense.
func (p *RoutePermissions) check() error {
	if p == nil {
		return nil
	}
	if err := p.Import.Check(); err != nil {
		return fmt.Errorf("import %w", err)
	}
	if err := p.Export.Check(); err != nil {
		return fmt.Errorf("export %w", err)
	}
	return nil
}

// rules returns what answers whether something may be imported, that is published by a peer, or exported,
// that is subscribed to; nil if everything may.
func (p *RoutePermissions) rules() *auth.Rules {
	if p == nil {
		return nil
	}
	return auth.NewRules(&auth.Permissions{Publish: p.Import, Subscribe: p.Export})
}

// Announced returns the permissions as peers are told, nil for what is not restricted.
func (p *RoutePermissions) Announced() (imports, exports *wire.SubjectPermission) {
	of := func(r auth.SubjectRules) *wire.SubjectPermission {
		if r.Allow == nil && r.Deny == nil {
			return nil
		}
		return &wire.SubjectPermission{Allow: r.Allow, Deny: r.Deny}
	}
	if p == nil {
		return nil, nil
	}
	return of(p.Import), of(p.Export)
}

// permitRoutes has the node and its peers tell each other what the permissions say from now on.
func (n *Node) permitRoutes(p *RoutePermissions) {
	rules := p.rules()
	changing := &n.accounts.changing
	changing.Lock()
	n.routeRules.Store(rules)
	for _, r := range n.routes.everyone() {
		for _, s := range r.subs.all() {
			switch {
			case rules == nil || rules.MaySubscribe(s.subject, ""):
				s.filterBy(rules)
				s.invalidate()
			case r.subs.remove(s):
				s.takeOut()
			}
		}
	}
	changing.Unlock()
	n.interest.restrict(&n.buffers, rules)
	// Whoever learns that it gets more has to repeat what was ignored before.
	for _, r := range n.routes.registered() {
		r.sendLine(n.routeInfo(r).Append(nil))
	}
}

// permitted notes what a later INFO says of the permissions of the other side.
func (r *route) permitted(info *wire.ServerInfo) {
	was := r.peer()
	now := *was
	now.Import, now.Export = info.Import, info.Export
	r.remote.Store(&now)
	if was.Export == nil || reflect.DeepEqual(was.Export, now.Export) {
		return
	}
	p := RoutePermissions{Export: auth.SubjectRules{Allow: was.Export.Allow, Deny: was.Export.Deny}}
	if rules := p.rules(); rules != nil { // otherwise it has had everything
		r.node.interest.repeat(r, rules)
	}
}

// exports reports whether the other side may have what it is interested in.
func (r *route) exports(rules *auth.Rules, subject string) bool {
	if rules == nil || rules.MaySubscribe(subject, "") {
		return true
	}
	r.log(slog.LevelDebug, "Ignored interest of the peer, which the permissions do not export", slog.String("subject", subject))
	return false
}

// keeps reports whether a peer must not get messages on a subject although its interest matches it.
func (s *subscription) keeps(subject []byte) bool {
	x := s.special.Load()
	return x != nil && x.filter.Denies(string(subject))
}
