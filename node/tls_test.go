package node

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shoal/node/auth"
	"shoal/node/certs"
	"shoal/node/certs/certtest"
	"shoal/wire"
)

// pki are certificates for one test.
type pki struct {
	t         testing.TB
	authority *certtest.Authority
	server    certtest.Certificate
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	a, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &pki{t: t, authority: a}
	p.server = p.issue("server")
	return p
}

func (p *pki) issue(name string) certtest.Certificate {
	p.t.Helper()
	c, err := p.authority.Issue(name, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// options returns the options of a node with that certificate, and what tune changes of the files.
func (p *pki) options(tune func(*certs.Files)) *TLSOptions {
	p.t.Helper()
	f := certs.Files{CertFile: p.server.CertFile, KeyFile: p.server.KeyFile, CAFile: p.authority.CAFile}
	if tune != nil {
		tune(&f)
	}
	s, err := certs.Load(f)
	if err != nil {
		p.t.Fatal(err)
	}
	return NewTLSOptions(s)
}

// client returns the settings of a client, with the certificate of that name unless it is empty.
func (p *pki) client(name string) *tls.Config {
	p.t.Helper()
	text, err := os.ReadFile(p.authority.CAFile)
	if err != nil {
		p.t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	config.RootCAs.AppendCertsFromPEM(text)
	if name != "" {
		c := p.issue(name)
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			p.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

// plain connects without TLS and returns INFO.
func plain(t testing.TB, n *Node) (net.Conn, wire.ServerInfo) {
	t.Helper()
	nc := bare(t, n)
	return nc, readInfo(t, nc)
}

func bare(t testing.TB, n *Node) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", n.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// readInfo reads the line with INFO byte by byte, so that nothing behind it is lost.
func readInfo(t testing.TB, r io.Reader) wire.ServerInfo {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); line = append(line, b...) {
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatalf("INFO: %v after %q", err, line)
		}
	}
	var info wire.ServerInfo
	if err := json.Unmarshal(bytes.TrimPrefix(line, []byte("INFO ")), &info); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return info
}

// secureDial connects as most clients do: the handshake comes after INFO.
func secureDial(t testing.TB, n *Node, config *tls.Config, send string) *peer {
	t.Helper()
	nc, info := plain(t, n)
	if !info.TLSRequired && !info.TLSAvailable {
		t.Fatalf("INFO has nothing of TLS: %+v", info)
	}
	return asPeer(t, tls.Client(nc, config), send)
}

// asPeer is newPeer for a connection whose INFO has been read.
func asPeer(t testing.TB, nc net.Conn, send string) *peer {
	t.Helper()
	p := &peer{t, nc, bufio.NewReaderSize(nc, 64<<10)}
	p.send(send)
	return p
}

func TestTLS(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(nil)})
	if !strings.HasPrefix(n.ClientURL(), "tls://") {
		t.Errorf("URL %q", n.ClientURL())
	}
	nc, info := plain(t, n)
	nc.Close()
	if !info.TLSRequired || info.TLSAvailable || info.TLSVerify {
		t.Errorf("INFO %+v", info)
	}
	sub := secureDial(t, n, p.client(""), quiet+"SUB foo 1\r\nPING\r\n")
	sub.want("PONG\r\n")
	pub := secureDial(t, n, p.client(""), quiet+"PUB foo 5\r\nhello\r\nPING\r\n")
	pub.want("PONG\r\n")
	sub.want(message("foo", "1", "hello"))
}

// TestTLSVersions has both versions deliver messages of all sizes, in one record, many, or parts of them.
func TestTLSVersions(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(nil)})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			config := p.client("")
			config.MaxVersion = version
			sub := secureDial(t, n, config, quiet+"SUB foo 1\r\nPING\r\n")
			sub.want("PONG\r\n")
			pub := secureDial(t, n, config, quiet)
			var sizes []int
			for size := 0; size <= 1<<20; size = size*3 + 1 {
				sizes = append(sizes, size)
			}
			sizes = append(sizes, 16<<10, 48<<10, 1<<20)
			for i, size := range sizes {
				payload := bytes.Repeat([]byte{byte('a' + i)}, size)
				go pub.send(fmt.Sprintf("PUB foo %d\r\n%s\r\n", size, payload))
				sub.want(message("foo", "1", string(payload)))
			}
		})
	}
}

