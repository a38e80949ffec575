package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoal/node/certs"
	"shoal/node/certs/certtest"
)

// issue returns an authority and a certificate for both sides.
func issue(t *testing.T) (*certtest.Authority, certtest.Certificate) {
	t.Helper()
	a, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue("node", nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

func TestLoad(t *testing.T) {
	a, c := issue(t)
	s, err := certs.Load(certs.Files{CertFile: c.CertFile, KeyFile: c.KeyFile, CAFile: a.CAFile,
		CipherSuites: []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}, CurvePreferences: []string{"X25519", "CurveP256"}})
	if err != nil {
		t.Fatal(err)
	}
	config := s.Config()
	if config.MinVersion != tls.VersionTLS12 || config.ClientAuth != tls.NoClientCert || config.ClientCAs == nil {
		t.Errorf("minimum %#x, client certificates %v, authorities %v", config.MinVersion, config.ClientAuth, config.ClientCAs)
	}
	if len(config.CipherSuites) != 1 || len(config.CurvePreferences) != 2 || s.Pins() != nil {
		t.Errorf("cipher suites %v, curves %v, pins %v", config.CipherSuites, config.CurvePreferences, s.Pins())
	}
	for _, f := range []certs.Files{{Verify: true}, {VerifyAndMap: true, MinVersion: "1.3", PinnedCerts: []string{strings.ToUpper(c.Pin)}}} {
		f.Certs = []certs.Pair{{CertFile: c.CertFile, KeyFile: c.KeyFile}, {CertFile: c.CertFile, KeyFile: c.KeyFile}}
		s, err := certs.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		if config := s.Config(); config.ClientAuth != tls.RequireAndVerifyClientCert || len(config.Certificates) != 2 {
			t.Errorf("client certificates %v, certificates %d", config.ClientAuth, len(config.Certificates))
		}
		if _, ok := s.Pins()[c.Pin]; ok != (f.PinnedCerts != nil) {
			t.Errorf("pins %v", s.Pins())
		}
	}
	s, err = certs.LoadMutual(certs.Files{CertFile: c.CertFile, KeyFile: c.KeyFile, CAFile: a.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	if config := s.Config(); config.ClientAuth != tls.RequireAndVerifyClientCert || config.RootCAs == nil || config.ClientCAs == nil {
		t.Error("the sides of a route do not verify each other")
	}
}

func TestLoadErrors(t *testing.T) {
	a, c := issue(t)
	other, err := a.Issue("other", func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	encrypted := file("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	text := file("text", "no PEM here")
	good := certs.Files{CertFile: c.CertFile, KeyFile: c.KeyFile}
	for name, test := range map[string]struct {
		change func(*certs.Files)
		mutual bool
		want   []string
	}{
		"nothing":        {func(f *certs.Files) { *f = certs.Files{} }, false, []string{"cert_file", "missing"}},
		"no key":         {func(f *certs.Files) { f.KeyFile = "" }, false, []string{"key_file", c.CertFile}},
		"no certificate": {func(f *certs.Files) { f.CertFile = "" }, false, []string{"cert_file", c.KeyFile}},
		"both kinds":     {func(f *certs.Files) { f.Certs = []certs.Pair{{}} }, false, []string{"cert_file", "certs"}},
		"no file":        {func(f *certs.Files) { f.CertFile = "/nowhere" }, false, []string{"cert_file", "/nowhere"}},
		"no key file":    {func(f *certs.Files) { f.KeyFile = "/nowhere" }, false, []string{"key_file", "/nowhere"}},
		"swapped":        {func(f *certs.Files) { f.CertFile, f.KeyFile = f.KeyFile, f.CertFile }, false, []string{"cert_file", c.KeyFile}},
		"text as key":    {func(f *certs.Files) { f.KeyFile = text }, false, []string{"key_file", text}},
		"encrypted key":  {func(f *certs.Files) { f.KeyFile = encrypted }, false, []string{"key_file", encrypted, "passphrase"}},
		"another's key":  {func(f *certs.Files) { f.KeyFile = other.KeyFile }, false, []string{c.CertFile, other.KeyFile, "does not match"}},
		"no authority":   {func(f *certs.Files) { f.CAFile = "/nowhere" }, false, []string{"ca_file", "/nowhere"}},
		"text as CA":     {func(f *certs.Files) { f.CAFile = text }, false, []string{"ca_file", text}},
		"version":        {func(f *certs.Files) { f.MinVersion = "1.1" }, false, []string{"min_version", "1.1"}},
		"cipher suite":   {func(f *certs.Files) { f.CipherSuites = []string{"X"} }, false, []string{"cipher_suites", "X"}},
		"insecure": {func(f *certs.Files) { f.CipherSuites = []string{"TLS_RSA_WITH_RC4_128_SHA"} }, false,
			[]string{"cipher_suites", "not secure"}},
		"curve":           {func(f *certs.Files) { f.CurvePreferences = []string{"P-256"} }, false, []string{"curve_preferences", "P-256"}},
		"pin":             {func(f *certs.Files) { f.Verify, f.PinnedCerts = true, []string{"abc"} }, false, []string{"pinned_certs", "abc"}},
		"pin of nobody":   {func(f *certs.Files) { f.PinnedCerts = []string{c.Pin} }, false, []string{"pinned_certs", "verify"}},
		"timeout":         {func(f *certs.Files) { f.Timeout = -1 }, false, []string{"timeout"}},
		"delay":           {func(f *certs.Files) { f.HandshakeDelay = -1 }, false, []string{"handshake_first"}},
		"rate":            {func(f *certs.Files) { f.RateLimit = -1 }, false, []string{"connection_rate_limit"}},
		"route usage":     {func(f *certs.Files) { *f = certs.Files{CertFile: other.CertFile, KeyFile: other.KeyFile} }, true, []string{"clientAuth"}},
		"route first":     {func(f *certs.Files) { f.HandshakeFirst = true }, true, []string{"handshake_first"}},
		"plain route":     {func(f *certs.Files) { f.AllowPlain = true }, true, []string{"allow_non_tls"}},
		"rate of routes":  {func(f *certs.Files) { f.RateLimit = 1 }, true, []string{"connection_rate_limit"}},
		"route's version": {func(f *certs.Files) { f.MinVersion = "2" }, true, []string{"min_version"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := good
			test.change(&f)
			load := certs.Load
			if test.mutual {
				load = certs.LoadMutual
			}
			_, err := load(f)
			if err == nil {
				t.Fatal("it was loaded")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not contain %q", err, want)
				}
			}
		})
	}
}
