package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"shoal/membership"
	"shoal/node/certs"
	"shoal/node/certs/certtest"
)

// mutual returns the options of a cluster whose nodes have that certificate.
func (p *pki) mutual(c certtest.Certificate, tune func(*certs.Files)) *TLSOptions {
	p.t.Helper()
	f := certs.Files{CertFile: c.CertFile, KeyFile: c.KeyFile, CAFile: p.authority.CAFile}
	if tune != nil {
		tune(&f)
	}
	s, err := certs.LoadMutual(f)
	if err != nil {
		p.t.Fatal(err)
	}
	return NewTLSOptions(s)
}

// TestMeshTLS has nodes find each other by routes alone, by gossip, with a password, and compressed.
func TestMeshTLS(t *testing.T) {
	p := newPKI(t)
	for name, cluster := range map[string]ClusterOptions{
		"routes":     {},
		"password":   secretCluster(),
		"compressed": {Compression: CompressionFast},
	} {
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(name+version, func(t *testing.T) {
				cluster.TLS = p.mutual(p.server, func(f *certs.Files) { f.MinVersion = version })
				if version == "1.2" {
					config := cluster.TLS.Config().Clone()
					config.MaxVersion = tls.VersionTLS12
					cluster.TLS = &TLSOptions{Config: func() *tls.Config { return config }}
				}
				var nodes []*Node
				for i := range 3 {
					nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i), cluster, nodes[:min(i, 1)]))
				}
				waitForMesh(t, nodes)
				wantEverybodyReached(t, nodes, subscribeEverywhere(t, nodes))
				for _, n := range nodes {
					for _, r := range n.routes.registered() {
						if state := r.encryption.Load(); state == nil || !r.peer().TLSRequired || !r.peer().TLSVerify {
							t.Errorf("route from %s to %s: %+v", n.Name(), r.peer().Name, state)
						}
					}
				}
			})
		}
	}
}

func TestGossipTLS(t *testing.T) {
	p := newPKI(t)
	cluster := ClusterOptions{TLS: p.mutual(p.server, nil), GossipProfile: membership.Local}
	nodes := []*Node{startPeer(t, "n0", cluster, nil)}
	cluster.Join = []string{nodes[0].ClusterAddr().String()}
	for i := range 2 {
		nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i+1), cluster, nil))
	}
	waitForMesh(t, nodes)
	wantEverybodyReached(t, nodes, subscribeEverywhere(t, nodes))
	for _, n := range nodes {
		eventually(t, n.Name()+" sees three members", func() bool { return len(n.Members()) == 3 })
	}
}

// TestRouteTLSRefused has servers meet that do not fit together, and looks at what the log says.
func TestRouteTLSRefused(t *testing.T) {
	p, others := newPKI(t), newPKI(t)
	elsewhere, err := p.authority.Issue("elsewhere", func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"elsewhere.example"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fits := p.mutual(p.server, nil)
	for _, test := range []struct {
		name           string
		accepts, dials *TLSOptions
		reason         string // what the dialling side logs
	}{
		{"plain dials TLS", fits, nil, "if its cluster has TLS, this one needs it as well"},
		{"TLS dials plain", nil, fits, "the other side does not use TLS"},
		{"other authority", fits, others.mutual(others.server, nil), "certificate signed by unknown authority"},
		{"other name", p.mutual(elsewhere, nil), fits, "cannot validate certificate for 127.0.0.1"},
		{"not pinned", p.mutual(p.server, nil), p.mutual(p.server, func(f *certs.Files) {
			f.PinnedCerts = []string{elsewhere.Pin}
		}), "not among the pinned ones"},
	} {
		t.Run(test.name, func(t *testing.T) {
			accepts := startPeer(t, "a", ClusterOptions{TLS: test.accepts}, nil)
			var log recorder
			d := startNode(t, Options{ServerName: "d", Logger: slog.New(slog.NewTextHandler(&log, nil)), Cluster: ClusterOptions{
				Host: "127.0.0.1", Port: RandomPort, NoGossip: true, TLS: test.dials,
				Routes: []*url.URL{routeURL(accepts)}, ReadyTimeout: 1,
			}})
			eventually(t, "the log says "+test.reason, func() bool { return strings.Contains(log.String(), test.reason) })
			if len(d.Routes()) > 0 || len(accepts.Routes()) > 0 {
				t.Error("there is a route")
			}
		})
	}
}

// TestRouteTLSNames dials addresses whose certificates are for the names of the cluster.
func TestRouteTLSNames(t *testing.T) {
	p := newPKI(t)
	named, err := p.authority.Issue("named", func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"localhost", "n1.example"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cluster := ClusterOptions{Name: "C", TLS: p.mutual(named, nil)}
	nodes := []*Node{startPeer(t, "n0", cluster, nil)}
	_, port, err := net.SplitHostPort(nodes[0].ClusterAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	cluster.Routes = []*url.URL{{Scheme: "tls", Host: "localhost:" + port}}
	for i := range 2 {
		// These two are told of each other by IP address.
		nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i+1), cluster, nil))
	}
	waitForMesh(t, nodes)
}

