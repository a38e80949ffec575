package auth

import (
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
)

// Users decide who may connect. They are safe for concurrent use and never change, but for what they
// remember of passwords.
type Users struct {
	// sole is the only one there is, with a name or a token; otherwise there are names and keys.
	sole    *account
	token   bool
	names   map[string]*account
	keys    map[string]*account
	nobody  *account // whom a client becomes that presents nothing
	mapping bool     // certificates name the users

	// distinguished are the users whose names may be the subject of a certificate, in their order.
	distinguished []*account

	passwords *passwords
}

// account is a user with what New made of it.
type account struct {
	user  *User
	rules *Rules
	name  distinguishedName
}

// comesBy reports whether the user may come by connections of a kind.
func (a *account) comesBy(connection string) bool {
	return len(a.user.ConnectionTypes) == 0 || slices.ContainsFunc(a.user.ConnectionTypes, func(t string) bool {
		return strings.EqualFold(t, connection)
	})
}

// New returns the users of a configuration, or the first thing in it that makes no sense. The
// configuration must not be changed afterwards.
func New(c Config) (*Users, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	u := &Users{
		names:   make(map[string]*account),
		keys:    make(map[string]*account),
		mapping: c.MapCertificates,
	}
	general := NewRules(c.Permissions)
	var secrets []string
	if len(c.Users) == 0 {
		u.token = c.Token != ""
		u.sole = &account{user: &User{Name: c.User, Password: cmp.Or(c.Token, c.Password)}, rules: general}
		secrets = append(secrets, u.sole.user.Password)
	}
	for i := range c.Users {
		user := &c.Users[i]
		a := &account{user: user, rules: general}
		if user.Permissions != nil {
			a.rules = NewRules(user.Permissions)
		}
		if user.NKey != "" {
			u.keys[user.NKey] = a
			continue
		}
		u.names[user.Name] = a
		secrets = append(secrets, user.Password)
		if name, ok := parseName(user.Name); ok && c.MapCertificates {
			a.name = name
			u.distinguished = append(u.distinguished, a)
		}
	}
	if c.NoAuthUser != "" {
		u.nobody = cmp.Or(u.keys[c.NoAuthUser], u.names[c.NoAuthUser])
	}
	u.passwords = newPasswords(secrets)
	return u, nil
}

// Authenticate returns who has presented the credentials, or an error that is [ErrDenied], whatever
// was wrong with them, or [ErrBusy].
//
// An nkey goes before everything else. With certificates that name the users nobody else is one, and
// a user who has a password needs that as well.
func (u *Users) Authenticate(c Credentials) (*Identity, error) {
	connection := connectionOf(c)
	if u.sole != nil {
		return u.authenticateSole(c, connection)
	}
	if len(u.keys) == 0 {
		c.NKey = ""
	}
	if c.NKey == "" {
		c.Signature = "" // says nothing without the key
	}
	if a := u.nobody; a != nil && c.Empty() && u.lets(a) {
		if !a.comesBy(connection) {
			return nil, ErrDenied
		}
		return u.identity(a, connection, false), nil
	}
	if c.NKey != "" {
		a := u.keys[c.NKey]
		switch {
		case a == nil || !a.comesBy(connection):
			return nil, ErrDenied
		case a != u.nobody && !signed(c):
			return nil, ErrDenied
		}
		return u.identity(a, connection, a != u.nobody), nil
	}
	name := c.User
	a := u.names[name]
	if u.mapping {
		a = nil
		if c.Certificate != nil {
			a = u.certificateUser(c.Certificate, connection)
		}
		if a == nil {
			return nil, ErrDenied
		}
		name = a.user.Name
	}
	if err := u.passwords.verify(name, secretOf(a), c.Password, c.isSuspect); err != nil {
		return nil, err
	}
	if a == nil || !a.comesBy(connection) {
		return nil, ErrDenied
	}
	return u.identity(a, connection, true), nil
}

func (u *Users) authenticateSole(c Credentials, connection string) (*Identity, error) {
	name, presented := c.User, c.Password
	if u.token {
		name, presented = "", c.Token
	}
	err := u.passwords.verify(name, &u.sole.user.Password, presented, c.isSuspect)
	switch {
	case err != nil:
		return nil, err
	case !u.token && !equal(u.sole.user.Name, c.User):
		return nil, ErrDenied
	}
	return u.identity(u.sole, connection, true), nil
}

