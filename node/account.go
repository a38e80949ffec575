package node

import (
	"maps"
	"sync"
	"sync/atomic"

	"shoal/subjects"
)

// account is a space of subjects of its own. A client works in one; peers tell the interest of all.
type account struct {
	node  *Node
	name  string
	index *subjects.Index[*subscription]
	// terms are what the configuration says of it. They never change, but are replaced by others.
	terms   atomic.Pointer[terms]
	replies replies
	// configured says that clients may work in it. A peer may have accounts that this node has not.
	configured atomic.Bool

	clients       atomic.Int64
	slowConsumers atomic.Uint64
	routed        routedTraffic
}

// mostAccounts is up to how many accounts peers can make the node remember some that are not configured.
const mostAccounts = 1 << 14

// accounts are those of a node.
type accounts struct {
	node           *Node
	global, system *account

	// changing is held for reading while a subscription of a client comes or goes, together with the look
	// at what the client may do and what its account imports; and for writing while these change. So who
	// holds it for writing finds every subscription either as it was, or not at all. Likewise a client becomes
	// somebody together with the look at the options by which it does.
	changing sync.RWMutex

	mu     sync.Mutex // held while byName is replaced
	byName atomic.Pointer[map[string]*account]
}

// init makes the accounts that are configured.
func (t *accounts) init(n *Node, opts *Options) error {
	t.node = n
	t.byName.Store(&map[string]*account{})
	t.global, t.system = t.obtain(GlobalAccount), t.obtain(opts.SystemAccount)
	compiled, err := t.compile(opts)
	if err != nil {
		return err
	}
	t.configure(compiled)
	return nil
}

// compile makes what the configuration says of accounts ready to be used. Nothing is changed yet.
func (t *accounts) compile(opts *Options) (map[string]*terms, error) {
	names := make([]string, len(opts.Accounts))
	for i, o := range opts.Accounts {
		names[i] = o.Name
	}
	t.add(names...)
	compiled, err := compileAccounts(withSystemExports(opts.Accounts, opts.SystemAccount), opts.Cluster.Name, t.obtain)
	if err != nil {
		return nil, err
	}
	for _, a := range []*account{t.global, t.system} {
		if compiled[a.name] == nil {
			compiled[a.name] = new(terms)
		}
	}
	for name, terms := range compiled {
		terms.system = t.obtain(name).systemImports(t.system)
	}
	return compiled, nil
}

// configure has the accounts be as the configuration says.
func (t *accounts) configure(compiled map[string]*terms) {
	for name, a := range t.all() {
		terms := compiled[name]
		a.configured.Store(terms != nil)
		if terms == nil {
			terms = noTerms
		}
		a.terms.Store(terms)
	}
}

// has reports whether an account is configured.
func (t *accounts) has(name string) bool {
	a := t.get(name)
	return a != nil && a.configured.Load()
}

// get returns the account of that name, or nil.
func (t *accounts) get(name string) *account { return (*t.byName.Load())[name] }

// all returns the accounts by their names, in a map that does not change.
func (t *accounts) all() map[string]*account { return *t.byName.Load() }

// obtain returns the account of that name, which it makes if need be.
func (t *accounts) obtain(name string) *account {
	if a := t.get(name); a != nil {
		return a
	}
	t.add(name)
	return t.get(name)
}

// obtainForPeer returns the account of that name, which it makes if need be, or nil if there are too many.
func (t *accounts) obtainForPeer(name string) *account {
	if a := t.get(name); a != nil || len(t.all()) >= mostAccounts {
		return a
	}
	return t.obtain(name)
}

// add makes those accounts that there are not.
func (t *accounts) add(names ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	grown := maps.Clone(t.all())
	for _, name := range names {
		if grown[name] != nil {
			continue
		}
		a := &account{node: t.node, name: name, index: subjects.NewIndex[*subscription]()}
		a.terms.Store(noTerms)
		a.replies.init(a)
		grown[name] = a
	}
	t.byName.Store(&grown)
}

// insert puts a subscription of a client into the account, and what it imports by it into others. The
// caller holds changing.
func (a *account) insert(s *subscription) {
	a.put(s)
	for _, shadow := range a.shadows(s) {
		shadow.account.put(shadow)
	}
}

func (a *account) put(s *subscription) {
	a.index.Insert(s.subject, s.queue, s)
	a.node.interest.add(a, s.subject, s.queue)
}

// takeOut takes a subscription out of the accounts. The caller holds changing.
func (s *subscription) takeOut() {
	if s.conn.isRoute {
		s.account.index.Remove(s.subject, s.queue, s)
		return
	}
	s.remove()
	if x := s.special.Load(); x != nil {
		for _, shadow := range x.shadows {
			shadow.remove()
		}
	}
}

func (s *subscription) remove() {
	a := s.account
	a.node.interest.remove(a, s.subject, s.queue)
	a.index.Remove(s.subject, s.queue, s)
}

// invalidate makes publishers look again that know what the subscription was like.
func (s *subscription) invalidate() {
	s.account.index.Invalidate(s.subject)
	if x := s.special.Load(); x != nil {
		for _, shadow := range x.shadows {
			shadow.account.index.Invalidate(shadow.subject)
		}
	}
}

// len returns the number of subscriptions of clients and peers in all accounts, with shadows.
func (t *accounts) len() int {
	n := 0
	for _, a := range t.all() {
		n += a.index.Len()
	}
	return n
}
