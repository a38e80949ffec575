package node

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"time"

	"shoal/node/auth"
)

// Reload has the node be configured by opts from now on, while it serves. Options that cannot be changed
// are an error that names one, and so is whatever [New] would refuse; then all stays as it was.
//
// Clients whose user is gone, or has another secret or account, are disconnected. Those that stay lose the
// subscriptions that they may not have any more, and are told so. The most recent clients go if there are
// now more than may be. The logger stays; whether protocol lines are logged is asked of it again.
//
// The node must have been started. ctx bounds only how long other members are waited for when keys of
// gossip change.
func (n *Node) Reload(ctx context.Context, opts Options) error {
	if n.Addr() == nil {
		return errors.New("the node has not been started")
	}
	if err := opts.Validate(); err != nil {
		return err
	}
	n.reloading.Lock()
	defer n.reloading.Unlock()
	old := n.options()
	opts.Logger = old.Logger
	opts = opts.withDefaults()
	if err := old.mayBecome(&opts); err != nil {
		return err
	}
	compiled, err := n.accounts.compile(&opts)
	if err != nil {
		return err
	}

	inherit(opts.Authenticator, old.Authenticator)
	if opts.WebSocket != nil {
		inherit(opts.WebSocket.Authenticator, old.WebSocket.Authenticator)
	}
	n.judgeAgain(old, &opts, compiled)
	n.trace.Store(n.log.Enabled(ctx, LevelTrace))
	n.budget.limit.Store(int64(opts.PendingBudget))
	if p := opts.Cluster.Permissions; !reflect.DeepEqual(p, old.Cluster.Permissions) {
		n.permitRoutes(p)
	}
	for _, c := range n.clients.limit(opts.MaxConnections) {
		c.end(tooManyClients)
	}
	for _, c := range n.clients.all() {
		if interval := c.pingInterval(&opts); interval < c.pingInterval(old) && c.begun.Load() {
			n.alarms.set(&c.ping, time.Now().Add(interval))
		}
	}
	if opts.ClientAdvertise != old.ClientAdvertise {
		n.setAdvertised(opts.ClientAdvertise)
	}
	if opts.Cluster.Port != 0 {
		n.reloadCluster(ctx, &old.Cluster, &opts.Cluster)
	}
	// Clients learn what they may send from INFO, and where else to go.
	if opts.ClientAdvertise != old.ClientAdvertise || opts.WebSocket.advertise() != old.WebSocket.advertise() ||
		opts.MaxPayload != old.MaxPayload ||
		opts.Cluster.NoAdvertise != old.Cluster.NoAdvertise {
		n.urls.publish()
		n.routes.announce()
	}
	return nil
}

// mayBecome returns an error if what other says cannot be had without a new start.
func (o *Options) mayBecome(other *Options) error {
	a, b := &o.Cluster, &other.Cluster
	if (o.WebSocket != nil) != (other.WebSocket != nil) {
		return errors.New("websocket port: it cannot be opened or closed while the server runs, restart it")
	}
	v, w := o.WebSocket.fixed(), other.WebSocket.fixed()
	for _, option := range []struct {
		name     string
		old, new any
	}{
		{"addr", o.Host, other.Host},
		{"port", o.Port, other.Port},
		{"name", o.ServerName, other.ServerName},
		{"websocket host", v.host, w.host},
		{"websocket port", v.port, w.port},
		{"websocket handshake_timeout", v.handshakeTimeout, w.handshakeTimeout},
		{"websocket tls", v.encrypted, w.encrypted},
		{"system_account", o.SystemAccount, other.SystemAccount},
		{"cluster host", a.Host, b.Host},
		{"cluster port", a.Port, b.Port},
		{"cluster_name", a.Name, b.Name},
		{"cluster_advertise", a.Advertise, b.Advertise},
		{"no_gossip", a.NoGossip, b.NoGossip},
		{"gossip_profile", a.GossipProfile, b.GossipProfile},
		{"state_dir", a.StateDir, b.StateDir},
	} {
		if option.old != option.new {
			return fmt.Errorf("%s: it cannot change from %q to %q while the server runs, restart it",
				option.name, fmt.Sprint(option.old), fmt.Sprint(option.new))
		}
	}
	if (len(a.GossipKeys) > 0) != (len(b.GossipKeys) > 0) {
		return errors.New("gossip_key: encryption cannot be switched on or off while the server runs, restart it")
	}
	return nil
}