// secretOf returns the password of a user, nil if there is no such user.
func secretOf(a *account) *string {
	if a == nil {
		return nil
	}
	return &a.user.Password
}

// Expensive reports whether it takes the time of a bcrypt hash to answer the credentials, as it does
// unless the same ones were presented before, or are being compared. Only for these [Failures.Allow] has to be asked.
func (u *Users) Expensive(c Credentials) bool {
	switch {
	case u.sole != nil && u.token:
		return u.passwords.expensive("", &u.sole.user.Password, c.Token)
	case u.sole != nil:
		return u.passwords.expensive(c.User, &u.sole.user.Password, c.Password)
	case c.NKey != "" && len(u.keys) > 0:
		return false
	case u.nobody != nil && c.Empty():
		return false
	case u.mapping && c.Certificate == nil:
		return false
	case u.mapping:
		a := u.certificateUser(c.Certificate, connectionOf(c))
		return a != nil && u.passwords.expensive(a.user.Name, &a.user.Password, c.Password)
	}
	return u.passwords.expensive(c.User, secretOf(u.names[c.User]), c.Password)
}

// lets reports whether the user of those who present nothing may be become. Where certificates name
// the users, a name that needs none would be a way around them.
func (u *Users) lets(a *account) bool { return !u.mapping || a.user.NKey != "" }

func (u *Users) identity(a *account, connection string, proven bool) *Identity {
	return &Identity{
		User:       cmp.Or(a.user.NKey, a.user.Name),
		Account:    a.user.Account,
		Rules:      a.rules,
		proof:      a.user,
		connection: connection,
		proven:     proven,
		mapped:     proven && u.mapping && a.user.NKey == "",
	}
}

// Anonymous returns who a client is that has come by that type of connection and presents nothing, or nil
// if it has to.
func (u *Users) Anonymous(connection string) *Identity {
	if u.nobody == nil || !u.lets(u.nobody) || !u.nobody.comesBy(connection) {
		return nil
	}
	return u.identity(u.nobody, connection, false)
}

// Challenges reports whether there are users who sign a nonce.
func (u *Users) Challenges() bool { return len(u.keys) > 0 }

// Renew returns the identity that a client has now which got id from an earlier configuration, or
// nil if it has to log in again: its user or the secret is another, or works in another account.
func (u *Users) Renew(id *Identity) *Identity {
	if id == nil || id.proof == nil {
		return nil
	}
	old := id.proof
	a := u.sole
	if a == nil {
		a = cmp.Or(u.keys[old.NKey], u.names[old.Name])
	}
	if a == nil || a.user.Name != old.Name || a.user.NKey != old.NKey || a.user.Account != old.Account {
		return nil
	}
	if !a.comesBy(id.connection) {
		return nil
	}
	if !id.proven {
		if a != u.nobody || !u.lets(a) {
			return nil
		}
		return u.identity(a, id.connection, false)
	}
	if a.user.Password != old.Password || id.mapped != (u.mapping && a.user.NKey == "") {
		return nil
	}
	return u.identity(a, id.connection, true)
}

// Inherit has the users know which passwords earlier ones have found right or wrong, so that it costs those
// who come back no hash.
func (u *Users) Inherit(from *Users) { u.passwords.hashing.Store(from.passwords.hashing.Load()) }

// signed reports whether the nonce was signed with the key.
func signed(c Credentials) bool {
	signature, err := base64.RawURLEncoding.DecodeString(c.Signature)
	if err != nil {
		signature, err = base64.StdEncoding.DecodeString(c.Signature)
	}
	if err != nil || c.Nonce == "" {
		return false
	}
	key, err := nkeys.FromPublicKey(c.NKey)
	return err == nil && key.Verify([]byte(c.Nonce), signature) == nil
}

// ErrDenied is the answer to every wrong credential. It deliberately does not say which part was
// wrong, so that nobody can probe for user names.
var ErrDenied = errors.New("credentials were not accepted")

// ErrBusy is the answer while too many passwords wait to be compared with their hashes. It says
// nothing about the credentials: a client that is told that they are wrong might not come back, so it
// is better to end the connection without a word.
var ErrBusy = errors.New("too many logins wait for their passwords to be hashed")
