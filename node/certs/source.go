package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Source is what was read from [Files]. It does not change; whoever wants files to be read again loads
// them again.
type Source struct {
	config *tls.Config
	pins   map[string]struct{}
	files  Files
}

// Load reads the files for connections of clients. The error names the option, the file, and what is wrong
// with it.
func Load(f Files) (*Source, error) {
	if len(f.PinnedCerts) > 0 && !f.Verify && !f.VerifyAndMap {
		return nil, errors.New("pinned_certs: nobody has to present a certificate, add verify")
	}
	return f.load()
}

func (f Files) load() (*Source, error) {
	certificates, err := f.certificates()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates:       certificates,
		InsecureSkipVerify: f.Insecure,
		// Streams of messages last, so there is nothing to gain from small records at their beginning.
		DynamicRecordSizingDisabled: true,
	}
	if f.CAFile != "" { // nil are the authorities of the system
		if config.ClientCAs, err = Authorities(f.CAFile); err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = config.ClientCAs
	}
	if f.Verify || f.VerifyAndMap {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if config.MinVersion, err = minVersion(f.MinVersion); err != nil {
		return nil, err
	}
	if config.CipherSuites, err = cipherSuites(f.CipherSuites); err != nil {
		return nil, err
	}
	if config.CurvePreferences, err = curves(f.CurvePreferences); err != nil {
		return nil, err
	}
	pins, err := pinned(f.PinnedCerts)
	if err != nil {
		return nil, err
	}
	switch {
	case f.Timeout < 0:
		return nil, fmt.Errorf("timeout: %v is negative", f.Timeout)
	case f.HandshakeDelay < 0:
		return nil, fmt.Errorf("handshake_first: %v is negative", f.HandshakeDelay)
	case f.RateLimit < 0:
		return nil, fmt.Errorf("connection_rate_limit: %d is negative", f.RateLimit)
	}
	return &Source{config, pins, f}, nil
}

// LoadMutual is [Load] for connections between nodes, which are accepted as well as dialled: both sides
// verify each other, whatever Verify says.
func LoadMutual(f Files) (*Source, error) {
	switch {
	case f.HandshakeFirst || f.HandshakeDelay != 0:
		return nil, errors.New("handshake_first: routes always begin with the handshake, leave it out")
	case f.AllowPlain:
		return nil, errors.New("allow_non_tls: routes are encrypted all or none, leave it out")
	case f.RateLimit != 0:
		return nil, errors.New("connection_rate_limit: it is for clients only, leave it out")
	}
	s, err := f.load()
	if err != nil {
		return nil, err
	}
	for _, c := range s.config.Certificates {
		if err := servesBothSides(c.Leaf); err != nil {
			return nil, err
		}
	}
	s.config.ClientAuth = tls.RequireAndVerifyClientCert
	return s, nil
}

// Config returns the settings of a connection. They must not be changed, only cloned.
func (s *Source) Config() *tls.Config { return s.config }

// Pins returns [Files.PinnedCerts] in lower case, nil if there are none. They must not be changed.
func (s *Source) Pins() map[string]struct{} { return s.pins }

// Files returns what was loaded.
func (s *Source) Files() Files { return s.files }

// certificates reads all certificates with their keys.
func (f *Files) certificates() ([]tls.Certificate, error) {
	pairs := f.Certs
	switch one := f.CertFile != "" || f.KeyFile != ""; {
	case one && len(pairs) > 0:
		return nil, errors.New("cert_file: it cannot be there together with certs, take one of them")
	case !one && len(pairs) == 0:
		return nil, errors.New("cert_file: it is missing, and without a certificate nothing can be encrypted")
	case one:
		pairs = []Pair{{f.CertFile, f.KeyFile}}
	}
	list := make([]tls.Certificate, len(pairs))
	for i, p := range pairs {
		var err error
		if list[i], err = p.load(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (p *Pair) load() (tls.Certificate, error) {
	none := tls.Certificate{}
	switch {
	case p.CertFile == "":
		return none, fmt.Errorf("cert_file: it is missing, which certificate belongs to the key in %s?", p.KeyFile)
	case p.KeyFile == "":
		return none, fmt.Errorf("key_file: it is missing, where is the private key of the certificate in %s?", p.CertFile)
	}
	cert, err := os.ReadFile(p.CertFile)
	if err != nil {
		return none, fmt.Errorf("cert_file: %w", err)
	}
	key, err := os.ReadFile(p.KeyFile)
	if err != nil {
		return none, fmt.Errorf("key_file: %w", err)
	}
	switch {
	case !hasBlock(cert, func(t string) bool { return t == "CERTIFICATE" }):
		return none, fmt.Errorf("cert_file: %s has no certificate in PEM format", p.CertFile)
	case hasBlock(key, func(t string) bool { return t == "ENCRYPTED PRIVATE KEY" }) || bytes.Contains(key, []byte("Proc-Type: 4,ENCRYPTED")):
		return none, fmt.Errorf("key_file: the key in %s is encrypted, store it without a passphrase", p.KeyFile)
	case !hasBlock(key, func(t string) bool { return strings.HasSuffix(t, "PRIVATE KEY") }):
		return none, fmt.Errorf("key_file: %s has no private key in PEM format", p.KeyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return none, fmt.Errorf("cert_file: %s and key_file: %s: %w", p.CertFile, p.KeyFile, err)
	}
	return pair, nil
}

// hasBlock reports whether there is a block of PEM whose type is wanted.
func hasBlock(text []byte, wanted func(blockType string) bool) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if wanted(block.Type) {
			return true
		}
	}
}

// Authorities reads the certificates of authorities from a file.
func Authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM format", file)
	}
	return pool, nil
}

