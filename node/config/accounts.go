package config

import (
	"math"
	"strconv"
	"strings"

	"shoal/node"
)

const most = math.MaxInt32

// accounts reads the accounts, by name or with what they have.
func (b *block) accounts(s *Settings) {
	v := b.take("accounts")
	if v == nil {
		return
	}
	o := &s.Node
	switch accounts := v.data.(type) {
	case []value:
		for _, name := range b.textsOf(v, "accounts") {
			b.addAccount(o, v.at, node.AccountOptions{Name: name})
		}
	case []entry:
		for _, e := range accounts {
			if e.variable {
				continue
			}
			b.settings.keys["accounts."+e.key] = e.at
			b.addAccount(o, e.at, b.block(&e.value, "accounts."+e.key).account(s, e.key))
		}
	default:
		b.wrong(v, "accounts", "a block, or a list of names")
	}
}

func (b *block) addAccount(o *node.Options, at Position, a node.AccountOptions) {
	if a.Name == node.GlobalAccount {
		b.errorf(at, "accounts: %q is the account of who has none, and needs no entry", a.Name)
		return
	}
	for _, other := range o.Accounts {
		if other.Name == a.Name {
			b.errorf(at, "accounts: %q is there twice", a.Name)
			return
		}
	}
	o.Accounts = append(o.Accounts, a)
}

func (b *block) account(s *Settings, name string) node.AccountOptions {
	a := node.AccountOptions{Name: name}
	b.users(s, name, b.permissions("default_permissions"))
	if v := b.take("exports"); v != nil {
		for _, e := range b.blocks(v, "exports") {
			a.Exports = append(a.Exports, e.export())
		}
	}
	if v := b.take("imports"); v != nil {
		for _, im := range b.blocks(v, "imports") {
			a.Imports = append(a.Imports, im.imports())
		}
	}
	if v := b.take("mappings", "maps"); v != nil {
		a.Mappings = b.mappingsOf(v)
	}
	if v := b.take("limits"); v != nil {
		l := b.block(v, b.shownPath()+"limits")
		l.limit(&a.Limits.MaxConnections, "max_connections", "max_conn")
		l.limit(&a.Limits.MaxSubscriptions, "max_subscriptions", "max_subs")
		l.limit(&a.Limits.MaxPayload, "max_payload", "max_pay")
		l.needless("shoal has no leaf nodes", "max_leafnodes", "max_leafs")
		l.done()
	}
	b.unsupported("JetStream", "jetstream")
	if v := b.take("msg_trace", "trace_dest"); v != nil {
		b.trace(&a, v)
	}
	b.needless("only JWTs have a use for it", "nkey")
	b.done()
	return a
}

// trace reads what is told of messages that are traced by others.
func (b *block) trace(a *node.AccountOptions, v *value) {
	if _, ok := v.data.(string); ok {
		a.TraceDest, _ = b.textOf(v, "msg_trace")
		return
	}
	t := b.block(v, b.shownPath()+"msg_trace")
	t.text(&a.TraceDest, "dest")
	if v := t.take("sampling"); v != nil {
		if a.TraceSampling = t.percentage(v, "sampling", 1); a.TraceDest == "" {
			t.warnf(v.at, "%ssampling: changes nothing, there is no dest", t.shownPath())
		}
	}
	t.done()
}

// percentage reads a whole number, from least to 100, with or without a sign.
func (b *block) percentage(v *value, name string, least int64) int {
	percent := int64(-1)
	switch p := v.data.(type) {
	case int64:
		percent = p
	case string:
		if n, err := strconv.ParseInt(strings.TrimSuffix(p, "%"), 10, 32); err == nil {
			percent = n
		}
	}
	if percent < least || percent > 100 {
		b.fail(v.at, name, "has to be a percentage, from %d to 100", least)
		return 0
	}
	return int(percent)
}

// kind reads which subject a stream or a service is about.
func (b *block) kind() (service bool, subject *value) {
	stream, subject := b.take("stream"), b.take("service")
	switch {
	case stream != nil && subject != nil:
		b.errorf(b.at, "%s has both a stream and a service, make it two", b.shownPath()[:len(b.shownPath())-1])
	case stream == nil && subject == nil:
		b.errorf(b.at, "%s needs a stream or a service", b.shownPath()[:len(b.shownPath())-1])
	}
	if stream != nil {
		return false, stream
	}
	return true, subject
}

