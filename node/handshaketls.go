package node

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"shoal/wire"
)

// beginsTLS reports whether a connection begins with the handshake of TLS. No protocol of this port has
// that byte at its beginning.
func beginsTLS(b []byte) bool { return len(b) > 0 && b[0] == 0x16 }

// secure encrypts the connection, of which some bytes may have been read already, from here on. It waits
// for the handshake.
func (c *conn) secure(t *TLSOptions, config *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) error {
	c.sock.nc.SetDeadline(time.Now().Add(t.timeout()))
	if e := c.ending.Load(); e != nil { // end sets the reason before the deadline
		return e
	}
	s := newSecured(c.sock.nc, c.in.unread(), &c.node.buffers, config, side)
	c.in.release()
	if err := t.shake(s); err != nil {
		return &ending{reason: reasonTLSHandshake, err: err}
	}
	c.sock.nc.SetDeadline(time.Time{})
	if e := c.ending.Load(); e != nil {
		return e
	}
	c.sock.tls = s
	state := s.tls.ConnectionState()
	c.encryption.Store(&state)
	return nil
}

// shake waits for the handshake of s, and says in plain words what is wrong if there is none.
func (t *TLSOptions) shake(s *secured) error {
	err := s.handshake()
	var record tls.RecordHeaderError
	switch {
	case err == nil:
	case isTimeout(err):
		return fmt.Errorf("no TLS handshake within %v: %w", t.timeout(), err)
	case errors.As(err, &record):
		return fmt.Errorf("the other side does not use TLS: %w", err)
	default:
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if !t.isPinned(s.tls.ConnectionState().PeerCertificates) {
		return fmt.Errorf("TLS handshake: %w", errNotPinned)
	}
	return nil
}

var errNotPinned = errors.New("the public key of the other side is not among the pinned ones")

// isProbe reports whether a handshake has failed because the other side did not even try, as the probes
// of load balancers do not.
func isProbe(err error) bool {
	var record tls.RecordHeaderError
	return isTimeout(err) || errors.Is(err, errEndOfStream) || errors.As(err, &record) && record.Conn != nil
}

// isPinned reports whether the public key of the other side is one of those that are wanted.
func (t *TLSOptions) isPinned(chain []*x509.Certificate) bool {
	if len(t.PinnedCerts) == 0 {
		return true
	}
	if len(chain) == 0 {
		return false
	}
	hash := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)
	_, ok := t.PinnedCerts[hex.EncodeToString(hash[:])]
	return ok
}

// certificate returns the one that the other side has proved to own, nil if there is none or nobody has
// verified it.
func (c *conn) certificate() *x509.Certificate {
	if state := c.encryption.Load(); state != nil && len(state.VerifiedChains) > 0 {
		return state.PeerCertificates[0]
	}
	return nil
}

// agree finds out, and carries out, which encryption a new client wants, and sends INFO at the right
// moment of that.
func (c *client) agree(t *TLSOptions) error {
	c.secureFirst = t.HandshakeFirst
	if c.secureFirst && t.HandshakeDelay > 0 {
		if err := c.await(t.HandshakeDelay); err != nil {
			return err
		}
		c.secureFirst = len(c.in.unread()) > 0
		if !c.secureFirst {
			c.sendInfo()
		}
	}
	if !c.secureFirst && t.AllowPlain {
		if err := c.await(t.timeout()); err != nil {
			return err
		}
		if !beginsTLS(c.in.unread()) {
			c.early = len(c.in.unread()) > 0
			return nil
		}
	}
	if t.RateLimit > 0 {
		ok, suppressed := c.node.handshakes.allow(time.Now(), t.RateLimit)
		if suppressed > 0 {
			c.node.log.Warn("Connections were refused because of connection_rate_limit", "number", suppressed)
		}
		if !ok {
			return &ending{reason: reasonMaxConnections, text: wire.TextThrottled}
		}
	}
	if err := c.secure(t, t.Config(), tls.Server); err != nil {
		return err
	}
	if c.secureFirst {
		c.sendInfo()
	}
	return nil
}

// await waits until something has been received, but no longer than d.
func (c *client) await(d time.Duration) error {
	if len(c.in.unread()) > 0 {
		return nil
	}
	return c.awaitMore(d)
}

// awaitMore waits until more has been received, but no longer than d.
func (c *client) awaitMore(d time.Duration) error {
	c.sock.nc.SetReadDeadline(time.Now().Add(d))
	if e := c.ending.Load(); e != nil {
		return e
	}
	if err := c.in.fill(); err != nil && !isTimeout(err) {
		return err
	}
	if !c.wake() {
		return c.ending.Load()
	}
	return nil
}
