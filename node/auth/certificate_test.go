package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"reflect"
	"testing"
)

// attribute returns a part of a subject.
func attribute(value string, oid ...int) pkix.RelativeDistinguishedNameSET {
	return pkix.RelativeDistinguishedNameSET{{Type: oid, Value: value}}
}

// certificate returns a certificate with a subject and alternative names.
func certificate(t *testing.T, alternatives x509.Certificate, subject ...pkix.RelativeDistinguishedNameSET) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	alternatives.SerialNumber = big.NewInt(1)
	if alternatives.RawSubject, err = asn1.Marshal(pkix.RDNSequence(subject)); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &alternatives, &alternatives, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificateUser(t *testing.T) {
	cn, o, ou := attribute("alice", 2, 5, 4, 3), attribute("x, y", 2, 5, 4, 10), attribute("u", 2, 5, 4, 11)
	dc1, dc2 := attribute("com", 0, 9, 2342, 19200300, 100, 1, 25), attribute("acme", 0, 9, 2342, 19200300, 100, 1, 25)
	uri, err := url.Parse("spiffe://acme/alice")
	if err != nil {
		t.Fatal(err)
	}
	all := x509.Certificate{EmailAddresses: []string{"a@acme"}, DNSNames: []string{"a.acme"}, URIs: []*url.URL{uri}}
	tests := []struct {
		name  string
		cert  *x509.Certificate
		users []string
		want  string
	}{
		{"e-mail goes first", certificate(t, all, cn), []string{"CN=alice", "spiffe://acme/alice", "a.acme", "a@acme"}, "a@acme"},
		{"then the host", certificate(t, all, cn), []string{"CN=alice", "spiffe://acme/alice", "a.acme"}, "a.acme"},
		{"then the URI", certificate(t, all, cn), []string{"CN=alice", "spiffe://acme/alice"}, "spiffe://acme/alice"},
		{"then the subject", certificate(t, all, cn), []string{"CN=alice"}, "CN=alice"},
		{"the common name alone is no subject", certificate(t, x509.Certificate{}, cn), []string{"alice"}, ""},
		{"all parts", certificate(t, x509.Certificate{}, o, cn), []string{"CN=alice"}, ""},
		{"written as RFC 2253", certificate(t, x509.Certificate{}, o, ou, cn), []string{`CN=alice,OU=u,O=x\, y`}, `CN=alice,OU=u,O=x\, y`},
		{"with blanks, and names in small letters", certificate(t, x509.Certificate{}, o, cn), []string{`cn=alice, o=x\2c y`}, `cn=alice, o=x\2c y`},
		{"another order", certificate(t, x509.Certificate{}, o, ou, cn), []string{`OU=u,CN=alice,O=x\, y`}, `OU=u,CN=alice,O=x\, y`},
		{"the right order goes first", certificate(t, x509.Certificate{}, o, cn), []string{`O=x\, y,CN=alice`, `CN=alice,O=x\, y`}, `CN=alice,O=x\, y`},
		{"domain components", certificate(t, x509.Certificate{}, dc1, dc2, cn), []string{"CN=alice,DC=acme,DC=com"}, "CN=alice,DC=acme,DC=com"},
		{"another value", certificate(t, x509.Certificate{}, cn), []string{"CN=Alice"}, ""},
		{"an attribute without a name", certificate(t, x509.Certificate{}, cn, attribute("z", 1, 2, 3)), []string{"CN=alice"}, "CN=alice"},
		{"nothing", certificate(t, x509.Certificate{}), []string{"CN=alice"}, ""},
		{"no certificate", nil, []string{"CN=alice"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{MapCertificates: true}
			for _, n := range tt.users {
				c.Users = append(c.Users, User{Name: n})
			}
			// What the client calls itself does not count.
			id, err := mustUsers(t, c).Authenticate(Credentials{User: tt.users[0], Certificate: tt.cert})
			got := ""
			if err == nil {
				got = id.User
			}
			if got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// A user with a password needs that beside the certificate, and one with a key needs none.
func TestCertificateAndSecrets(t *testing.T) {
	cert := certificate(t, x509.Certificate{DNSNames: []string{"a"}})
	pair, public := key(t)
	signature, err := pair.Sign([]byte("n"))
	if err != nil {
		t.Fatal(err)
	}
	u := mustUsers(t, Config{MapCertificates: true, NoAuthUser: "b", Users: []User{{Name: "a", Password: "p"}, {Name: "b"}, {NKey: public}}})
	for _, tt := range []struct {
		creds Credentials
		ok    bool
	}{
		{Credentials{Certificate: cert, Password: "p"}, true},
		{Credentials{Certificate: cert}, false},
		{Credentials{User: "a", Password: "p"}, false},
		{Credentials{}, false},
		{Credentials{NKey: public, Nonce: "n", Signature: base64url(signature)}, true},
	} {
		if _, err := u.Authenticate(tt.creds); (err == nil) != tt.ok {
			t.Errorf("%+v: got %v", tt.creds, err)
		}
	}
}

func TestParseName(t *testing.T) {
	for _, tt := range []struct {
		text string
		want distinguishedName
	}{
		{"CN=a", distinguishedName{{"CN=a"}}},
		{"cn = a b , O=c", distinguishedName{{"CN=a b"}, {"O=c"}}},
		{"OU=b+CN=a,O=", distinguishedName{{"CN=a", "OU=b"}, {"O="}}},
		{`CN=a\ ,O=\"x\"`, distinguishedName{{"CN=a "}, {`O="x"`}}},
		{`CN=\c3\a4=`, distinguishedName{{"CN=ä="}}},
		{"", nil}, {"alice", nil}, {"CN=a,", nil}, {"=a", nil}, {"a,CN=b", nil}, {`CN=\`, nil}, {`CN=\x`, nil}, {`CN=\zz`, nil}, {"CN=#04", nil},
	} {
		got, ok := parseName(tt.text)
		if ok != (tt.want != nil) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %q, %t", tt.text, got, ok)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"CN=a,O=x\\, y", "cn=a + ou=b", `CN=\c3\a4\`, "CN=#04", "=,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, ok := parseName(text)
		if ok != (len(name) > 0) || !name.equal(name) || ok && !name.sorted().equal(name.sorted()) {
			t.Errorf("%q: got %q, %t", text, name, ok)
		}
	})
}
