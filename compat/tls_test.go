package compat

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/mesh"
	"shoal/node/certs/certtest"
)

// authority returns what issues the certificates of a test.
func authority(t *testing.T) *certtest.Authority {
	t.Helper()
	a, err := certtest.New(t.TempDir())
	must(t, err)
	return a
}

func issue(t *testing.T, a *certtest.Authority, name string) certtest.Certificate {
	t.Helper()
	c, err := a.Issue(name, nil)
	must(t, err)
	return c
}

// TestTLSClients has clients of all kinds meet servers of all kinds.
func TestTLSClients(t *testing.T) {
	a, others := authority(t), authority(t)
	server, alice, bob := issue(t, a, "server"), issue(t, a, "alice"), issue(t, a, "bob")
	stranger := issue(t, others, "alice")
	trust := nats.RootCAs(a.CAFile)
	clients := []struct {
		name    string
		options []nats.Option
	}{
		{"plain", nil},
		{"without authority", []nats.Option{nats.Secure()}},
		{"TLS", []nats.Option{trust}},
		{"TLS 1.2", []nats.Option{trust, upTo(tls.VersionTLS12)}},
		{"alice", []nats.Option{trust, nats.ClientCert(alice.CertFile, alice.KeyFile)}},
		{"bob", []nats.Option{trust, nats.ClientCert(bob.CertFile, bob.KeyFile)}},
		{"stranger", []nats.Option{trust, nats.ClientCert(stranger.CertFile, stranger.KeyFile)}},
		{"first", []nats.Option{trust, nats.TLSHandshakeFirst()}},
	}
	for name, config := range map[string]string{
		"required":        `tls { %s }`,
		"1.3":             `tls { %s, min_version: "1.3" }`,
		"1.2 suites":      `tls { %s, cipher_suites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"], curve_preferences: ["CurveP384"] }`,
		"verify":          `tls { %s, verify: true }`,
		"pinned":          `tls { %s, verify: true, pinned_certs: ["` + bob.Pin + `"] }`,
		"map":             `tls { %s, verify_and_map: true }` + "\n" + `authorization { users: [{user: "CN=alice"}] }`,
		"map with rules":  `tls { %s, verify_and_map: true }` + "\n" + `authorization { users: [{user: "CN=alice", permissions: {publish: "b"}}, {user: "CN=bob"}] }`,
		"plain as well":   `tls { %s, timeout: 1 }` + "\nallow_non_tls: true",
		"first":           `tls { %s, handshake_first: true }`,
		"first or later":  `tls { %s, handshake_first: "300ms" }`,
		"first or plain":  `tls { %s, handshake_first: auto }` + "\nallow_non_tls: true",
		"users":           `tls { %s }` + "\nauthorization { user: u, password: p }",
		"several":         `tls { certs: [{cert_file: "` + server.CertFile + `", key_file: "` + server.KeyFile + `"}] }`,
		"silence is cut":  `tls { %s, timeout: 0.3 }`,
		"rate of clients": `tls { %s, connection_rate_limit: 1000 }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(config, "%s") {
				files := fmt.Sprintf("cert_file: %q, key_file: %q, ca_file: %q", server.CertFile, server.KeyFile, a.CAFile)
				config = fmt.Sprintf(config, files)
			}
			compareRuns(t, broker.Settings{"config": config + "\n"}, func(t *testing.T, server *broker.Server, note func(string, ...any)) {
				for _, c := range clients {
					note("%s: %s", c.name, useTLS(server, c.options))
				}
				silent := strings.Contains(name, "silence")
				note("a plain CONNECT: %s", talkPlain(server, "CONNECT {}\r\nPING\r\n", silent))
				note("something else: %s", talkPlain(server, "GET / HTTP/1.0\r\n\r\n", silent))
				if silent {
					note("silence: %s", talkPlain(server, "", silent))
				}
			})
		})
	}
}

// upTo has a client use no later version of TLS.
func upTo(version uint16) nats.Option {
	return func(o *nats.Options) error {
		o.TLSConfig.MaxVersion = version
		return nil
	}
}

// useTLS connects, publishes, and tells what that was like.
func useTLS(server *broker.Server, options []nats.Option) string {
	refused := make(chan error, 10)
	options = append(slices.Clone(options), nats.Timeout(patience), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	nc, err := nats.Connect(server.URL(), options...)
	if err != nil {
		return plainWords(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync(">")
	if err != nil {
		return err.Error()
	}
	if err := errors.Join(nc.Publish("a", make([]byte, 100_000)), nc.FlushTimeout(patience)); err != nil {
		return err.Error()
	}
	secure := "in clear"
	if state, err := nc.TLSConnectionState(); err == nil {
		secure = tls.VersionName(state.Version) + " " + state.CurveID.String()
		if state.Version == tls.VersionTLS12 {
			secure += " " + tls.CipherSuiteName(state.CipherSuite)
		}
	}
	got := "no message"
	if msg, err := sub.NextMsg(time.Second); err == nil {
		got = fmt.Sprintf("%d bytes", len(msg.Data))
	}
	select {
	case err := <-refused:
		got += ", " + err.Error()
	default:
	}
	return secure + ", " + got
}

// plainWords is an error without what differs from run to run.
func plainWords(err error) string {
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "EOF") || errors.Is(err, nats.ErrAuthorization) {
		return "refused" // by an error, an alert, a reset or an end, which is a matter of time
	}
	return err.Error()
}

// talkPlain says something without TLS, and returns what the server says until it closes the connection,
// but of INFO only what is about TLS. It waits for the end only if it is to come.
func talkPlain(server *broker.Server, text string, ends bool) string {
	nc, err := net.Dial("tcp", server.Addr)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	wait := time.Second
	if ends {
		wait = patience
	}
	if err := nc.SetDeadline(time.Now().Add(wait)); err != nil {
		return err.Error()
	}
	if _, err := io.WriteString(nc, text); err != nil {
		return err.Error()
	}
	var said []string
	r := bufio.NewReader(nc)
	for {
		line, err := r.ReadString('\n')
		if strings.HasPrefix(line, "INFO ") {
			said = append(said, "INFO")
			for _, field := range []string{"tls_required", "tls_verify", "tls_available", "auth_required"} {
				if strings.Contains(line, `"`+field+`":true`) {
					said[len(said)-1] += " " + field
				}
			}
			line = ""
		}
		if line != "" {
			said = append(said, line)
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return fmt.Sprintf("%q, and waits", said)
		}
		if err != nil {
			return fmt.Sprintf("%q, and the end", said)
		}
	}
}

// TestMeshTLS has servers of both kinds, all with certificates, be one cluster.
func TestMeshTLS(t *testing.T) {
	t.Parallel()
	a := authority(t)
	node := issue(t, a, "node")
	forKinds(t, []string{"ns", "sn", "nss", "snn", "sss"}, func(t *testing.T, kinds string) {
		for _, more := range []string{"", "compression: s2_fast"} {
			t.Run(more, func(t *testing.T) {
				m := startMesh(t, mesh.Options{Kinds: kinds, Topology: mesh.Seed, SharedConfig: fmt.Sprintf(
					"cluster { tls { cert_file: %q, key_file: %q, ca_file: %q }, pool_size: -1, %s }",
					node.CertFile, node.KeyFile, a.CAFile, more)})
				clients := connectNodes(t, m.Nodes)
				subs := make([]*nats.Subscription, len(clients))
				for i, nc := range clients {
					subs[i] = subscribe(t, nc, "all")
				}
				settle(t, m, clients...)
				for _, nc := range clients {
					must(t, nc.Publish("all", make([]byte, 100_000)))
				}
				for _, sub := range subs {
					for range clients {
						next(t, sub)
					}
				}
			})
		}
	})
}
