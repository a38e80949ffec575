package node

import (
	"fmt"
	"log/slog"
	"time"

	"shoal/node/auth"
	"shoal/wire"
)

// nonceBytes is the size of what clients sign, before it is made text.
const nonceBytes = 11

// begins has a new client be counted, and be asked to sign something if it may have to.
func (c *client) begins() {
	c.home.Load().clients.Add(1)
	if a := c.authenticator(c.node.options()); a != nil && a.Challenges() {
		c.nonce = randomText(nonceBytes)
	}
}

// presume has a client that has done nothing be who it is without credentials. The caller holds changing of
// the accounts.
func (c *client) presume(opts *Options) {
	authenticator := c.authenticator(opts)
	c.admitted = authenticator == nil
	if !c.admitted {
		if id := authenticator.Anonymous(c.connectionType()); id != nil {
			c.admitted = c.become(id) == nil
			return
		}
	}
	c.identity.Store(nil)
	c.obey(nil)
	c.home.Load().clients.Add(-1)
	c.home.Store(c.node.accounts.global)
	c.home.Load().clients.Add(1)
}

// presumeAgain is presume for options that have changed since. The caller holds changing of the accounts.
func (c *client) presumeAgain(opts *Options) {
	was := c.admitted
	c.presume(opts)
	if c.begun.Load() && c.admitted != was {
		c.limitLogin(opts)
	}
}

// limitLogin has the client end unless it logs in in time, if it has to. The caller holds changing of the
// accounts.
func (c *client) limitLogin(opts *Options) {
	timeout := opts.AuthTimeout
	if c.web != nil {
		timeout = opts.WebSocket.AuthTimeout
	}
	var end time.Time
	if !c.admitted {
		end = time.Now().Add(timeout)
	}
	c.node.alarms.set(&c.login, end)
}

// authenticator returns who decides about the client by those options, nil if it is let in.
func (c *client) authenticator(o *Options) Authenticator {
	if c.web != nil && o.WebSocket.Authenticator != nil {
		return o.WebSocket.Authenticator
	}
	return o.Authenticator
}

// connectionType returns what [auth.User] calls the way by which the client has come.
func (c *client) connectionType() string {
	if c.web != nil {
		return tokenWebSocket
	}
	return standardConnection
}

// logIn has the client become who its credentials say it is.
func (c *client) logIn(w *work) error {
	home := c.home.Load()
	for done := false; !done; {
		opts := c.node.options()
		id, err := c.identify(opts)
		if err != nil {
			return err
		}
		if done, err = c.becomeBy(opts, id); err != nil {
			return err
		}
	}
	if c.home.Load() != home {
		c.node.interest.announce(&c.node.buffers)
	}
	w.cache.forget()
	w.cache.enter(c.home.Load())
	w.parser.MaxPayload = c.maxPayload()
	c.node.alarms.cancel(&c.login)
	return nil
}

// becomeBy has the client be who it is by those options, nil if it is nobody. It reports whether they still
// hold, or it has to log in again.
func (c *client) becomeBy(opts *Options, id *auth.Identity) (done bool, err error) {
	changing := &c.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	switch {
	case c.node.options() != opts:
		return false, nil
	case id != nil:
		err = c.become(id)
	case c.presumed:
		c.presume(opts)
	}
	if err == nil {
		c.admitted, c.presumed = true, false
	}
	return true, err
}

// identify returns who the client is by its credentials, nil if everybody is let in, or how it ends.
func (c *client) identify(opts *Options) (*auth.Identity, error) {
	o := &c.options
	authenticator := c.authenticator(opts)
	if authenticator == nil {
		return nil, nil
	}
	credentials := auth.Credentials{
		User:      o.User,
		Password:  o.Pass,
		Token:     o.Token,
		NKey:      o.NKey,
		Signature: o.Sig,
		Nonce:     c.nonce,

		Certificate:    c.certificate(),
		ConnectionType: c.connectionType(),

		Suspect: func() bool { return c.node.failures.Suspects(c.ip(), time.Now()) },
	}
	if c.web != nil {
		c.web.complete(&credentials)
	}
	return c.authenticate(authenticator, credentials)
}

// authenticate returns who the credentials belong to, or how the connection ends. Its address pays for
// what is refused.
func (c *client) authenticate(a Authenticator, credentials auth.Credentials) (*auth.Identity, error) {
	var id *auth.Identity
	hold, err := c.node.failures.Try(c.ip(), a.Expensive(credentials), func() (err error) {
		id, err = a.Authenticate(credentials)
		return err
	})
	if err != nil {
		return nil, refusedLogin(err, hold)
	}
	return id, nil
}

