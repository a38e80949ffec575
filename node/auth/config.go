package auth

import "time"

// Config says who may connect, as an operator configures it. It is plain data; [New] makes it into
// something that decides.
type Config struct {
	// User and Password, or Token, admit whoever presents them, as the only ones. Password and Token
	// may be bcrypt hashes.
	User, Password, Token string
	// Permissions are those of the holders of User or Token, and of users without permissions of
	// their own.
	Permissions *Permissions
	// Users are admitted each with credentials of their own.
	Users []User
	// NoAuthUser is the name of the user that a client becomes which presents no credentials.
	NoAuthUser string
	// MapCertificates admits a client as the user that its verified TLS certificate names.
	MapCertificates bool
}

// User is somebody who may connect.
type User struct {
	// Name and Password are the credentials, or Name alone if a certificate names the user.
	// Password may be a bcrypt hash.
	Name, Password string
	// NKey is the public key of a user who proves to have the private one, instead of Name and
	// Password.
	NKey string
	// Account is the name of the account that the user works in; empty is the global one.
	Account string
	// Permissions are what the user may do; nil is what [Config.Permissions] says.
	Permissions *Permissions
	// ConnectionTypes are the kinds of connections the user may come by, such as STANDARD or
	// WEBSOCKET; none is all.
	ConnectionTypes []string
}

// Permissions are what a user may publish and subscribe to.
type Permissions struct {
	Publish, Subscribe SubjectRules
	// Responses lets the user answer the requests that it receives; nil does not.
	Responses *ResponseRule
}

// SubjectRules are subjects, which may have wildcards. What is denied is so although it is allowed
// as well. With nothing in Allow, everything is allowed that is not denied; but a list that is empty
// without being nil allows nothing. For subscriptions, "subject queue" is about a queue group, whose
// name may have wildcards as well.
type SubjectRules struct {
	Allow, Deny []string
}

// ResponseRule limits the answers to a request.
type ResponseRule struct {
	// Max is the number of messages to one reply subject; 0 is the default of 1, -1 no limit.
	Max int
	// Expires is the time for them after the request; 0 is the default of two minutes, negative no
	// limit.
	Expires time.Duration
}
