package config

import (
	"strings"
	"time"

	"shoal/node/certs"
)

// fallbackDelay is how long a client may take to begin a handshake if that may come first or not.
const fallbackDelay = 50 * time.Millisecond

// tls reads how clients are encrypted.
func (b *block) tls(s *Settings) {
	s.TLS = b.tlsFiles("tls")
	var plain bool
	b.flag(&plain, "allow_non_tls")
	switch {
	case s.TLS == nil && plain:
		b.warnf(s.keys["allow_non_tls"], "allow_non_tls: changes nothing without tls")
	case s.TLS != nil:
		s.TLS.AllowPlain = plain
		s.Auth.MapCertificates = s.TLS.VerifyAndMap
	}
}

// tlsFiles reads a block for TLS, nil if it is not there.
func (b *block) tlsFiles(name string) *certs.Files {
	v := b.take(name)
	if v == nil {
		return nil
	}
	f := &certs.Files{}
	t := b.block(v, b.shownPath()+name)
	t.text(&f.CertFile, "cert_file")
	t.text(&f.KeyFile, "key_file")
	t.text(&f.CAFile, "ca_file")
	t.flag(&f.Verify, "verify")
	t.flag(&f.VerifyAndMap, "verify_and_map")
	t.flag(&f.Insecure, "insecure")
	t.text(&f.MinVersion, "min_version")
	f.CipherSuites, _ = t.texts("cipher_suites")
	f.CurvePreferences, _ = t.texts("curve_preferences")
	f.PinnedCerts, _ = t.texts("pinned_certs")
	if certificates := t.take("certs", "certificates"); certificates != nil {
		for _, c := range t.blocks(certificates, "certs") {
			var pair certs.Pair
			c.text(&pair.CertFile, "cert_file")
			c.text(&pair.KeyFile, "key_file")
			c.done()
			f.Certs = append(f.Certs, pair)
		}
	}
	t.duration(&f.Timeout, true, "timeout")
	t.limit(&f.RateLimit, "connection_rate_limit")
	t.handshakeFirst(f)
	t.flag(&f.CheckKnownURLs, "verify_cert_and_check_known_urls")
	if f.CheckKnownURLs && b.path != "cluster." {
		t.warnf(b.settings.keys[t.path+"verify_cert_and_check_known_urls"], "%sverify_cert_and_check_known_urls: means verify, only routes are checked", t.shownPath())
		f.Verify, f.CheckKnownURLs = true, false
	}
	t.unsupported("insecure ciphers", "allow_insecure_cipher_suites")
	for _, key := range []string{"cert_store", "cert_match_by", "cert_match", "ca_certs_match", "cert_match_skip_invalid"} {
		t.unsupported("certificates in a store of Windows", key)
	}
	t.unsupported("OCSP", "ocsp_peer")
	t.done()
	return f
}

// handshakeFirst reads whether the handshake comes before INFO: yes, no, or which time a client has to
// begin it.
func (b *block) handshakeFirst(f *certs.Files) {
	v := b.take("handshake_first", "first", "immediate")
	if v == nil {
		return
	}
	switch first := v.data.(type) {
	case bool:
		f.HandshakeFirst = first
		return
	case string:
		switch strings.ToLower(first) {
		case "true", "on":
			f.HandshakeFirst = true
			return
		case "false", "off":
			return
		case "auto", "auto_fallback":
			f.HandshakeFirst, f.HandshakeDelay = true, fallbackDelay
			return
		}
		if d, ok := b.durationOf(v, false, "handshake_first"); ok {
			f.HandshakeFirst, f.HandshakeDelay = true, d
		}
	default:
		b.wrong(v, "handshake_first", "true, false, auto or a duration")
	}
}
