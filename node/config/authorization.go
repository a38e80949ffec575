package config

import (
	"slices"
	"time"

	"shoal/node/auth"
)

// secret stores a password or a token, which no error may show.
func (b *block) secret(to *string, names ...string) {
	v := b.take(names...)
	if v == nil {
		return
	}
	text, ok := b.textOf(v, names[0])
	if !ok {
		return
	}
	if text == "" {
		b.fail(v.at, names[0], "is empty")
	}
	if err := auth.CheckSecret(text); err != nil {
		b.fail(v.at, names[0], "%v", err)
	}
	*to = text
}

// credentials reads what everybody has to give.
func (b *block) credentials(user, password, token *string) {
	b.text(user, "user", "username")
	b.secret(password, "password", "pass")
	b.secret(token, "token")
}

// authorization reads who may connect.
func (b *block) authorization(s *Settings) {
	v := b.take("authorization")
	if v == nil {
		return
	}
	a := b.block(v, "authorization")
	c := &s.Auth
	a.credentials(&c.User, &c.Password, &c.Token)
	a.authTimeout(&s.Node.AuthTimeout)
	permissions := a.permissions("default_permissions", "default_permission", "permissions")
	if c.User != "" || c.Token != "" {
		c.Permissions = permissions
	}
	a.users(s, "", permissions)
	a.unsupported("callouts", "auth_callout", "auth_hook")
	a.unsupported("proxies that it trusts", "proxy_required")
	a.done()
	if (c.User == "") == a.has("password", "pass") {
		a.errorf(v.at, "authorization: needs both a user and a password, or neither")
	}
}

func (b *block) authTimeout(to *time.Duration) {
	b.duration(to, true, "timeout")
	if *to > longTimeout {
		b.warnf(b.settings.keys[b.path+"timeout"], "%stimeout: %v is long; 1m without quotes is a million seconds, for one", b.path, *to)
	}
}

// users reads a list of users of an account.
func (b *block) users(s *Settings, account string, defaults *auth.Permissions) {
	v := b.take("users")
	if v == nil {
		return
	}
	users := b.blocks(v, "users")
	if list, ok := v.data.([]value); ok && len(list) == 0 && account == "" {
		b.fail(v.at, "users", "is an empty list, leave it out to admit everybody")
	}
	for _, u := range users {
		before := len(b.errors)
		user := u.user(account)
		if user.Permissions == nil {
			user.Permissions = defaults
		}
		name := user.Name
		if user.NKey != "" {
			name = user.NKey
		}
		if first, ok := b.loader.users[name]; ok && name != "" {
			b.errorf(u.at, "user %q is there twice, first at %s", name, first)
			continue
		}
		b.loader.users[name] = u.at
		if len(b.errors) > before {
			continue // what is wrong has been told
		}
		if err := (auth.Config{Users: []auth.User{user}}).Validate(); err != nil && name != "" {
			b.errorf(u.at, "%v", err)
		} else if err != nil {
			b.errorf(u.at, "%susers: one has neither a user nor an nkey", b.shownPath())
		}
		s.Auth.Users = append(s.Auth.Users, user)
	}
}

func (b *block) user(account string) auth.User {
	u := auth.User{Account: account}
	b.text(&u.Name, "user", "username")
	b.secret(&u.Password, "password", "pass")
	b.text(&u.NKey, "nkey")
	b.unsupported("proxies that it trusts", "proxy_required")
	u.ConnectionTypes, _ = b.texts("allowed_connection_types", "connection_types", "clients")
	u.Permissions = b.permissions("permissions", "permission", "authorization")
	b.done()
	return u
}

// permissions reads what somebody may do, nil if it is not there.
func (b *block) permissions(names ...string) *auth.Permissions {
	v := b.take(names...)
	if v == nil {
		return nil
	}
	p := &auth.Permissions{}
	c := b.block(v, b.shownPath()+names[0])
	p.Publish = c.rules("publish", "pub", "import")
	p.Subscribe = c.rules("subscribe", "sub", "export")
	p.Responses = c.responses()
	c.done()
	if p.Responses != nil && p.Publish.Allow == nil {
		p.Publish.Allow = []string{} // who may only answer may publish nothing else
	}
	return p
}

// rules reads subjects, which are allowed, or a block with what is allowed and denied.
func (b *block) rules(names ...string) (r auth.SubjectRules) {
	at := slices.IndexFunc(names, func(name string) bool { return b.has(name) })
	v := b.take(names...)
	if v == nil {
		return r
	}
	name := names[at] // users and clusters have other names for it
	if _, ok := v.data.([]entry); !ok {
		r.Allow = b.subjects(v, name)
		return r
	}
	c := b.block(v, b.shownPath()+name)
	if allow := c.take("allow"); allow != nil {
		r.Allow = c.subjects(allow, "allow")
	}
	if deny := c.take("deny"); deny != nil {
		r.Deny = c.textsOf(deny, "deny")
	}
	c.done()
	return r
}

func (b *block) subjects(v *value, name string) []string {
	list := b.textsOf(v, name)
	if all, ok := v.data.([]value); ok && len(all) == 0 {
		b.fail(v.at, name, "is an empty list; leave it out to allow everything, or deny %q to allow nothing", ">")
	}
	return list
}

// responses reads what somebody may answer.
func (b *block) responses() *auth.ResponseRule {
	v := b.take("allow_responses", "publish_allow_responses")
	if v == nil {
		return nil
	}
	if on, ok := v.data.(bool); ok {
		if on {
			return &auth.ResponseRule{}
		}
		return nil
	}
	r := &auth.ResponseRule{}
	c := b.block(v, b.shownPath()+"allow_responses")
	c.number(&r.Max, -most, most, "max", "max_msgs", "max_messages", "max_responses")
	if r.Max < 0 {
		r.Max = -1
	}
	if e := c.take("expires", "expiration", "ttl"); e != nil {
		r.Expires, _ = c.durationOf(e, false, "expires")
	}
	c.done()
	return r
}
