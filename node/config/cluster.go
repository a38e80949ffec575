package config

import (
	"strings"
	"time"

	"shoal/membership"
	"shoal/node"
)

// cluster reads how the server and others become one.
func (b *block) cluster(s *Settings) {
	v := b.take("cluster")
	if v == nil {
		return
	}
	c := b.block(v, "cluster")
	o := &s.Node.Cluster
	if o.Port == 0 {
		o.Host, o.Port = node.DefaultHost, node.DefaultClusterPort // the block alone asks for a cluster
	}
	c.address(&o.Host, &o.Port)
	c.text(&o.Name, "name")
	c.withoutBlanks("name", o.Name)
	c.text(&o.Advertise, "advertise", "cluster_advertise")
	c.flag(&o.NoAdvertise, "no_advertise")
	c.routes(o)
	c.join(o)
	c.gossip(s)
	c.limit(&o.ConnectRetries, "connect_retries")
	c.limit(&o.PoolSize, "pool_size")
	c.compression(o)
	c.duration(&o.PingInterval, false, "ping_interval")
	if o.PingInterval > node.DefaultRoutePing {
		c.warnf(s.keys["cluster.ping_interval"], "cluster.ping_interval: %v is more than the most, which is %v", o.PingInterval, node.DefaultRoutePing)
		o.PingInterval = node.DefaultRoutePing
	}
	c.number(&o.MaxPingsOut, 1, most, "ping_max")
	c.duration(&o.WriteDeadline, false, "write_deadline")
	c.duration(&o.ReadyTimeout, false, "ready_timeout")
	s.ClusterTLS = c.tlsFiles("tls")
	c.routePermissions(o, "permissions")
	c.clusterAuthorization(s)

	c.writeTimeout()
	c.needless("shoal always waits longer and longer", "connect_backoff")
	c.needless("all accounts share the connections", "accounts")
	c.done()
}

func (b *block) withoutBlanks(name, text string) {
	if strings.ContainsAny(text, " \t\r\n") {
		b.fail(b.settings.keys[b.path+name], name, "%q has a blank in it", text)
	}
}

func (b *block) routes(o *node.ClusterOptions) {
	texts, _ := b.texts("routes")
	seen := make(map[string]bool)
	for _, text := range texts {
		u, err := RouteURL(text)
		switch {
		case err != nil:
			b.fail(b.settings.keys[b.path+"routes"], "routes", "%v", err)
		case seen[u.String()]:
			b.warnf(b.settings.keys[b.path+"routes"], "%sroutes: %s is there twice", b.path, ShownURL(text))
		default:
			seen[u.String()] = true
			o.Routes = append(o.Routes, u)
		}
	}
}

func (b *block) join(o *node.ClusterOptions) {
	texts, _ := b.texts("join")
	for _, text := range texts {
		if err := CheckJoin(text); err != nil {
			b.fail(b.settings.keys[b.path+"join"], "join", "%v", err)
		}
	}
	o.Join = texts
}

// gossip reads how members find each other, or that they do not.
func (b *block) gossip(s *Settings) {
	v := b.take("gossip")
	if v == nil {
		return
	}
	o := &s.Node.Cluster
	if on, ok := v.data.(bool); ok {
		o.NoGossip = !on
		return
	}
	g := b.block(v, "cluster.gossip")
	if v := g.take("profile"); v != nil {
		if name, ok := g.textOf(v, "profile"); ok {
			p, err := membership.ParseProfile(name)
			if err != nil {
				g.fail(v.at, "profile", "%q is not a profile, use local, lan or wan", name)
			}
			o.GossipProfile = p
		}
	}
	g.text(&s.GossipKeyFile, "key_file")
	g.text(&o.StateDir, "state_dir")
	g.done()
}

// compression reads a mode, alone or in a block.
func (b *block) compression(o *node.ClusterOptions) {
	v := b.take("compression")
	if v == nil {
		return
	}
	if _, ok := v.data.([]entry); ok {
		c := b.block(v, "cluster.compression")
		c.unsupported("thresholds, it measures what compression gains", "rtt_thresholds", "thresholds", "rtts", "rtt")
		v = c.take("mode")
		c.done()
		if v == nil {
			return
		}
	}
	switch mode := v.data.(type) {
	case bool:
		o.Compression = node.CompressionOff
		if mode {
			o.Compression = node.CompressionFast
		}
	case string:
		mode = strings.ToLower(mode)
		switch mode {
		case "on", "enabled", "true":
			mode = node.CompressionFast
		case "disabled", "false":
			mode = node.CompressionOff
		case "auto":
			mode = node.CompressionAuto
		case "fast", "better", "best":
			mode = "s2_" + mode
		}
		o.Compression = mode
	default:
		b.wrong(v, "compression", "a mode, such as s2_auto")
	}
}

// clusterAuthorization reads what other servers have to give.
func (b *block) clusterAuthorization(s *Settings) {
	v := b.take("authorization")
	if v == nil {
		return
	}
	o := &s.Node.Cluster
	a := b.block(v, "cluster.authorization")
	a.text(&o.User, "user", "username")
	a.secret(&o.Password, "password", "pass")
	a.duration(&o.AuthTimeout, true, "timeout")
	a.unsupported("tokens for other servers, use user and password", "token")
	a.unsupported("several users for other servers, use user and password", "users")
	if a.has("permissions", "default_permissions", "default_permission") {
		b.warnf(v.at, "cluster.authorization: permissions belong into cluster.permissions, which count more")
		inner := *o
		if a.routePermissions(&inner, "permissions", "default_permissions", "default_permission"); o.Permissions == nil {
			o.Permissions = inner.Permissions
		}
	}
	a.unsupported("callouts", "auth_callout", "auth_hook")
	a.unsupported("proxies that it trusts", "proxy_required")
	a.done()
	named := o.User != "" && s.ClusterTLS != nil && s.ClusterTLS.VerifyAndMap // by certificates, which need no password
	if (o.User == "") == a.has("password", "pass") && !named {
		a.errorf(v.at, "cluster.authorization: needs both a user and a password, or neither")
	}
}

// routePermissions reads what servers tell each other of, by import and export.
func (b *block) routePermissions(o *node.ClusterOptions, names ...string) {
	p := b.permissions(names...)
	switch {
	case p == nil:
	case p.Responses != nil:
		b.fail(b.settings.keys[b.path+names[0]], names[0], "allow_responses makes no sense between servers")
	default:
		o.Permissions = &node.RoutePermissions{Import: p.Publish, Export: p.Subscribe}
	}
}

// longTimeout is what a time that somebody has to wait for hardly exceeds by intention.
const longTimeout = time.Minute