func (b *block) export() (e node.Export) {
	service, subject := b.kind()
	e.Service = service
	if subject != nil {
		e.Subject, _ = b.textOf(subject, "subject")
	}
	if accounts, ok := b.texts("accounts"); ok {
		e.Accounts = accounts
	}
	b.number(&e.TokenPosition, 0, math.MaxUint8, "account_token_position")
	if !service {
		for _, key := range []string{"response", "response_type", "threshold", "response_threshold", "response_max_time", "response_time", "latency"} {
			if b.has(key) {
				b.errorf(b.at, "%s%s: is for services, a stream has no responses", b.shownPath(), key)
			}
		}
	}
	if v := b.take("response_type", "response"); v != nil {
		if text, ok := b.textOf(v, "response_type"); ok {
			switch strings.ToLower(text) {
			case "single", "singleton":
				e.Response = node.ResponseSingleton
			case "stream":
				e.Response = node.ResponseStream
			case "chunk", "chunked":
				e.Response = node.ResponseChunked
			default:
				b.fail(v.at, "response_type", "%q is not Singleton, Stream or Chunked", text)
			}
		}
	}
	b.duration(&e.ResponseThreshold, false, "response_threshold", "threshold", "response_max_time", "response_time")
	b.unsupported("tracking of latency", "latency")
	b.flag(&e.AllowTrace, "allow_trace")
	b.done()
	return e
}

func (b *block) imports() (im node.Import) {
	service, from := b.kind()
	im.Service = service
	if from != nil {
		f := b.block(from, b.shownPath()+"from")
		f.text(&im.Account, "account")
		f.text(&im.Subject, "subject")
		f.done()
		if im.Account == "" || im.Subject == "" {
			b.errorf(from.at, "%s: needs an account and a subject", strings.TrimSuffix(b.shownPath(), "."))
		}
	}
	b.text(&im.To, "to")
	var prefix string
	b.text(&prefix, "prefix")
	if prefix != "" {
		switch {
		case im.To != "":
			b.errorf(b.at, "%sprefix: cannot go with to, use either", b.shownPath())
		case service:
			b.errorf(b.at, "%sprefix: is for streams, use to for a service", b.shownPath())
		}
		im.To = strings.TrimSuffix(prefix, ".") + "." + im.Subject
	}
	b.unsupported("sharing of who asks", "share")
	b.flag(&im.AllowTrace, "allow_trace")
	b.done()
	return im
}

// mappings reads those of clients without an account.
func (b *block) mappings(o *node.Options) {
	if v := b.take("mappings", "maps"); v != nil {
		b.settings.keys["accounts."+node.GlobalAccount] = v.at // where errors look for it
		o.Accounts = append(o.Accounts, node.AccountOptions{Name: node.GlobalAccount, Mappings: b.mappingsOf(v)})
	}
}

// mappingsOf reads where subjects lead.
func (b *block) mappingsOf(v *value) (list []node.Mapping) {
	entries, ok := v.data.([]entry)
	if !ok {
		b.wrong(v, "mappings", "a block of subjects")
		return nil
	}
	for _, e := range entries {
		if e.variable {
			continue
		}
		m := node.Mapping{Subject: e.key}
		if to, ok := e.data.(string); ok {
			m.Destinations = []node.MappedTo{{Subject: to, Weight: 100}}
		} else {
			for _, d := range e.list() {
				m.Destinations = append(m.Destinations, b.block(&d, b.shownPath()+"mappings").destination())
			}
		}
		list = append(list, m)
	}
	return list
}

func (b *block) destination() (to node.MappedTo) {
	b.text(&to.Subject, "destination", "dest")
	b.text(&to.Cluster, "cluster")
	v := b.take("weight")
	b.done()
	if to.Subject == "" {
		b.errorf(b.at, "%sdestination: is missing", b.shownPath())
	}
	if v == nil {
		b.errorf(b.at, "%sweight: is missing, it is a percentage", b.shownPath())
		return to
	}
	to.Weight = b.percentage(v, "weight", 0)
	return to
}

// systemAccount reads which account is about the servers themselves.
func (b *block) systemAccount(o *node.Options) {
	v := b.take("system_account", "system")
	b.needless("the system account has no users unless it is given some", "no_system_account", "no_system", "no_sys_acc")
	if v == nil {
		return
	}
	name, ok := b.textOf(v, "system_account")
	if !ok {
		return
	}
	known := name == node.SystemAccount
	for _, a := range o.Accounts {
		known = known || a.Name == name
	}
	if !known {
		b.fail(v.at, "system_account", "there is no account %q", name)
	}
	o.SystemAccount = name
}
