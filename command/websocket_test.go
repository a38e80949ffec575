package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// echoOver checks that a client can do something at a URL.
func echoOver(t *testing.T, url string, options ...nats.Option) {
	t.Helper()
	nc, err := nats.Connect(url, append(options, nats.Timeout(patience))...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Subscribe("a", func(m *nats.Msg) { m.Respond(m.Data) }); err != nil {
		t.Fatal(err)
	}
	if m, err := nc.Request("a", []byte("b"), patience); err != nil || string(m.Data) != "b" {
		t.Errorf("%s: the reply is %+v, %v", url, m, err)
	}
}

func TestWebSocketFlags(t *testing.T) {
	s := startServer(t, "--ws_port", "-1", "--ws_no_tls", "--ws_compression")
	if len(s.urls.WebSocket) != 1 || !strings.HasPrefix(s.urls.WebSocket[0], "ws://127.0.0.1:") {
		t.Fatalf("URLs %+v", s.urls)
	}
	echoOver(t, s.urls.WebSocket[0], nats.Compression(true))

	a, c := certificates(t)
	s = startServer(t, "--ws_port", "-1", "--tlscert", c.CertFile, "--tlskey", c.KeyFile)
	if len(s.urls.WebSocket) != 1 || !strings.HasPrefix(s.urls.WebSocket[0], "wss://127.0.0.1:") {
		t.Fatalf("URLs %+v", s.urls)
	}
	echoOver(t, s.urls.WebSocket[0], nats.RootCAs(a.CAFile))
}

// TestWebSocketFile has WebSocket clients log in otherwise, and encrypted, where others are not.
func TestWebSocketFile(t *testing.T) {
	a, c := certificates(t)
	file := filepath.Join(t.TempDir(), "server.conf")
	content := `websocket { port: -1, no_auth_user: guest, tls { cert_file: "` + c.CertFile + `", key_file: "` + c.KeyFile + `" } }
		authorization { users: [ { user: guest, password: g }, { user: u, password: p } ] }`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "-c", file, "--sys_user", "sys", "--sys_pass_file", password)
	echoOver(t, s.urls.WebSocket[0], nats.RootCAs(a.CAFile))
	echoOver(t, s.urls.WebSocket[0], nats.RootCAs(a.CAFile), nats.UserInfo("sys", "s3cret"))
	if _, err := nats.Connect(s.url()); err == nil {
		t.Error("others need no user either")
	}
}

func TestWebSocketErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.conf")
	content := "websocket { port: -1 }\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"--ws_port 8080", "--ws_port: there is no certificate, give --tlscert and --tlskey, or --ws_no_tls to serve clients in clear"},
		{"--ws_no_tls", "--ws_port: 0 is not a port"},
		{"--ws_port 8080 --ws_no_tls --ws_origins example.com", `--ws_origins: "example.com" is not an origin, write it like https://example.com`},
		{"--ws_port 8080 --ws_no_tls --ws_advertise a:b", `--ws_advertise: "b" is not a port`},
		{"-c " + file, file + ":1:1: websocket tls: there is no certificate; configure one, or no_tls to serve clients in clear"},
		{"-c " + file + " --ws_no_tls --ws_host 192.0.2.1", "--ws_host: 192.0.2.1 is not an address of this machine"},
	} {
		args := append([]string{"-a", "127.0.0.1", "-p", "-1"}, strings.Fields(test.args)...)
		status, _, stderr := runCommand("", args...)
		if status != 1 || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: status %d, %q, want %q", test.args, status, stderr, test.want)
		}
	}
}
