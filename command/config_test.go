package command

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// configure writes a configuration file, and returns its path.
func configure(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shoal.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsOverrideFile(t *testing.T) {
	path := configure(t, `
		port: 4333, host: "1.2.3.4", server_name: file, max_payload: 5KB, debug: true, logtime: false, pid_file: p
		cluster { port: 6333, name: file, routes: [ nats://a:1, nats://b:1 ], join: [ c ], pool_size: 3, no_advertise: true }
		authorization { user: u, password: p }
		http: "h:8222"`)
	s, warnings, err := readSettings(path, false, strings.Fields(
		"-c x -p 4444 --name flag -l log --routes nats://d:1 --routes e --max_payload 6KB --pool_size 0 -D=false --auth t"))
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	o, c := &s.Node, &s.Node.Cluster
	if o.Port != 4444 || o.Host != "1.2.3.4" || o.ServerName != "flag" || o.MaxPayload != 6<<10 || s.Log.Debug || s.Log.Time ||
		s.PIDFile != "p" || s.Log.File != "log" || s.monitorHost() != "h" || s.Monitor.Port != 8222 {
		t.Errorf("got %+v", s.Settings)
	}
	if c.Port != 6333 || c.Name != "file" || len(c.Routes) != 2 || c.Routes[0].Host != "d:1" || len(c.Join) != 1 || c.PoolSize != 0 || !c.NoAdvertise {
		t.Errorf("got %+v", c)
	}
	if s.Auth.Token != "t" || s.Auth.User != "" || s.Auth.Password != "" {
		t.Errorf("got %+v", s.Auth)
	}
	if at, ok := s.Where("host"); !ok || at.Line != 2 {
		t.Errorf("host is at %v", at)
	}
	if at, ok := s.Where("max_payload"); ok {
		t.Errorf("max_payload is at %v, but a flag has set it", at)
	}
}

func TestEnvironmentYieldsToUsersOfFile(t *testing.T) {
	t.Setenv("SHOAL_USER", "me")
	t.Setenv("SHOAL_PASS", "mine")
	s, _, err := readSettings(configure(t, "authorization { token: x }"), false, nil)
	if err != nil || s.Auth.Token != "x" || s.Auth.User != "" {
		t.Errorf("got %+v, %v", s.Auth, err)
	}
	s, _, err = readSettings(configure(t, "port: 4333"), false, nil)
	if err != nil || s.Auth.User != "me" {
		t.Errorf("got %+v, %v", s.Auth, err)
	}
}

func TestConfigIsTested(t *testing.T) {
	good := configure(t, "port: 4333\naccounts { A { users: [ { user: a, password: b } ] } }")
	status, stdout, stderr := runCommand("", "-c", good, "-t")
	if want := "shoal: configuration file " + good + " is valid (sha256:"; status != 0 || !strings.HasPrefix(stdout, want) || stderr != "" {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	for _, tt := range []struct{ text, want string }{
		{"max_paylod: 1\nprot: 4222", "FILE:1:1: unknown key \"max_paylod\", did you mean max_payload?\nshoal: FILE:2:1: unknown key"},
		{"jetstream {}", "FILE:1:1: jetstream: shoal has no JetStream; remove it, or start with --ignore_unsupported\n"},
		{"port: 4222\nmax_payload: 65MB", "FILE:2:1: max_payload: 68157440 exceeds max_pending (67108864)\n"},
		{"accounts { A { imports: [ { stream: {account: B, subject: x} } ] } }", "FILE:1:12: account \"A\": import of \"x\""},
		{"authorization { user: a, password: 5 }", "FILE:1:26: authorization.password: has to be a text"},
		{"cluster { gossip { key_file: /nowhere } }", "FILE:1:20: gossip_key: cannot read /nowhere: no such file"},
	} {
		path := configure(t, tt.text)
		status, stdout, stderr := runCommand("", "-t", "--config", path)
		if want := "shoal: " + strings.ReplaceAll(tt.want, "FILE", path); status != 1 || !strings.HasPrefix(stderr, want) || stdout != "" {
			t.Errorf("status %d, %q, %q\nwant %q", status, stdout, stderr, want)
		}
	}
	path := configure(t, "jetstream {}")
	status, stdout, stderr = runCommand("", "-t", "--config", path, "--ignore_unsupported")
	if status != 0 || !strings.Contains(stdout, "is valid") || !strings.HasPrefix(stderr, "shoal: "+path+":1:1: jetstream: shoal has no JetStream: ignored") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	if status, _, stderr := runCommand("", "-t"); status != 1 || !strings.Contains(stderr, "-t: needs --config") {
		t.Errorf("status %d, %q", status, stderr)
	}
	if status, _, stderr := runCommand("", "-c", "/nowhere"); status != 1 || stderr != "shoal: /nowhere: cannot be read: no such file or directory\n" {
		t.Errorf("status %d, %q", status, stderr)
	}
}

func TestServerWithConfig(t *testing.T) {
	path := configure(t, `
		server_name: configured
		http: "127.0.0.1:-1"
		http_base_path: /a
		max_traced_msg_len: 5 # which the server may say
		lame_duck_duration: 60
		authorization { users: [ { user: u, password: p, permissions: { publish: "ok.>" } } ] }`)
	s := startServer(t, "-c", path)
	if got := greeting(t, s.url()); !strings.Contains(got, `"server_name":"configured"`) || !strings.Contains(got, `"auth_required":true`) {
		t.Errorf("the greeting is %q", got)
	}
	if status, _ := fetch(t, s.urls.Monitoring[0]+"/a/varz"); status != http.StatusOK {
		t.Errorf("/a/varz has status %d", status)
	}
	if status, body := fetch(t, s.urls.Monitoring[0]+"/a"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("/a has status %d", status)
	}
	if status, _ := fetch(t, s.urls.Monitoring[0]+"/varz"); status != http.StatusNotFound {
		t.Errorf("/varz has status %d", status)
	}
	url := strings.Replace(s.url(), "nats://", "nats://u:p@", 1)
	if status, _, stderr := runCommand("", "pub", "-s", url, "ok.a", "x"); status != 0 {
		t.Errorf("publishing fails: %s", stderr)
	}
	if status, _, _ := runCommand("", "pub", "-s", s.url(), "ok.a", "x"); status == 0 {
		t.Error("publishing without a password works")
	}
	s.signal(syscall.SIGTERM)
	if status := s.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if want := path + ":6:3: lame_duck_duration: a plain number is taken as seconds"; !strings.Contains(s.err.String(), want) {
		t.Errorf("the log has no warning %q", want)
	}
}

func TestOptionsKeepTheirPlaces(t *testing.T) {
	s, _, err := readSettings(configure(t, "cluster { port: 7000\nname: _x\npool_size: 3 }\nmappings { a: b }"), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for option, line := range map[string]int{"cluster": 1, `account "$G"`: 4, "cluster_name": 2, "pool_size": 3} {
		if at, ok := s.Where(option); !ok || at.Line != line {
			t.Errorf("%s is at %v", option, at)
		}
	}
}