// inherit has now know what old has found out of passwords.
func inherit(now, old Authenticator) {
	switch now := now.(type) {
	case *auth.Users:
		if old, ok := old.(*auth.Users); ok {
			now.Inherit(old)
		}
	case *auth.Besides:
		if old, ok := old.(*auth.Besides); ok {
			now.Inherit(old)
		}
	}
}

// judgeAgain has the options be those of the node, and accounts and clients be as they say.
func (n *Node) judgeAgain(old, opts *Options, compiled map[string]*terms) {
	t := &n.accounts
	t.changing.Lock()
	n.opts.Store(opts)
	imports := func(o AccountOptions) []Import { return o.Imports }
	imported := !reflect.DeepEqual(byAccount(old.Accounts, imports), byAccount(opts.Accounts, imports))
	t.configure(compiled)
	numbers := make(map[*account]int64)
	for _, c := range n.clients.all() {
		if !c.judge(opts) {
			continue
		}
		home := c.home.Load()
		if numbers[home]++; home.terms.Load().limits.excludes(numbers[home]) {
			c.end(tooManyOfAccount)
			continue
		}
		for _, s := range c.subs.all() {
			if !c.keep(s) {
				continue
			}
			if imported {
				s.reshadow()
			}
		}
	}
	for _, a := range t.all() {
		a.index.Invalidate(">") // readers remember who may publish what, and where it goes
	}
	t.changing.Unlock()
	n.interest.announce(&n.buffers)
}

// byAccount returns what is configured of each account that has something of it.
func byAccount[T any](list []AccountOptions, of func(AccountOptions) []T) map[string][]T {
	m := make(map[string][]T)
	for _, o := range list {
		if v := of(o); len(v) > 0 {
			m[o.Name] = v
		}
	}
	return m
}

// reloadCluster has the cluster be as the options say.
func (n *Node) reloadCluster(ctx context.Context, old, opts *ClusterOptions) {
	n.targets.limit(opts.ConnectRetries)
	// What a target is configured with may be a new password for the same address.
	for _, u := range opts.Routes {
		n.targets.configure(u)
	}
	for _, u := range old.Routes {
		addr := routeAddress(u)
		if slices.ContainsFunc(opts.Routes, func(v *url.URL) bool { return routeAddress(v) == addr }) {
			continue
		}
		n.targets.unconfigure(addr)
		for _, r := range n.routes.everyone() {
			if r.attempt != nil && r.attempt.configured && r.attempt.addr == addr {
				r.end(&ending{reason: reasonRouteRemoved})
			}
		}
	}
	n.wakeDialer()
	// Whoever has been admitted by the old password has to give the new one. Those that this node has
	// dialled decide for themselves.
	secret := opts.User != old.User || opts.Password != old.Password
	// What two servers have agreed on they agree on anew.
	agreed := (opts.TLS == nil) != (old.TLS == nil) || opts.Compression != old.Compression || opts.PoolSize != old.PoolSize
	for _, r := range n.routes.everyone() {
		switch {
		case agreed:
			r.end(&ending{reason: reasonRouteRemoved})
		case secret && r.attempt == nil:
			r.end(&ending{reason: reasonAuthFailure})
		}
	}
	c := n.members.cluster.Load()
	if c == nil {
		return
	}
	if !slices.Equal(old.Join, opts.Join) {
		if err := c.ReplaceSeeds(old.Join, opts.Join); err != nil {
			n.log.Error("Cannot take over what is to be joined", "error", err)
		}
	}
	if err := c.SetTag(driftTag, digests(n.settings())); err != nil {
		n.log.Warn("Others will not see whether this server is configured like them", "error", err)
	}
	if err := c.Keyring().Become(ctx, opts.GossipKeys); err != nil {
		n.log.Warn("The keys of gossip are not yet what they should be, reload again when all servers are up", "error", err)
	}
}