// TestTLSBackPressure has a client read only when much more is waiting for it than its socket holds.
func TestTLSBackPressure(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(nil)})
	sub := secureDial(t, n, p.client(""), quiet+"SUB foo 1\r\nPING\r\n")
	sub.want("PONG\r\n")
	pub := secureDial(t, n, p.client(""), quiet)
	const messages = 20_000
	payload := strings.Repeat("x", 1000)
	var batch strings.Builder
	for i := range messages {
		fmt.Fprintf(&batch, "PUB foo 1010\r\n%010d%s\r\n", i, payload)
	}
	pub.send(batch.String() + "PING\r\n")
	pub.want("PONG\r\n")
	for i := range messages {
		sub.want(message("foo", "1", fmt.Sprintf("%010d%s", i, payload)))
	}
}

// TestTLSManyToMany has several publishers meet receivers whose sockets are full most of the time, so that
// whoever writes finds bytes of others.
func TestTLSManyToMany(t *testing.T) {
	p := newPKI(t)
	for _, tune := range []func(*Node){wide(1), wide(wideFanOut)} {
		n := startNode(t, Options{TLS: p.options(nil)}, tune)
		const publishers, receivers, messages = 4, 3, 2000
		var subs []*peer
		for range receivers {
			nc, _ := plain(t, n)
			nc.(*net.TCPConn).SetReadBuffer(128 << 10)
			s := asPeer(t, tls.Client(nc, p.client("")), quiet+"SUB foo 1\r\n")
			s.sync()
			subs = append(subs, s)
		}
		var wg sync.WaitGroup
		for i := range publishers {
			pub := secureDial(t, n, p.client(""), quiet)
			wg.Go(func() {
				for k := range messages {
					payload := fmt.Sprintf("%d %d %s", i, k, strings.Repeat("x", k*37%3000))
					fmt.Fprintf(pub.nc, "PUB foo %d\r\n%s\r\n", len(payload), payload)
				}
			})
		}
		for _, s := range subs {
			wg.Go(func() {
				var next [publishers]int
				for range publishers * messages {
					s.nc.SetReadDeadline(time.Now().Add(patience))
					line, err := s.r.ReadString('\n')
					var size, from, number int
					if _, bad := fmt.Sscanf(line, "MSG foo 1 %d", &size); bad != nil {
						t.Errorf("got %q, %v", line, err)
						return
					}
					payload := make([]byte, size+2)
					if _, err := io.ReadFull(s.r, payload); err != nil {
						t.Errorf("payload: %v", err)
						return
					}
					if _, err := fmt.Sscan(string(payload), &from, &number); err != nil || number != next[from] {
						t.Errorf("message %d of publisher %d where %d was next, %v", number, from, next[from], err)
						return
					}
					next[from]++
				}
			})
		}
		wg.Wait()
	}
}

// TestTLSSilence has many clients not begin their handshakes.
func TestTLSSilence(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.Timeout = patience })})
	for range 200 {
		plain(t, n)
	}
	secureDial(t, n, p.client(""), quiet).sync()
}

func TestTLSSlowConsumer(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(nil), MaxPending: 1 << 20, MaxPayload: 1 << 20})
	sub := secureDial(t, n, p.client(""), quiet+"SUB foo 1\r\nPING\r\n")
	sub.want("PONG\r\n")
	pub := secureDial(t, n, p.client(""), quiet)
	message := fmt.Sprintf("PUB foo %d\r\n%s\r\n", 1<<19, strings.Repeat("x", 1<<19))
	eventually(t, "the slow client to be closed", func() bool {
		pub.send(message)
		return n.Stats().SlowConsumers == 1
	})
}

