// Package auth decides who may connect, and what a client may do. It knows neither sockets nor the
// protocol: it compares what a client presents with what the operator configured.
package auth

// Simple admits one user with a password, which may be a bcrypt hash.
type Simple struct {
	User     string
	Password string
}

// Authenticate returns nil for the credentials of the user, else [ErrDenied].
func (s Simple) Authenticate(c Credentials) error {
	// Both comparisons always run: a wrong user must take as long as a wrong password.
	userOK := equal(s.User, c.User)
	passwordOK := matches(s.Password, c.Password)
	if !userOK || !passwordOK {
		return ErrDenied
	}
	return nil
}

// matches compares a configured secret, in clear or hashed, with a presented one.
func matches(configured, presented string) bool {
	if IsHash(configured) {
		return isHashOf(configured, presented)
	}
	return equal(configured, presented)
}
