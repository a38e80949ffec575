package command

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/node/certs/certtest"
)

// rewrite replaces the content of a file, all at once.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	path := configure(t, `http: "127.0.0.1:-1"
		max_payload: 1KB
		pid_file: "`+file("pid1")+`"
		logfile: "`+file("log1")+`"
		authorization { users: [ { user: a, password: s3cret }, { user: b, password: s3cret } ] }`)
	s := startServer(t, "-c", path, "--max_connections", "50")
	monitoring := s.urls.Monitoring[0]
	gone := make(chan struct{})
	for _, user := range []string{"a", "b"} {
		nc, err := nats.Connect(s.url(), nats.UserInfo(user, "s3cret"), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) {
			if user == "b" {
				close(gone)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	var varz struct {
		MaxPayload  int    `json:"max_payload"`
		Digest      string `json:"config_digest"`
		Loaded      string `json:"config_load_time"`
		Connections int    `json:"connections"`
	}
	look := func() {
		t.Helper()
		if _, body := fetch(t, monitoring+"/varz"); json.Unmarshal([]byte(body), &varz) != nil {
			t.Fatal(body)
		}
	}
	look()
	first := varz

	rewrite(t, path, `http: "127.0.0.1:-1"
		http_base_path: /x
		prof_port: -1
		max_payload: 2KB
		max_connections: 7
		pid_file: "`+file("pid2")+`"
		logfile: "`+file("log2")+`"
		debug: true
		authorization { users: [ { user: a, password: s3cret } ] }`)
	s.signal(syscall.SIGHUP)
	eventually(t, "the settings are reloaded", func() bool {
		return exists(file("log2")) && strings.Contains(readFile(t, file("log2")), "Reloaded server configuration (sha256:")
	})
	log := readFile(t, file("log2"))
	for _, line := range []string{
		"Reloaded: max_payload = 2048 (was 1024)\n", "Reloaded: debug = true (was false)\n", "Reloaded: authorization (changed)\n",
		"Reloaded: prof_port = -1 (was 0)\n", "[DBG]", "Reloaded: pid_file = " + file("pid2"),
	} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no line %q", line)
		}
	}
	if strings.Contains(log, "max_connections") {
		t.Error("a flag yields to the file")
	}
	<-gone
	monitoring += "/x"
	eventually(t, "one client is left", func() bool { look(); return varz.Connections == 1 })
	if varz.MaxPayload != 2048 || varz.Digest == first.Digest || !strings.HasPrefix(varz.Digest, "sha256:") || varz.Loaded <= first.Loaded {
		t.Errorf("/varz says %+v, and before %+v", varz, first)
	}
	if exists(file("pid1")) || !exists(file("pid2")) {
		t.Error("the pid file is not where it should be")
	}
	var urls portURLs
	if err := json.Unmarshal([]byte(readFile(t, s.ports)), &urls); err != nil || len(urls.Profile) != 1 || urls.Monitoring[0]+"/x" != monitoring {
		t.Errorf("the ports file has %+v, %v", urls, err)
	}
	if got := greeting(t, s.url()); !strings.Contains(got, `"max_payload":2048`) {
		t.Errorf("the greeting is %q", got)
	}

	// What cannot be had changes nothing, not even the log.
	digest := varz.Digest
	for text, want := range map[string]string{
		"max_paylod: 1":                              path + `:1:1: unknown key "max_paylod", did you mean max_payload?`,
		"server_name: x":                             path + ":1:1: name: it cannot change from",
		"debug: true\nmax_payload: 100MB":            path + ":2:1: max_payload: 104857600 exceeds max_pending",
		"logfile: \"/nowhere/log\"":                  path + ":1:1: log: cannot write /nowhere/log",
		"http: 127.0.0.1:" + s.port():                path + ":1:1: http_port: " + s.port() + " is in use",
		"admin_socket: \"/tmp/x\"":                   path + ":1:1: admin_socket: it cannot change while the server runs",
		"authorization { password: 53735373537353 }": "authorization.password: has to be a text",
	} {
		rewrite(t, path, text)
		status, _, stderr := runCommand("", "reload", "--node", s.port())
		if status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%q: status %d, %q; want %q", text, status, stderr, want)
		}
		if !strings.Contains(readFile(t, file("log2")), "[ERR] Failed to reload server configuration: ") {
			t.Error("the log does not say that the reload failed")
		}
	}
	look()
	if varz.Digest != digest || varz.MaxPayload != 2048 {
		t.Errorf("/varz says %+v", varz)
	}
	if exists(file("log3")) {
		t.Error("a log was opened")
	}

	rewrite(t, path, "max_payload: 3KB\nhttp_base_path: x\nlogfile: \""+file("log2")+"\"")
	status, stdout, stderr := runCommand("", "reload", "--node", s.port())
	if status != 0 || !strings.Contains(stdout, "max_payload = 3072 (was 2048)\n") || !strings.Contains(stdout, "pid_file = - (was ") ||
		!strings.HasSuffix(stdout, "options changed\n") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	if exists(file("pid2")) {
		t.Error("the pid file is still there")
	}
	if response, err := http.Get(monitoring + "/varz"); err == nil {
		response.Body.Close()
		t.Error("monitoring is still there")
	}
	if everything := readFile(t, file("log1")) + readFile(t, file("log2")); strings.Contains(everything, "s3cret") || strings.Contains(everything, "53735373537353") {
		t.Error("the log has a secret")
	}
	s.signal(syscall.SIGTERM)
	if status := s.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if left, _ := os.ReadDir(s.dir); len(left) > 0 {
		t.Errorf("the ports directory still has %v", left)
	}
}

func TestReloadWithoutFile(t *testing.T) {
	s := startServer(t, "--logtime=false")
	s.signal(syscall.SIGHUP)
	eventually(t, "the server answers the hangup", func() bool {
		return strings.Contains(s.err.String(), "[INF] Reloaded server configuration\n")
	})
	greeting(t, s.url())
}

func TestReloadBySignal(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	s := startServer(t, "-P", pid)
	if status := startProcess(t, "--signal", "reload="+pid).wait(); status != 0 {
		t.Fatalf("status %d", status)
	}
	eventually(t, "the server reloads", func() bool { return strings.Contains(s.err.String(), "Reloaded server configuration") })
}

func TestReloadKeysOfGossip(t *testing.T) {
	generate := func() string {
		_, stdout, _ := runCommand("", "keys", "generate")
		return stdout
	}
	file := filepath.Join(t.TempDir(), "key")
	rewrite(t, file, generate())
	members := startMembers(t, 2, "--gossip_key", file)
	before := members[1].order("keys", "list")
	rewrite(t, file, generate())
	if got := members[0].order("reload"); !strings.Contains(got, "cluster.gossip (keys) (changed)") {
		t.Errorf("reload says %q", got)
	}
	eventually(t, "both have the new key alone", func() bool {
		list := members[1].order("keys", "list")
		return list != before && strings.Count(list, "2 of 2") == 1 && strings.Count(list, "\n") == 2
	})
}

func TestReloadOfCertificates(t *testing.T) {
	a, first := certificates(t)
	second, err := a.Issue("second", nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	rewrite(t, cert, readFile(t, first.CertFile))
	rewrite(t, key, readFile(t, first.KeyFile))
	s := startServer(t, "-c", configure(t, `tls { cert_file: "`+cert+`", key_file: "`+key+`" }`))
	name := func() string {
		t.Helper()
		nc, err := nats.Connect(s.url(), nats.RootCAs(a.CAFile))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		state, err := nc.TLSConnectionState()
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "server" {
		t.Errorf("the certificate is that of %q", got)
	}
	rewrite(t, cert, readFile(t, second.CertFile))
	if status, _, stderr := runCommand("", "reload", "--node", s.port()); status != 1 || !strings.Contains(stderr, "tls: ") {
		t.Errorf("half a certificate: status %d, %q", status, stderr)
	}
	if got := name(); got != "server" {
		t.Errorf("after a failure the certificate is that of %q", got)
	}
	rewrite(t, key, readFile(t, second.KeyFile))
	if _, stdout, stderr := runCommand("", "reload", "--node", s.port()); !strings.Contains(stdout, "tls (certificates) (changed)") {
		t.Errorf("got %q, %q", stdout, stderr)
	}
	if got := name(); got != "second" {
		t.Errorf("the certificate is that of %q", got)
	}
}

func TestReloadOfAuthorities(t *testing.T) {
	a, server := certificates(t)
	b, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca")
	rewrite(t, ca, readFile(t, a.CAFile))
	s := startServer(t, "-c", configure(t, `tls { cert_file: "`+server.CertFile+`", key_file: "`+server.KeyFile+`", ca_file: "`+ca+`" }`))
	if got := s.order("reload"); strings.Contains(got, "authorities") {
		t.Errorf("reload says %q, nothing has changed", got)
	}
	rewrite(t, ca, readFile(t, b.CAFile))
	if got := s.order("reload"); !strings.Contains(got, "tls (authorities) (changed)") || strings.Contains(got, "certificates") {
		t.Errorf("reload says %q", got)
	}
}

func TestWarningOfOutdatedCertificates(t *testing.T) {
	a, _ := certificates(t)
	now := time.Now()
	old, err := a.Issue("old", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	early, err := a.Issue("early", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(time.Hour), now.Add(2*time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	path := configure(t, `tls { cert_file: "`+old.CertFile+`", key_file: "`+old.KeyFile+`" }
		cluster { port: -1, tls { cert_file: "`+early.CertFile+`", key_file: "`+early.KeyFile+`", ca_file: "`+a.CAFile+`" } }`)
	status, _, stderr := runCommand("", "-t", "-c", path)
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{
		path + `:1:1: tls: the certificate of "CN=old" has expired on ` + now.Add(-time.Hour).UTC().Format(time.DateTime),
		path + `:2:23: cluster.tls: the certificate of "CN=early" is not valid before ` + now.Add(time.Hour).UTC().Format(time.DateTime),
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %q", want, stderr)
		}
	}
}

func TestReloadWithRoutesAndJoin(t *testing.T) {
	a := startMember(t, "a", nil)
	text := `cluster { name: x, host: "127.0.0.1", port: -1, gossip { profile: local }, %s }`
	path := configure(t, fmt.Sprintf(text, "no_advertise: false"))
	b := startServer(t, "-c", path, "-n", "b", "-m", "-1")
	rewrite(t, path, fmt.Sprintf(text, `join: [ "`+strings.TrimPrefix(a.urls.Cluster[0], "nats://")+`" ]`))
	if got := b.order("reload"); !strings.Contains(got, "cluster.join = [127.0.0.1:") {
		t.Errorf("reload says %q", got)
	}
	eventually(t, "the servers find each other", func() bool { return len(b.routes()) == 1 })
}
