package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"
)

// connectionTypes are the kinds of connections that configurations name. Most of them nobody comes
// by here, but a configuration may be one for other servers as well.
var connectionTypes = []string{
	standardConnection, "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS",
}

// Validate returns the first thing in the configuration that makes no sense. It never names a secret.
func (c Config) Validate() error { return c.check() }

// check returns the first thing that makes no sense. It never names a secret.
func (c *Config) check() error {
	switch {
	case c.Token != "" && (c.User != "" || c.Password != ""):
		return errors.New("authorization: there is a token and a user with a password, only one of them can count")
	case len(c.Users) > 0 && c.Token != "":
		return errors.New("authorization: there is a token and a list of users, only one of them can count")
	case len(c.Users) > 0 && (c.User != "" || c.Password != ""):
		return errors.New("authorization: there is a single user and a list of users, move the user into the list")
	case len(c.Users) == 0 && c.NoAuthUser != "":
		return fmt.Errorf("no_auth_user: %q has to be one of a list of users, but there is none", c.NoAuthUser)
	case len(c.Users) == 0 && c.Token == "" && c.User == "":
		return errors.New("authorization: names neither a user nor a token, so nobody could connect")
	}
	if err := CheckSecret(c.Password); err != nil {
		return fmt.Errorf("password of user %q: %w", c.User, err)
	}
	if err := CheckSecret(c.Token); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if err := c.Permissions.check(); err != nil {
		return fmt.Errorf("default permissions: %w", err)
	}
	return c.checkUsers()
}

func (c *Config) checkUsers() error {
	known := make(map[string]bool)
	for i := range c.Users {
		u := &c.Users[i]
		name, kind := u.Name, "user"
		if u.NKey != "" {
			name, kind = u.NKey, "nkey"
		}
		switch {
		case name == "":
			return fmt.Errorf("users: number %d has neither a name nor an nkey", i+1)
		case u.NKey != "" && !nkeys.IsValidPublicUserKey(u.NKey):
			return fmt.Errorf("users: the nkey of number %d is not the public key of a user, which starts with U; "+
				"the one that starts with SU is secret and belongs to the client", i+1)
		case u.NKey != "" && (u.Name != "" || u.Password != ""):
			return fmt.Errorf("nkey %q: has a name or a password as well, but the key is all it needs", name)
		case known[name]:
			return fmt.Errorf("%s %q: is there twice", kind, name)
		}
		known[name] = true
		if err := u.check(); err != nil {
			return fmt.Errorf("%s %q: %w", kind, name, err)
		}
	}
	if c.NoAuthUser != "" && !known[c.NoAuthUser] {
		return fmt.Errorf("no_auth_user: there is no user %q", c.NoAuthUser)
	}
	return nil
}

func (u *User) check() error {
	if err := CheckSecret(u.Password); err != nil {
		return fmt.Errorf("password: %w", err)
	}
	for _, t := range u.ConnectionTypes {
		if !slices.Contains(connectionTypes, strings.ToUpper(t)) {
			return fmt.Errorf("allowed connection types: %q is none of %s", t, strings.Join(connectionTypes, ", "))
		}
	}
	if err := u.Permissions.check(); err != nil {
		return fmt.Errorf("permissions: %w", err)
	}
	return nil
}

func (p *Permissions) check() error {
	if p == nil {
		return nil
	}
	if err := p.Publish.check(false); err != nil {
		return fmt.Errorf("publish %w", err)
	}
	if err := p.Subscribe.check(true); err != nil {
		return fmt.Errorf("subscribe %w", err)
	}
	return nil
}

// Check returns the first rule that is not just a subject.
func (s SubjectRules) Check() error { return s.check(false) }

// check returns the first rule that makes no sense. With queues, it may name a queue group as well.
func (s SubjectRules) check(queues bool) error {
	if err := checkRules(s.Allow, queues); err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	if err := checkRules(s.Deny, queues); err != nil {
		return fmt.Errorf("deny: %w", err)
	}
	return nil
}

// CheckSecret reports a secret that looks like a bcrypt hash but is not one: nobody could ever log in
// with it.
func CheckSecret(secret string) error {
	if !IsHash(secret) {
		return nil
	}
	// The length of a hash is fixed, and a comparison looks at nothing beyond.
	if _, err := bcrypt.Cost([]byte(secret)); err != nil || len(secret) != 60 {
		return errors.New("looks like a bcrypt hash but is damaged")
	}
	return nil
}