// TestProofTLS has somebody in between pass on the proofs of one connection on another one.
func TestProofTLS(t *testing.T) {
	key := []byte("key")
	plain, _ := proofs(key, "a", "d", "A", "D", "C", "")
	one, _ := proofs(key, "a", "d", "A", "D", "C", "one")
	other, _ := proofs(key, "a", "d", "A", "D", "C", "other")
	if string(plain) == string(one) || string(one) == string(other) {
		t.Error("the proof does not depend on the connection")
	}
	p := newPKI(t)
	cluster := secretCluster()
	cluster.TLS = p.mutual(p.server, nil)
	nodes := []*Node{startPeer(t, "a", cluster, nil)}
	nodes = append(nodes, startPeer(t, "b", cluster, nodes))
	waitForMesh(t, nodes)
	ours, theirs := nodes[0].routes.list()[0], nodes[1].routes.list()[0]
	a, err := ours.binding()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := theirs.binding(); err != nil || a != b || a == "" {
		t.Errorf("the sides bind their proofs to %q and %q, %v", a, b, err)
	}
}

// TestRouteCertificates has the certificates of peers say whether they belong to the cluster.
func TestRouteCertificates(t *testing.T) {
	p := newPKI(t)
	issue := func(name string, hosts ...string) certtest.Certificate {
		c, err := p.authority.Issue(name, func(c *x509.Certificate) { c.DNSNames = hosts })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	member, host, stranger := issue("member"), issue("host", "*.example"), issue("stranger", "else.where")
	both := func(f *certs.Files) { f.VerifyAndMap, f.CheckKnownURLs = true, true }
	for name, test := range map[string]struct {
		accepts  func(*certs.Files)
		dials    certtest.Certificate
		user     string // of the side that accepts
		password string
		own      string // password of the side that dials, as the same user
		join     bool
	}{
		"named":                       {func(f *certs.Files) { f.VerifyAndMap = true }, member, "CN=member", "", "", true},
		"named, with a password":      {func(f *certs.Files) { f.VerifyAndMap = true }, member, "CN=member", "s3cret", "s3cret", true},
		"named, without the password": {func(f *certs.Files) { f.VerifyAndMap = true }, member, "CN=member", "s3cret", "-", true},
		"not named":                   {func(f *certs.Files) { f.VerifyAndMap = true }, stranger, "CN=member", "s3cret", "s3cret", false},
		"a host of routes":            {func(f *certs.Files) { f.CheckKnownURLs = true }, host, "", "", "", true},
		"another host":                {func(f *certs.Files) { f.CheckKnownURLs = true }, stranger, "", "", "", false},
		"named or a host, named":      {both, member, "CN=member", "", "", true},
		"named or a host, a host":     {both, host, "CN=member", "", "", true},
		"neither":                     {both, stranger, "CN=member", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var log recorder
			accepts := startNode(t, Options{ServerName: "a", Logger: slog.New(slog.NewTextHandler(&log, nil)), Cluster: ClusterOptions{
				Name: "C", Host: "127.0.0.1", Port: RandomPort, NoGossip: true, User: test.user, Password: test.password,
				TLS:    p.mutual(p.server, test.accepts),
				Routes: []*url.URL{{Scheme: "tls", Host: "b.example:1"}}, ReadyTimeout: 1,
			}})
			cluster := ClusterOptions{Name: "C", TLS: p.mutual(test.dials, nil), User: test.user, Password: test.own}
			if test.own == "-" {
				cluster.User, cluster.Password = "", ""
			}
			dials := startPeer(t, "d", cluster, nil)
			// Gossip may say that it is there, but that makes it no peer.
			accepts.targets.learn(time.Now(), dials.ID(), dials.ClusterAddr().String(), gossipDefault, false)
			accepts.wakeDialer()
			if !test.join {
				eventually(t, "the log says why it is no peer", func() bool { return strings.Contains(log.String(), "would be refused here") })
			}
			dials.targets.configure(routeURL(accepts))
			dials.wakeDialer()
			if test.join {
				eventually(t, "there is a route", func() bool { return len(accepts.Routes()) == 1 && len(dials.Routes()) == 1 })
				return
			}
			eventually(t, "the log says why not", func() bool { return strings.Contains(log.String(), "its certificate neither names the user") })
			if len(dials.Routes()) > 0 || len(accepts.Routes()) > 0 {
				t.Error("there is a route")
			}
		})
	}
	for want, cluster := range map[string]ClusterOptions{
		"cluster.tls: verify_and_map: it needs the user": {TLS: p.mutual(p.server, func(f *certs.Files) { f.VerifyAndMap = true })},
		"cluster.tls: verify_cert_and_check_known_urls: it needs host names": {
			TLS: p.mutual(p.server, func(f *certs.Files) { f.CheckKnownURLs = true }), Join: []string{"127.0.0.1"}},
	} {
		cluster.Port = RandomPort
		if err := (Options{Cluster: cluster}).Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
