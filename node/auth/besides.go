package auth

// Besides decide about a few users, and leave everybody else as they would be without these. They are
// safe for concurrent use.
type Besides struct {
	few, rest *Users
	anybody   *User // whom everybody else becomes if there is no rest
}

// NewBesides returns what admits the users of few, who have names, and everybody else as rest does. If that
// is nil, everybody else is admitted to the global account whatever they present.
func NewBesides(few, rest *Users) *Besides {
	return &Besides{few: few, rest: rest, anybody: &User{}}
}

// Has reports whether a name is that of a user who is decided about by name.
func (u *Users) Has(name string) bool {
	return u.names[name] != nil || u.sole != nil && u.sole.user.Name == name
}

// Authenticate returns who has presented the credentials, see [Users.Authenticate].
func (b *Besides) Authenticate(c Credentials) (*Identity, error) {
	switch {
	case c.User != "" && b.few.Has(c.User):
		return b.few.Authenticate(c)
	case b.rest != nil:
		return b.rest.Authenticate(c)
	}
	return b.stranger(), nil
}

// stranger is who everybody is if nobody else decides.
func (b *Besides) stranger() *Identity { return &Identity{proof: b.anybody} }

// Anonymous returns who a client is that presents nothing, see [Users.Anonymous].
func (b *Besides) Anonymous(connection string) *Identity {
	if b.rest != nil {
		return b.rest.Anonymous(connection)
	}
	return b.stranger()
}

// Challenges reports whether there are users who sign a nonce.
func (b *Besides) Challenges() bool { return b.rest != nil && b.rest.Challenges() }

// Expensive reports whether it takes the time of a bcrypt hash to answer, see [Users.Expensive].
func (b *Besides) Expensive(c Credentials) bool {
	switch {
	case c.User != "" && b.few.Has(c.User):
		return b.few.Expensive(c)
	case b.rest != nil:
		return b.rest.Expensive(c)
	}
	return false
}

// Renew returns the identity that a client has now which got id from an earlier configuration, see
// [Users.Renew]. id is nil for a client that everybody was let in with.
func (b *Besides) Renew(id *Identity) *Identity {
	switch {
	case id != nil && id.proof != nil && id.proof.Name != "" && b.few.Has(id.proof.Name):
		return b.few.Renew(id)
	case b.rest != nil:
		return b.rest.Renew(id)
	case id == nil || id.proof == nil || id.proof.Name == "" && id.proof.NKey == "" && id.proof.Password == "":
		return b.stranger()
	}
	return nil
}

// Inherit is [Users.Inherit].
func (b *Besides) Inherit(from *Besides) {
	b.few.Inherit(from.few)
	if b.rest != nil && from.rest != nil {
		b.rest.Inherit(from.rest)
	}
}