// servesBothSides returns why a certificate is not good for a side that accepts as well as dials.
func servesBothSides(leaf *x509.Certificate) error {
	usages := leaf.ExtKeyUsage
	if len(usages) == 0 && len(leaf.UnknownExtKeyUsage) == 0 || slices.Contains(usages, x509.ExtKeyUsageAny) {
		return nil
	}
	for _, u := range []struct {
		usage x509.ExtKeyUsage
		name  string
	}{{x509.ExtKeyUsageServerAuth, "serverAuth"}, {x509.ExtKeyUsageClientAuth, "clientAuth"}} {
		if !slices.Contains(usages, u.usage) {
			return fmt.Errorf("cert_file: the certificate of %q lacks the extended key usage %s; "+
				"a node accepts routes and dials them, so it needs serverAuth and clientAuth", leaf.Subject, u.name)
		}
	}
	return nil
}

func minVersion(name string) (uint16, error) {
	switch name {
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("min_version: %q is not 1.2 or 1.3", name)
}

func cipherSuites(names []string) ([]uint16, error) {
	var ids []uint16
	for _, name := range names {
		i := slices.IndexFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return s.Name == name })
		switch {
		case i >= 0:
			ids = append(ids, tls.CipherSuites()[i].ID)
		case slices.ContainsFunc(tls.InsecureCipherSuites(), func(s *tls.CipherSuite) bool { return s.Name == name }):
			return nil, fmt.Errorf("cipher_suites: %s is not secure, leave it out", name)
		default:
			return nil, fmt.Errorf("cipher_suites: %q is unknown, names are such as %s", name, tls.CipherSuites()[0].Name)
		}
	}
	return ids, nil
}

// exchanges are the key exchanges that can be configured.
var exchanges = []struct {
	name string
	id   tls.CurveID
}{
	{"X25519MLKEM768", tls.X25519MLKEM768},
	{"SecP256r1MLKEM768", tls.SecP256r1MLKEM768},
	{"SecP384r1MLKEM1024", tls.SecP384r1MLKEM1024},
	{"X25519", tls.X25519},
	{"CurveP256", tls.CurveP256},
	{"CurveP384", tls.CurveP384},
	{"CurveP521", tls.CurveP521},
}

func curves(names []string) ([]tls.CurveID, error) {
	var ids []tls.CurveID
next:
	for _, name := range names {
		for _, e := range exchanges {
			if e.name == name {
				ids = append(ids, e.id)
				continue next
			}
		}
		return nil, fmt.Errorf("curve_preferences: %q is unknown, choose from X25519MLKEM768, SecP256r1MLKEM768, "+
			"SecP384r1MLKEM1024, X25519, CurveP256, CurveP384 and CurveP521", name)
	}
	return ids, nil
}

func pinned(hashes []string) (map[string]struct{}, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	pins := make(map[string]struct{}, len(hashes))
	for _, h := range hashes {
		h = strings.ToLower(h)
		if b, err := hex.DecodeString(h); err != nil || len(b) != 32 {
			return nil, fmt.Errorf("pinned_certs: %q is not the SHA-256 hash of a public key in hex, which has 64 digits", h)
		}
		pins[h] = struct{}{}
	}
	return pins, nil
}
