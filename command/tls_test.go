package command

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoal/node/certs"
	"shoal/node/certs/certtest"
	"shoal/node/monitor"
)

// certificates returns an authority, and a certificate of it for servers and clients.
func certificates(t *testing.T) (*certtest.Authority, certtest.Certificate) {
	t.Helper()
	a, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue("server", nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

func TestTLSFlags(t *testing.T) {
	a, c := certificates(t)
	s := startServer(t, "--tlscert", c.CertFile, "--tlskey", c.KeyFile, "--tlscacert", a.CAFile, "--tlsverify", "--https_port", "-1")
	if !strings.HasPrefix(s.url(), "tls://") || !strings.HasPrefix(s.urls.Monitoring[0], "https://") {
		t.Fatalf("URLs %+v", s.urls)
	}
	t.Setenv("SHOAL_URL", s.url())
	secure := []string{"--tlscacert", a.CAFile, "--tlscert", c.CertFile, "--tlskey", c.KeyFile}
	echo := startProcess(t, append([]string{"reply", "time", "noon"}, secure...)...)
	echo.waitFor("Answering requests on time")
	if out, _ := mustRun(t, "", append([]string{"request", "time", "now", "--raw"}, secure...)...); out != "noon\n" {
		t.Errorf("the reply is %q", out)
	}
	mustRun(t, "", append([]string{"bench", "x", "--msgs", "1000", "--subs", "1"}, secure...)...)
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "its certificate is not trusted"},
		{secure[:2], "certificate required"},
		{[]string{"--tlscacert", "/nowhere"}, "--tlscacert: open /nowhere"},
		{[]string{"--tlscert", c.CertFile}, "--tlskey: it is missing"},
	} {
		status, _, stderr := runCommand("", append([]string{"pub", "a", "b"}, test.args...)...)
		if status != 1 || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: status %d, %q, want %q", test.args, status, stderr, test.want)
		}
	}

	authorities, err := certs.Authorities(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport, Timeout: patience}).Get(s.urls.Monitoring[0] + "/varz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var varz monitor.Varz
	if err := json.NewDecoder(r.Body).Decode(&varz); err != nil || varz.HTTPSPort == 0 || varz.HTTPPort != 0 {
		t.Errorf("http_port %d, https_port %d, %v", varz.HTTPPort, varz.HTTPSPort, err)
	}
}

func TestTLSFirst(t *testing.T) {
	a, c := certificates(t)
	file := filepath.Join(t.TempDir(), "server.conf")
	content := "tls { cert_file: \"" + c.CertFile + "\", key_file: \"" + c.KeyFile + "\", handshake_first: true }\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "-c", file)
	mustRun(t, "", "pub", "a", "b", "--tlsfirst", "--tlscacert", a.CAFile, "-s", s.url())
	mustRun(t, "", "bench", "x", "--msgs", "1000", "--subs", "1", "--tlsfirst", "--tlscacert", a.CAFile, "-s", s.url())

	plain := startServer(t, "-c", file, "--tls=false")
	mustRun(t, "", "pub", "a", "b", "-s", plain.url())
	status, _, stderr := runCommand("", "pub", "a", "b", "--tlscacert", a.CAFile, "-s", plain.url())
	if status != 1 || !strings.Contains(stderr, "secure connection not available") {
		t.Errorf("TLS to a server without: status %d, %q", status, stderr)
	}
}

func TestTLSFlagErrors(t *testing.T) {
	_, c := certificates(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls"}, "--tlscert: it is missing"},
		{[]string{"--tlscert", c.CertFile}, "--tlskey: it is missing"},
		{[]string{"--tlscert", c.CertFile, "--tlskey", c.CertFile}, "--tlskey: " + c.CertFile + " has no private key"},
		{[]string{"--tlsverify"}, "--tlscert: it is missing"},
		{[]string{"--https_port", "-1"}, "--https_port: it needs the certificate"},
		{[]string{"--https_port", "-1", "-m", "-1", "--tlscert", c.CertFile, "--tlskey", c.KeyFile}, "--https_port: there is an http_port"},
	} {
		status, _, stderr := runCommand("", append([]string{"-a", "127.0.0.1", "-p", "-1"}, test.args...)...)
		if status != 1 || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: status %d, %q, want %q", test.args, status, stderr, test.want)
		}
	}
}
