// Package certtest makes certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority issues certificates, and keeps them as files in one directory.
type Authority struct {
	// CAFile is the file with the certificate of the authority.
	CAFile string
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

// Certificate says where a certificate is.
type Certificate struct {
	CertFile, KeyFile string
	// Pin is the hash of its public key, as it is pinned.
	Pin string
}

// New makes an authority whose files are in dir.
func New(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, key: key, CAFile: filepath.Join(dir, "ca.pem")}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "authority of tests"},
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := a.sign(template, template, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, write(a.CAFile, "CERTIFICATE", der)
}

// Issue makes a certificate for 127.0.0.1 and localhost, of which name is the common name and that of the
// files. change, unless it is nil, changes the certificate before it is signed.
func (a *Authority) Issue(name string, change func(*x509.Certificate)) (Certificate, error) {
	c := Certificate{CertFile: filepath.Join(a.dir, name+".pem"), KeyFile: filepath.Join(a.dir, name+"-key.pem")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := a.sign(template, a.cert, &key.PublicKey)
	if err != nil {
		return c, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return c, err
	}
	hash := sha256.Sum256(public)
	c.Pin = hex.EncodeToString(hash[:])
	if err := write(c.CertFile, "CERTIFICATE", der); err != nil {
		return c, err
	}
	return c, write(c.KeyFile, "PRIVATE KEY", private)
}

// sign makes a certificate that is valid for a day, unless it says something else.
func (a *Authority) sign(template, parent *x509.Certificate, public *ecdsa.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	return x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
}

func write(file, blockType string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}), 0o600)
}