// TestTLSWanted has clients that do not do as the node wants it.
func TestTLSWanted(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.Timeout = 200 * time.Millisecond })})
	t.Run("plain CONNECT", func(t *testing.T) {
		nc, _ := plain(t, n)
		io.WriteString(nc, quiet+"PING\r\n")
		if rest, err := io.ReadAll(nc); len(rest) > 0 {
			t.Errorf("%q, %v", rest, err)
		}
	})
	t.Run("silence", func(t *testing.T) {
		nc, _ := plain(t, n)
		if rest, err := io.ReadAll(nc); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
	t.Run("old version", func(t *testing.T) {
		nc, _ := plain(t, n)
		config := p.client("")
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if err := tls.Client(nc, config).Handshake(); err == nil {
			t.Error("the handshake has succeeded")
		}
	})
	eventually(t, "everybody to be gone", func() bool { return n.Stats().Connections == 0 })
}

func TestTLSVerify(t *testing.T) {
	p := newPKI(t)
	pinned := p.client("pinned")
	hash := p.issue("other").Pin
	users, err := auth.New(auth.Config{MapCertificates: true, Users: []auth.User{{Name: "CN=alice"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		tune   func(*certs.Files)
		users  Authenticator
		config *tls.Config
		want   string // empty: the handshake fails
	}{
		{"no certificate", func(f *certs.Files) { f.Verify = true }, nil, p.client(""), ""},
		{"certificate", func(f *certs.Files) { f.Verify = true }, nil, p.client("anybody"), "PONG"},
		{"mapped", func(f *certs.Files) { f.VerifyAndMap = true }, users, p.client("alice"), "PONG"},
		{"mapped to nobody", func(f *certs.Files) { f.VerifyAndMap = true }, users, p.client("bob"), "-ERR 'Authorization Violation'"},
		{"from another authority", func(f *certs.Files) { f.Verify = true }, nil, newPKI(t).client("alice"), ""},
		{"not pinned", func(f *certs.Files) { f.Verify, f.PinnedCerts = true, []string{hash} }, nil, pinned, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			node := startNode(t, Options{TLS: p.options(test.tune), Authenticator: test.users})
			nc, info := plain(t, node)
			if !info.TLSVerify {
				t.Error("INFO lacks tls_verify")
			}
			test.config.RootCAs = p.client("").RootCAs
			secure := tls.Client(nc, test.config)
			io.WriteString(secure, quiet+"PING\r\n")
			answer := make([]byte, max(1, len(test.want)))
			n, err := io.ReadFull(secure, answer)
			if string(answer[:n]) != test.want {
				t.Errorf("%q, %v, want %q", answer[:n], err, test.want)
			}
		})
	}
	t.Run("pinned", func(t *testing.T) {
		c := p.issue("good")
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		n := startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.Verify, f.PinnedCerts = true, []string{c.Pin} })})
		config := p.client("")
		config.Certificates = []tls.Certificate{pair}
		secureDial(t, n, config, quiet+"PING\r\n").want("PONG\r\n")
	})
}

func TestTLSHandshakeFirst(t *testing.T) {
	p := newPKI(t)
	first := func(t *testing.T, n *Node) {
		secure := tls.Client(bare(t, n), p.client(""))
		if info := readInfo(t, secure); !info.TLSRequired || info.TLSAvailable != n.options().TLS.AllowPlain {
			t.Errorf("INFO %+v", info)
		}
		asPeer(t, secure, quiet+"PING\r\n").want("PONG\r\n")
	}
	t.Run("only", func(t *testing.T) {
		node := func(timeout time.Duration) *Node {
			return startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.HandshakeFirst, f.Timeout = true, timeout })})
		}
		first(t, node(patience))
		if rest, err := io.ReadAll(bare(t, node(100*time.Millisecond))); len(rest) > 0 || err != nil {
			t.Errorf("without a handshake: %q, %v", rest, err)
		}
	})
	t.Run("with a delay", func(t *testing.T) {
		node := func(delay time.Duration) *Node {
			return startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.HandshakeFirst, f.HandshakeDelay = true, delay })})
		}
		first(t, node(patience))
		secureDial(t, node(20*time.Millisecond), p.client(""), quiet+"PING\r\n").want("PONG\r\n")
	})
	t.Run("with a delay, or plain", func(t *testing.T) {
		node := func(delay time.Duration) *Node {
			return startNode(t, Options{TLS: p.options(func(f *certs.Files) {
				f.HandshakeFirst, f.HandshakeDelay, f.AllowPlain = true, delay, true
			})})
		}
		nc, info := plain(t, node(20*time.Millisecond))
		if info.TLSRequired || !info.TLSAvailable {
			t.Errorf("INFO %+v", info)
		}
		asPeer(t, nc, quiet+"PING\r\n").want("PONG\r\n")
		first(t, node(patience))
	})
}

