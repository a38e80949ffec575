package auth

// Users decide who may connect. They are safe for concurrent use and never change.
type Users struct {
	simple Simple
}

// New returns the users of a configuration, or the first thing in it that makes no sense.
func New(c Config) (*Users, error) {
	u := &Users{simple: Simple{User: c.User, Password: c.Password, Token: c.Token}}
	return u, u.simple.Validate()
}

// Authenticate returns who has presented the credentials, or [ErrDenied].
func (u *Users) Authenticate(c Credentials) (*Identity, error) {
	name, err := u.simple.Authenticate(c)
	if err != nil {
		return nil, err
	}
	return &Identity{User: name}, nil
}

// Anonymous returns who a client is that presents nothing, or nil if it has to.
func (u *Users) Anonymous() *Identity { return nil }

// Challenges reports whether there are users who sign a nonce.
func (u *Users) Challenges() bool { return false }

// Renew returns the identity that a client has now which got id from an earlier configuration, or
// nil if its credentials would not be accepted any more.
func (u *Users) Renew(id *Identity) *Identity { return nil }
