package auth

import (
	"cmp"
	"crypto/x509"
)

// Credentials are what a client presents when it connects. A field that the client left out is
// empty.
type Credentials struct {
	User     string
	Password string
	Token    string
	// NKey is a public key, and Signature that of Nonce with its private one, in base64.
	NKey      string
	Signature string
	// Nonce is what the server has given the client to sign.
	Nonce string
	// Certificate is the one that the client has proved over TLS to own, nil if there is none.
	Certificate *x509.Certificate
	// ConnectionType is how the client has come, STANDARD if it is empty.
	ConnectionType string
	// Suspect reports whether so many of the same address are being refused that it is likely to guess, see
	// [Failures.Suspects]. Then a hash takes its time, and others do not wait for it. Nobody is suspect if it is nil.
	Suspect func() bool
}

func (c Credentials) isSuspect() bool { return c.Suspect != nil && c.Suspect() }

// Empty reports whether the client has presented nothing.
func (c Credentials) Empty() bool {
	return c.User == "" && c.Password == "" && c.Token == "" && c.NKey == "" && c.Signature == ""
}

// Identity is who a client turned out to be.
type Identity struct {
	// User is the name of the user, as it may be shown; it is empty for the holder of a token.
	User string
	// Account is the name of the account the client works in; empty is the global one.
	Account string
	// Rules are what the client may do; nil is everything.
	Rules *Rules
	// proof is the configured user with the secret, by which it is found again after a change.
	proof *User
	// connection is the kind of connection by which the client has come.
	connection string
	// proven is false for a client that has presented nothing, mapped true for one that has a
	// certificate which names the user.
	proven, mapped bool
}

// standardConnection is what a connection is about which nothing else is said.
const standardConnection = "STANDARD"

func connectionOf(c Credentials) string { return cmp.Or(c.ConnectionType, standardConnection) }