func TestTLSAllowPlain(t *testing.T) {
	p := newPKI(t)
	node := func(timeout time.Duration) *Node {
		return startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.AllowPlain, f.Timeout = true, timeout })})
	}
	n := node(patience)
	sub := dial(t, n, quiet+"SUB foo 1\r\nPING\r\n")
	sub.want("PONG\r\n")
	secureDial(t, n, p.client(""), quiet+"PUB foo 2\r\nhi\r\nPING\r\n").want("PONG\r\n")
	sub.want(message("foo", "1", "hi"))
	// Whoever takes longer than a handshake may has to be plain.
	late := dial(t, node(100*time.Millisecond), "")
	late.nc.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := late.r.ReadByte(); !isTimeout(err) {
		t.Fatalf("a silent client: %v", err)
	}
	late.nc.SetReadDeadline(time.Time{})
	late.send(quiet + "PING\r\n")
	late.want("PONG\r\n")
}

func TestTLSRateLimit(t *testing.T) {
	p := newPKI(t)
	n := startNode(t, Options{TLS: p.options(func(f *certs.Files) { f.RateLimit = 1 })})
	eventually(t, "a connection to be refused", func() bool {
		nc, _ := plain(t, n)
		defer nc.Close()
		err := tls.Client(nc, p.client("")).Handshake()
		var record tls.RecordHeaderError
		return errors.As(err, &record) && string(record.RecordHeader[:]) == "-ERR "
	})
}

// TestTLSNewCertificate changes the certificate under a node that runs.
func TestTLSNewCertificate(t *testing.T) {
	p := newPKI(t)
	var current atomic.Pointer[tls.Config]
	opts := p.options(nil)
	current.Store(opts.Config())
	n := startNode(t, Options{TLS: &TLSOptions{Config: current.Load}})
	serial := func() string {
		nc, _ := plain(t, n)
		secure := tls.Client(nc, p.client(""))
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		return secure.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	old := secureDial(t, n, p.client(""), quiet)
	if name := serial(); name != "server" {
		t.Errorf("certificate of %q", name)
	}
	p.server = p.issue("renewed")
	current.Store(p.options(nil).Config())
	if name := serial(); name != "renewed" {
		t.Errorf("certificate of %q", name)
	}
	old.send("PING\r\n")
	old.want("PONG\r\n")
}

// TestTLSShutdown stops a node while clients are in all stages.
func TestTLSShutdown(t *testing.T) {
	p := newPKI(t)
	for _, tune := range []func(*certs.Files){
		nil,
		func(f *certs.Files) { f.HandshakeFirst = true },
		func(f *certs.Files) { f.HandshakeFirst, f.HandshakeDelay = true, patience },
		func(f *certs.Files) { f.AllowPlain = true },
	} {
		opts := p.options(tune)
		opts.Timeout = patience
		n := startNode(t, Options{TLS: opts})
		silent := bare(t, n)
		eventually(t, "the client", func() bool { return n.Stats().Connections == 1 })
		var connected *peer
		if !opts.HandshakeFirst {
			connected = secureDial(t, n, p.client(""), quiet+"PING\r\n")
			connected.want("PONG\r\n")
		}
		begun := time.Now()
		if err := n.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d > patience/2 {
			t.Errorf("it took %v to stop", d)
		}
		if _, err := io.ReadAll(silent); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("silent client: %v", err)
		}
		if connected != nil {
			if _, err := io.ReadAll(connected.r); err != nil {
				t.Errorf("a client does not learn that nothing was cut off: %v", err)
			}
		}
	}
}