// become has the client work in the account of a user, by the rules for that one. The caller holds changing
// of the accounts, and tells the peers what interest that has ended.
func (c *client) become(id *auth.Identity) error {
	name := id.Account
	setDefault(&name, GlobalAccount)
	a := c.node.accounts.get(name)
	if a == nil || !a.configured.Load() {
		return &ending{
			reason: reasonAuthFailure,
			text:   wire.TextAuthorization,
			err:    fmt.Errorf("user %q is of account %q, which there is not", id.User, name),
		}
	}
	if old := c.home.Load(); old != a {
		if n := a.clients.Add(1); a.terms.Load().limits.excludes(n) {
			a.clients.Add(-1)
			return tooManyOfAccount
		}
		old.clients.Add(-1)
		c.takeOutAll()
		c.node.clients.moves(c, a)
	}
	c.identity.Store(id)
	c.obey(id.Rules)
	return nil
}

// judge has a client be who it is for other options, and reports whether it may stay. The caller
// holds changing of the accounts for writing.
func (c *client) judge(after *Options) (stays bool) {
	now := c.authenticator(after)
	id, home := c.identity.Load(), c.home.Load()
	switch {
	case c.presumed:
		c.presumeAgain(after)
	case id == nil && now != nil:
		everybody := now.Renew(nil)
		if everybody == nil {
			c.end(&ending{reason: reasonCredentialsRevoked})
			return false
		}
		c.identity.Store(everybody)
	case id != nil && now == nil && home == c.node.accounts.global:
		c.identity.Store(nil)
		c.obey(nil)
	case id != nil:
		var renewed *auth.Identity
		if now != nil {
			renewed = now.Renew(id)
		}
		if renewed == nil || !home.configured.Load() {
			c.end(&ending{reason: reasonCredentialsRevoked})
			return false
		}
		c.identity.Store(renewed)
		c.renewRules(renewed.Rules)
	}
	return true
}

// renewRules has the client obey rules that may be those that it obeys already.
func (c *client) renewRules(rules *auth.Rules) {
	before, owes := c.rules.Load(), c.owes.Load()
	c.obey(rules)
	if owes != nil && rules != nil && rules.Responses() != nil && *rules.Responses() == *before.Responses() {
		c.owes.Store(owes) // what the client was asked it may still answer
	}
}

// keep reports whether the client may keep a subscription, with what it may receive by it. Otherwise the
// subscription ends, and the client is told.
func (c *client) keep(s *subscription) bool {
	if c.maySubscribe(s.subject, s.queue) {
		s.filterBy(c.rules.Load())
		return true
	}
	if c.subs.remove(s) {
		s.takeOut()
		text := refusedSubscription(s.subject, s.queue) + fmt.Sprintf(" (sid %q)", s.sid)
		c.log(slog.LevelError, text)
		c.sendLine(wire.AppendErr(nil, text))
	}
	return false
}

// obey has the client keep to rules, nil if it may do everything.
func (c *client) obey(rules *auth.Rules) {
	c.rules.Store(rules)
	c.owes.Store(nil)
	if rules != nil {
		if rule := rules.Responses(); rule != nil {
			c.owes.Store(auth.NewResponses(*rule))
		}
	}
}

// tooManyOfAccount is how clients end that are more than their account may have.
var tooManyOfAccount = &ending{reason: reasonMaxAccountConnections, text: wire.TextMaxAccountConnections}

// excludes reports whether n clients are too many.
func (l *AccountLimits) excludes(n int64) bool {
	return l.MaxConnections > 0 && n > int64(l.MaxConnections)
}

// isFull reports whether the client may have no more subscriptions.
func (c *client) isFull() bool {
	n := c.subs.len()
	for _, limit := range [...]int{c.node.options().MaxSubscriptions, c.home.Load().terms.Load().limits.MaxSubscriptions} {
		if limit > 0 && n >= limit {
			return true
		}
	}
	return false
}

// maySubscribe reports whether the client has the permission to subscribe.
func (c *client) maySubscribe(subject, queue string) bool {
	rules := c.rules.Load()
	return rules == nil || rules.MaySubscribe(subject, queue)
}

// refusedSubscription is what a client is told that may not subscribe.
func refusedSubscription(subject, queue string) string {
	text := fmt.Sprintf("%s%q", wire.TextPermissionSubscribe, subject)
	if queue != "" {
		text += fmt.Sprintf(" using queue %q", queue)
	}
	return text
}
