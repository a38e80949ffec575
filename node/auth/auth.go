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
	passwordOK := matches(s.Password, c.Password, c.isSuspect)
	if !userOK || !passwordOK {
		return ErrDenied
	}
	return nil
}

// matches compares a configured secret, in clear or hashed, with one that is presented, perhaps by a suspect.
func matches(configured, presented string, suspect func() bool) bool {
	switch {
	case IsHash(configured) && suspect():
		return isHashOf(configured, presented, suspectPiece)
	case IsHash(configured):
		return isHashOf(configured, presented, hashPiece)
	}
	return equal(configured, presented)
}
