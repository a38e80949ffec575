package command

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"shoal/node/certs"
)

// tlsFlags are what flags, and a file before them, say about TLS for clients.
type tlsFlags struct {
	on    bool
	files certs.Files
}

// tlsFlags returns the flags of the server that are about TLS.
func (s *settings) tlsFlags() []cli.Flag {
	t := &s.tls
	if s.TLS != nil {
		*t = tlsFlags{true, *s.TLS}
	}
	f := &t.files
	return []cli.Flag{
		&cli.BoolFlag{Category: categoryTLS, Name: "tls",
			Usage: "encrypt the connections of clients, as the other flags here do as well; --tls=false has a file not do it",
			Value: t.on, Destination: &t.on},
		&cli.StringFlag{Category: categoryTLS, Name: "tlscert",
			Usage: "`FILE` with the certificate of the server, and those that lead to its authority", Value: f.CertFile, Destination: &f.CertFile},
		&cli.StringFlag{Category: categoryTLS, Name: "tlskey",
			Usage: "`FILE` with the private key of that", Value: f.KeyFile, Destination: &f.KeyFile},
		&cli.BoolFlag{Category: categoryTLS, Name: "tlsverify",
			Usage: "have clients present a certificate", Value: f.Verify, Destination: &f.Verify},
		&cli.StringFlag{Category: categoryTLS, Name: "tlscacert",
			Usage: "`FILE` with the authorities of certificates of clients", DefaultText: "those of the system", Value: f.CAFile, Destination: &f.CAFile},
	}
}

// settleTLS has the fields of Settings be what the flags ask for.
func (s *settings) settleTLS() {
	t, f := &s.tls, &s.tls.files
	switch {
	case s.TLS != nil && !t.on:
		s.TLS = nil
		s.Auth.MapCertificates = false
	case t.on, f.CertFile != "", f.KeyFile != "", f.CAFile != "", f.Verify:
		s.TLS = f
	}
}

// tlsError names the flags where an error of certs.Load is not about a file with settings.
func (s *settings) tlsError(err error) error {
	if _, inFile := s.Where("tls"); inFile {
		return s.place(fmt.Errorf("tls: %w", err))
	}
	return errors.New(tlsFlagNames.Replace(err.Error()))
}

// tlsFlagNames turns the names of options into those of flags.
var tlsFlagNames = strings.NewReplacer("cert_file:", "--tlscert:", "key_file:", "--tlskey:", "ca_file:", "--tlscacert:")

// clientTLS is how the client commands use TLS.
type clientTLS struct {
	certFile, keyFile, caFile string
	first                     bool
}

// flags returns the flags of the client commands that are about TLS.
func (t *clientTLS) flags(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Category: category, Name: "tlscacert",
			Usage: "`FILE` with the authorities of the server's certificate", DefaultText: "those of the system", Destination: &t.caFile},
		&cli.StringFlag{Category: category, Name: "tlscert",
			Usage: "`FILE` with a certificate to present", Destination: &t.certFile},
		&cli.StringFlag{Category: category, Name: "tlskey",
			Usage: "`FILE` with the private key of that", Destination: &t.keyFile},
		&cli.BoolFlag{Category: category, Name: "tlsfirst",
			Usage: "begin with the handshake, as some servers want it", Destination: &t.first},
	}
}

// options returns what the library is to know of that.
func (t *clientTLS) options() ([]nats.Option, error) {
	if *t == (clientTLS{}) {
		return nil, nil // the library finds out whether the server wants TLS
	}
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	options := []nats.Option{nats.Secure(config)} // a server without TLS is an error now
	if t.first {
		options = append(options, nats.TLSHandshakeFirst())
	}
	return options, nil
}

// config returns the settings of a connection.
func (t *clientTLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.caFile != "" {
		authorities, err := certs.Authorities(t.caFile)
		if err != nil {
			return nil, fmt.Errorf("--tlscacert: %w", err)
		}
		config.RootCAs = authorities
	}
	if t.certFile == "" && t.keyFile == "" {
		return config, nil
	}
	source, err := certs.Load(certs.Files{CertFile: t.certFile, KeyFile: t.keyFile})
	if err != nil {
		return nil, errors.New(tlsFlagNames.Replace(err.Error()))
	}
	config.Certificates = source.Config().Certificates
	return config, nil
}

// withTLS returns a listener that encrypts connections as current says at their beginning. Nobody has to
// present a certificate.
func withTLS(listener net.Listener, current func() *tls.Config) net.Listener {
	return tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config := current()
			if config == nil {
				return nil, errors.New("there is no certificate any more")
			}
			config = config.Clone()
			config.ClientAuth = tls.NoClientCert
			return config, nil
		}})
}
