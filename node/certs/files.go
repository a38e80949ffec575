// Package certs reads the files that TLS needs, and makes them into the settings of connections.
package certs

import "time"

// Files say how connections are encrypted, as an operator configures it. It is plain data; [Load] and
// [LoadMutual] make it into something that connections can use. The zero value of a field is its
// default.
type Files struct {
	// CertFile and KeyFile have the certificate, with those that lead to its authority behind it, and
	// its private key, both as PEM.
	CertFile, KeyFile string
	// Certs are several certificates in place of that one. Each client gets the first that suits it.
	Certs []Pair
	// CAFile has the certificates of the authorities whose word counts for the other side, as PEM; empty
	// are those of the system.
	CAFile string
	// Verify has clients present a certificate.
	Verify bool
	// VerifyAndMap does so as well, and the certificate says which user the client is, or, between nodes,
	// that whoever has it is the user of the cluster.
	VerifyAndMap bool
	// CheckKnownURLs has a node let others connect whose certificate is for a host name by which it is
	// configured to reach nodes of the cluster.
	CheckKnownURLs bool
	// Insecure has a node that dials accept any certificate.
	Insecure bool
	// MinVersion is 1.2, the default, or 1.3.
	MinVersion string
	// CipherSuites are the names of those that may be used up to TLS 1.2, such as
	// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; none are all that are secure.
	CipherSuites []string
	// CurvePreferences are the names of key exchanges that may be used, such as X25519 or CurveP256; none
	// are the usual ones.
	CurvePreferences []string
	// PinnedCerts are the SHA-256 hashes, in hex, of the public keys (DER of SubjectPublicKeyInfo) that
	// the other side may have; none are all.
	PinnedCerts []string
	// Timeout bounds a handshake; 0 is the default of the node.
	Timeout time.Duration
	// HandshakeFirst has the handshake come before anything else. With a HandshakeDelay, that is how long
	// a client may take to begin it before it is treated like any other.
	HandshakeFirst bool
	HandshakeDelay time.Duration
	// AllowPlain serves clients without TLS as well.
	AllowPlain bool
	// RateLimit is the number of handshakes in a second; 0 is no limit.
	RateLimit int
}

// Pair are the files of one certificate.
type Pair struct{ CertFile, KeyFile string }
