package node

import (
	"cmp"
	"crypto/tls"
	"errors"
	"time"

	"shoal/node/certs"
)

// DefaultTLSTimeout bounds a TLS handshake.
const DefaultTLSTimeout = 2 * time.Second

// TLSOptions have connections encrypted.
type TLSOptions struct {
	// Config returns the settings of a new connection: certificates, who has to present one, versions.
	// It is called for each, so that they can change while the node runs. For routes it serves for
	// both sides, and has RootCAs and ClientCAs.
	Config func() *tls.Config
	// Timeout bounds the handshake; 0 is [DefaultTLSTimeout].
	Timeout time.Duration
	// HandshakeFirst has the handshake come before INFO. With a HandshakeDelay, that is how long a
	// client may take to begin one before it is sent INFO in clear after all.
	HandshakeFirst bool
	HandshakeDelay time.Duration
	// MapUser has the certificate of a peer that connects name the user of the cluster, and CheckKnownURLs
	// has it be for a host name in Routes or Join of the cluster. One of the two is enough, and then no
	// password is needed. They are for routes only.
	MapUser, CheckKnownURLs bool
	// AllowPlain serves clients without TLS as well.
	AllowPlain bool
	// PinnedCerts are the SHA-256 hashes, in lower case hex, of the public keys (SPKI) that the other
	// side may have; nil are all.
	PinnedCerts map[string]struct{}
	// RateLimit is the number of handshakes in a second; 0 is no limit.
	RateLimit int
}

// validate returns what no node could run with.
func (t *TLSOptions) validate() error {
	switch {
	case t.Config == nil:
		return errors.New("there is no certificate")
	case t.Timeout < 0 || t.HandshakeDelay < 0:
		return errors.New("a timeout is negative")
	}
	return nil
}

// timeout returns the time for a handshake.
func (t *TLSOptions) timeout() time.Duration { return cmp.Or(t.Timeout, DefaultTLSTimeout) }

// TLSConfig returns the settings of TLS that the next client gets, nil if there is no TLS.
func (n *Node) TLSConfig() *tls.Config {
	if t := n.options().TLS; t != nil {
		return t.Config()
	}
	return nil
}

// NewTLSOptions returns the options for what was loaded from files: by [certs.Load] for clients, by
// [certs.LoadMutual] for a cluster.
func NewTLSOptions(s *certs.Source) *TLSOptions {
	f := s.Files()
	return &TLSOptions{
		Config:         s.Config,
		Timeout:        f.Timeout,
		HandshakeFirst: f.HandshakeFirst,
		HandshakeDelay: f.HandshakeDelay,
		AllowPlain:     f.AllowPlain,
		MapUser:        f.VerifyAndMap,
		CheckKnownURLs: f.CheckKnownURLs,
		PinnedCerts:    s.Pins(),
		RateLimit:      f.RateLimit,
	}
}
