// Package auth decides who may connect. It knows neither sockets nor the protocol: it compares what
// a client presents with what the operator configured.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// ErrDenied is the answer to every wrong credential. It deliberately does not say which part was
// wrong, so that nobody can probe for user names.
var ErrDenied = errors.New("credentials were not accepted")

// Simple admits one user with a password, or everybody who knows a token. Password and Token may
// be bcrypt hashes, which keeps the secret itself out of the operator's files.
//
// With a Token only the client's token counts; a user name does not help. The zero value admits
// clients that present an empty user and password, so leave the authenticator out altogether to
// run an open server.
type Simple struct {
	User     string
	Password string
	Token    string
}

// Validate reports a secret that looks like a bcrypt hash but is not one: nobody could ever log in
// with it.
func (s Simple) Validate() error {
	for _, secret := range []struct{ name, value string }{
		{"password", s.Password},
		{"token", s.Token},
	} {
		if !IsHash(secret.value) {
			continue
		}
		if _, err := bcrypt.Cost([]byte(secret.value)); err != nil {
			return fmt.Errorf("the %s looks like a bcrypt hash but is damaged", secret.name)
		}
	}
	return nil
}

// Authenticate returns the name of the user whose credentials these are, which is empty for the
// holder of a token, or [ErrDenied].
func (s Simple) Authenticate(c Credentials) (user string, err error) {
	if s.Token != "" {
		if !matches(s.Token, c.Token) {
			return "", ErrDenied
		}
		return "", nil
	}
	// Both comparisons always run: a wrong user must take as long as a wrong password.
	userOK := equal(s.User, c.User)
	passwordOK := matches(s.Password, c.Password)
	if !userOK || !passwordOK {
		return "", ErrDenied
	}
	return s.User, nil
}

// matches compares a configured secret, in clear or hashed, with a presented one.
func matches(configured, presented string) bool {
	if IsHash(configured) {
		return bcrypt.CompareHashAndPassword([]byte(configured), []byte(presented)) == nil
	}
	return equal(configured, presented)
}

// equal compares in constant time. The digests have one length, so not even the length leaks.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// IsHash reports whether a configured secret is a bcrypt hash. The variants differ in name only: 2a is the
// historic one, 2b the current one, 2y what PHP and Apache's htpasswd write.
func IsHash(secret string) bool {
	return strings.HasPrefix(secret, "$2a$") || strings.HasPrefix(secret, "$2b$") ||
		strings.HasPrefix(secret, "$2y$")
}
