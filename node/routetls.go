package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"shoal/membership"
	"shoal/node/auth"
)

// Between the servers of a cluster TLS comes before anything else, and both sides verify each other.

// encrypt carries out the handshake of TLS, if the cluster has it.
func (r *route) encrypt() error {
	t := r.node.options().Cluster.TLS
	switch {
	case t == nil:
		return nil
	case r.attempt == nil:
		return r.secure(t, t.Config(), tls.Server)
	}
	return r.secure(t, r.node.dialConfig(t, r.attempt.addr), tls.Client)
}

// encryptGossip is encrypt for a stream of gossip that was dialled.
func (n *Node) encryptGossip(nc net.Conn, addr string, deadline time.Time) (net.Conn, error) {
	t := n.options().Cluster.TLS
	if t == nil {
		return nc, nil
	}
	if last := time.Now().Add(t.timeout()); last.Before(deadline) {
		deadline = last
	}
	if err := nc.SetDeadline(deadline); err != nil {
		return nil, err
	}
	s := newSecured(nc, nil, &n.buffers, n.dialConfig(t, addr), tls.Client)
	if err := t.shake(s); err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return s, nil
}

// dialConfig returns the settings for a connection to a server of the cluster. Where only the IP address
// of a server is known, because gossip or a peer has told of it, its certificate may be for that, or for
// one of the names by which servers of the cluster are configured.
func (n *Node) dialConfig(t *TLSOptions, addr string) *tls.Config {
	config := t.Config().Clone()
	if config.ServerName != "" {
		return config
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	config.ServerName = host
	names := n.options().Cluster.hostNames()
	if net.ParseIP(host) == nil || len(names) == 0 {
		return config
	}
	config.ServerName = names[0]
	if config.InsecureSkipVerify {
		return config
	}
	config.InsecureSkipVerify = true // crypto/tls knows one name only; what follows verifies instead
	roots := config.RootCAs
	config.VerifyConnection = func(state tls.ConnectionState) error {
		return verifyAny(state.PeerCertificates, roots, append(names, host))
	}
	return config
}

// verifyAny checks that a chain of certificates leads to an authority and is for one of the names.
func verifyAny(chain []*x509.Certificate, roots *x509.CertPool, names []string) error {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	leaf := chain[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates}); err != nil {
		return err
	}
	for _, name := range names {
		if leaf.VerifyHostname(name) == nil {
			return nil
		}
	}
	return fmt.Errorf("the certificate is for none of %s: %w", strings.Join(names, ", "), leaf.VerifyHostname(names[len(names)-1]))
}

// decides reports whether the certificate of a peer that connects says if it belongs to the cluster.
func (t *TLSOptions) decides() bool { return t != nil && (t.MapUser || t.CheckKnownURLs) }

// recognize reports whether a certificate says that a peer belongs to the cluster.
func (o *ClusterOptions) recognize(cert *x509.Certificate) bool {
	switch {
	case cert == nil:
		return false
	case o.TLS.MapUser && o.User != "" && auth.NamedBy(cert, o.User):
		return true
	}
	return o.TLS.CheckKnownURLs && slices.ContainsFunc(o.hostNames(), func(name string) bool { return cert.VerifyHostname(name) == nil })
}

// belongsByCertificate reports whether a server that was dialled may belong to the cluster as far as its
// certificate says: if that decides who may connect, it decides as well who may be led here by gossip.
func (r *route) belongsByCertificate() bool {
	own := &r.node.options().Cluster
	if !own.TLS.decides() || own.TLS.Config().InsecureSkipVerify {
		return true
	}
	state := r.encryption.Load()
	return state != nil && len(state.PeerCertificates) > 0 && own.recognize(state.PeerCertificates[0])
}

// hostNames returns the names, rather than IP addresses, by which servers of the cluster are configured.
func (o *ClusterOptions) hostNames() []string {
	var names []string
	add := func(name string) {
		if name != "" && net.ParseIP(name) == nil {
			names = append(names, name)
		}
	}
	for _, u := range o.Routes {
		add(u.Hostname())
	}
	for _, seed := range o.Join {
		add(membership.SeedHost(seed))
	}
	return names
}

// binding returns what is the same on both sides of an encrypted connection, and nowhere else. It is empty
// if the connection is not encrypted.
func (c *conn) binding() (string, error) {
	state := c.encryption.Load()
	if state == nil {
		return "", nil
	}
	material, err := state.ExportKeyingMaterial("EXPORTER-shoal-cluster-password", nil, 32)
	if err != nil {
		return "", fmt.Errorf("bind the proof to the connection: %w", err)
	}
	return string(material), nil
}
