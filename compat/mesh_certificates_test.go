package compat

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"shoal/compat/internal/mesh"
	"shoal/node/certs/certtest"
)

// TestMeshCertificates has servers let each other in by what their certificates say.
func TestMeshCertificates(t *testing.T) {
	authority, err := certtest.New(t.TempDir())
	must(t, err)
	cert, err := authority.Issue("member", func(c *x509.Certificate) {
		c.DNSNames, c.EmailAddresses = []string{"localhost", "member.example"}, []string{"member@example"}
	})
	must(t, err)
	for name, test := range map[string]struct {
		check, user, route string
		meet               bool
	}{
		"an address":      {"verify_and_map", "member@example", "127.0.0.1", true},
		"a host":          {"verify_and_map", "member.example", "127.0.0.1", true},
		"a subject":       {"verify_and_map", "CN=member", "127.0.0.1", true},
		"somebody else":   {"verify_and_map", "CN=other", "127.0.0.1", false},
		"a known host":    {"verify_cert_and_check_known_urls", "user", "localhost", true},
		"an unknown host": {"verify_cert_and_check_known_urls", "user", "other.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			config := fmt.Sprintf("cluster { tls { cert_file: %q, key_file: %q, ca_file: %q, %s: true, timeout: 5 } }\n",
				cert.CertFile, cert.KeyFile, authority.CAFile, test.check)
			forKinds(t, []string{"sn", "ns", "ss", "nn"}, func(t *testing.T, kinds string) {
				m := newMesh(t, mesh.Options{Kinds: kinds, User: test.user, Password: "pass", SharedConfig: config, ShoalFlags: []string{"--no_gossip"}})
				for _, n := range m.Nodes {
					n.Routes = append(n.Routes, "nats://"+test.route+":1")
				}
				if test.meet {
					must(t, m.Start())
					awaitMesh(t, m)
					return
				}
				for _, n := range m.Nodes {
					must(t, n.Launch()) // shoal waits for its peers
				}
				awaitTrue(t, "both refuse each other", func() bool {
					for _, n := range m.Nodes {
						if log := strings.ToLower(n.Log()); !strings.Contains(log, "authorization violation") && !strings.Contains(log, "authentication") {
							return false
						}
					}
					return true
				})
				for _, n := range m.Nodes {
					must(t, n.WaitReady())
					if !isShoal(n) {
						continue // it takes a connection for a route until it is told otherwise
					}
					peers, err := n.Peers()
					must(t, err)
					if len(peers.IDs()) > 0 {
						t.Errorf("%s has routes to %v", n, peers.IDs())
					}
				}
			})
		})
	}
}
