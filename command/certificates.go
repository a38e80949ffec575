package command

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"shoal/node"
	"shoal/node/config"
)

// encrypted is a port with TLS, as the file calls it.
type encrypted struct {
	name string
	tls  *node.TLSOptions
}

// encrypted returns the ports that may have TLS, those of all settings in the same order.
func (s *settings) encrypted() []encrypted {
	return []encrypted{{"tls", s.Node.TLS}, {"cluster.tls", s.Node.Cluster.TLS}, {"websocket.tls", webSocketTLS(s)}}
}

// changedCertificates returns where other certificates have been read from files of the same names.
func changedCertificates(old, next *settings) (changes []config.Change) {
	before := old.encrypted()
	for i, now := range next.encrypted() {
		was := before[i].tls
		if was == nil || now.tls == nil {
			continue
		}
		if !bytes.Equal(presented(was), presented(now.tls)) {
			changes = append(changes, config.Change{Option: now.name + " (certificates)"})
		}
		if !authorities(was).Equal(authorities(now.tls)) {
			changes = append(changes, config.Change{Option: now.name + " (authorities)"})
		}
	}
	return changes
}

// presented returns the certificates that a node presents, as bytes to compare.
func presented(t *node.TLSOptions) []byte {
	var all []byte
	for _, c := range t.Config().Certificates {
		all = append(all, bytes.Join(c.Certificate, nil)...)
	}
	return all
}

// authorities returns those of the certificates that others present, nil for those of the system.
func authorities(t *node.TLSOptions) *x509.CertPool { return t.Config().ClientCAs }

// outdated returns a warning for each certificate that others will refuse at this time. It is no error: a
// server with such a certificate may still serve those who do not look at it.
func (s *settings) outdated(now time.Time) (warnings []string) {
	for _, e := range s.encrypted() {
		if e.tls == nil {
			continue
		}
		for _, c := range e.tls.Config().Certificates {
			what, when := "is not valid before", c.Leaf.NotBefore
			switch {
			case now.After(c.Leaf.NotAfter):
				what, when = "has expired on", c.Leaf.NotAfter
			case !now.Before(c.Leaf.NotBefore):
				continue
			}
			err := fmt.Errorf("%s: the certificate of %q %s %s, others will refuse it",
				e.name, c.Leaf.Subject, what, when.UTC().Format(time.DateTime))
			warnings = append(warnings, s.place(err).Error())
		}
	}
	return warnings
}
