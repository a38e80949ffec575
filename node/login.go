package node

import (
	"fmt"

	"shoal/node/auth"
	"shoal/wire"
)

// nonceBytes is the size of what clients sign, before it is made text.
const nonceBytes = 11

// begins has a new client be who it is without credentials.
func (c *client) begins() {
	c.home.Load().clients.Add(1)
	a := c.node.opts.Authenticator
	if a == nil {
		c.admitted = true
		return
	}
	if a.Challenges() {
		c.nonce = randomText(nonceBytes)
	}
	if id := a.Anonymous(); id != nil {
		c.admitted = c.become(id) == nil
	}
}

// become has the client work in the account of a user, by the rules for that one.
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
			return &ending{reason: reasonMaxAccountConnections, text: wire.TextMaxAccountConnections}
		}
		old.clients.Add(-1)
		c.unsubscribeAll()
		c.home.Store(a)
	}
	c.identity = id
	c.rules.Store(id.Rules)
	c.owes.Store(nil)
	if id.Rules != nil {
		if rule := id.Rules.Responses(); rule != nil {
			c.owes.Store(auth.NewResponses(*rule))
		}
	}
	return nil
}

// excludes reports whether n clients are too many.
func (l *AccountLimits) excludes(n int64) bool {
	return l.MaxConnections > 0 && n > int64(l.MaxConnections)
}

// isFull reports whether the account may have no more subscriptions.
func (a *account) isFull() bool {
	limit := a.terms.Load().limits.MaxSubscriptions
	return limit > 0 && a.subscriptions.Load() >= int64(limit)
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
