package command

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"shoal/membership"
	"shoal/node"
	"shoal/node/auth"
)

func parseSettings(t *testing.T, args string) *settings {
	t.Helper()
	s := newSettings()
	app := &cli.App{Flags: s.flags(), Action: func(*cli.Context) error { return nil }, OnUsageError: usageError}
	if err := app.Run(append([]string{"shoal"}, strings.Fields(args)...)); err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	s.settle()
	return s
}

func TestFlags(t *testing.T) {
	tests := []struct {
		args   string
		change func(s *settings)
	}{
		{"", func(s *settings) {}},
		{"-p 4333", func(s *settings) { s.Node.Port = 4333 }},
		{"--p=4333", func(s *settings) { s.Node.Port = 4333 }},
		{"-port 4333", func(s *settings) { s.Node.Port = 4333 }},
		{"--port=-1", func(s *settings) { s.Node.Port = node.RandomPort }},
		{"-p 1 -p 2", func(s *settings) { s.Node.Port = 2 }},
		{"-a ::1", func(s *settings) { s.Node.Host = "::1" }},
		{"--net h", func(s *settings) { s.Node.Host = "h" }},
		{"-addr h", func(s *settings) { s.Node.Host = "h" }},
		{"-n a", func(s *settings) { s.Node.ServerName = "a" }},
		{"--server_name a", func(s *settings) { s.Node.ServerName = "a" }},
		{"--name a", func(s *settings) { s.Node.ServerName = "a" }},
		{"--client_advertise h:1", func(s *settings) { s.Node.ClientAdvertise = "h:1" }},
		{"-P f", func(s *settings) { s.PIDFile = "f" }},
		{"--pid f", func(s *settings) { s.PIDFile = "f" }},
		{"--ports_file_dir d", func(s *settings) { s.PortsDir = "d" }},
		{"-sl term=7", func(s *settings) { s.signal = "term=7" }},
		{"--signal quit", func(s *settings) { s.signal = "quit" }},
		{"-m 8222 --profile -1", func(s *settings) { s.Monitor.Port, s.ProfilePort = 8222, node.RandomPort }},
		{"--http_port 8222", func(s *settings) { s.Monitor.Port = 8222 }},
		{"-l f", func(s *settings) { s.Log.File = "f" }},
		{"--log f --log_size_limit 1MB --syslog -r udp://h:1", func(s *settings) {
			s.Log.File, s.Log.SizeLimit, s.Log.Syslog, s.Log.RemoteSyslog = "f", 1<<20, true, "udp://h:1"
		}},
		{"--log f --log_format json", func(s *settings) { s.Log.File, s.Log.Format = "f", "json" }},
		{"-T=false", func(s *settings) { s.Log.Time = false }},
		{"--logtime=0", func(s *settings) { s.Log.Time = false }},
		{"-D", func(s *settings) { s.Log.Debug = true }},
		{"-V", func(s *settings) { s.Log.Trace = true }},
		{"-VV", func(s *settings) { s.Log.Trace = true }},
		{"-DV", func(s *settings) { s.both, s.Log.Debug, s.Log.Trace = true, true, true }},
		{"-DVV", func(s *settings) { s.both, s.Log.Debug, s.Log.Trace = true, true, true }},
		{"--debug --trace", func(s *settings) { s.Log.Debug, s.Log.Trace = true, true }},
		{"--max_traced_msg_len 10", func(s *settings) { s.Node.MaxTracedPayload = 10 }},
		{"--user u --pass p --auth_timeout 5", func(s *settings) {
			s.login = login{User: "u", Password: "p"}
			s.Auth.User, s.Auth.Password = "u", "p"
			s.Node.AuthTimeout = 5 * time.Second
		}},
		{"--auth t", func(s *settings) { s.login.Token, s.Auth.Token = "t", "t" }},
		{"--max_connections 5 --max_subscriptions 6 --max_subscription_tokens 7", func(s *settings) {
			s.Node.MaxConnections, s.Node.MaxSubscriptions, s.Node.MaxSubscriptionTokens = 5, 6, 7
		}},
		{"--max_control_line 8KB --max_payload 2mb --max_pending 1GiB --pending_budget 4G", func(s *settings) {
			s.Node.MaxControlLine, s.Node.MaxPayload = 8<<10, 2<<20
			s.Node.MaxPending, s.Node.PendingBudget = 1<<30, 4e9
		}},
		{"--write_deadline 1500ms --ping_interval 2.5 --ping_max 3", func(s *settings) {
			s.Node.WriteDeadline, s.Node.PingInterval, s.Node.MaxPingsOut = 1500*time.Millisecond, 2500*time.Millisecond, 3
		}},
		{"-cluster nats://localhost:6222 -routes nats://localhost:6222,nats://localhost:6333", func(s *settings) {
			s.Node.Cluster.Host, s.Node.Cluster.Port = "localhost", 6222
			s.Node.Cluster.Routes = []*url.URL{{Scheme: "nats", Host: "localhost:6222"}, {Scheme: "nats", Host: "localhost:6333"}}
		}},
		{"--cluster=nats://:7000", func(s *settings) { s.Node.Cluster.Host, s.Node.Cluster.Port = node.DefaultHost, 7000 }},
		{"--cluster_listen nats://127.0.0.1:-1/", func(s *settings) {
			s.Node.Cluster.Host, s.Node.Cluster.Port = "127.0.0.1", node.RandomPort
		}},
		{"-cluster_listen=nats://a:b%40,c@:-1", func(s *settings) {
			s.Node.Cluster.Host, s.Node.Cluster.Port = node.DefaultHost, node.RandomPort
			s.Node.Cluster.User, s.Node.Cluster.Password = "a", "b@,c"
		}},
		{"--cluster nats-route://[::1] --cluster_name east --cluster_advertise h:1 --no_advertise", func(s *settings) {
			s.Node.Cluster.Host, s.Node.Cluster.Port = "::1", node.DefaultClusterPort
			s.Node.Cluster.Name, s.Node.Cluster.Advertise, s.Node.Cluster.NoAdvertise = "east", "h:1", true
		}},
		{"--cluster h:7000 --routes a,b:1, --routes=nats://u:p@c", func(s *settings) {
			s.Node.Cluster.Host, s.Node.Cluster.Port = "h", 7000
			s.Node.Cluster.Routes = []*url.URL{{Scheme: "nats", Host: "a"}, {Scheme: "nats", Host: "b:1"},
				{Scheme: "nats", Host: "c", User: url.UserPassword("u", "p")}}
		}},
		{"--pool_size 3 --compression s2_fast", func(s *settings) {
			s.Node.Cluster.PoolSize, s.Node.Cluster.Compression = 3, "s2_fast"
		}},
		{"-connect_retries 5 --ready_timeout 1 -lame_duck_duration 3s -lame_duck_grace_period=1s", func(s *settings) {
			s.Node.Cluster.ConnectRetries, s.Node.Cluster.ReadyTimeout = 5, time.Second
			s.Node.LameDuckDuration, s.Node.LameDuckGrace = 3*time.Second, time.Second
		}},
		{"--cluster h:1 --join a,b:7000, --join nats://c,srv://d.e,::1,[::1]:1 --gossip_profile wan", func(s *settings) {
			s.Node.Cluster.Host, s.Node.Cluster.Port = "h", 1
			s.Node.Cluster.Join = []string{"a", "b:7000", "nats://c", "srv://d.e", "::1", "[::1]:1"}
			s.Node.Cluster.GossipProfile = membership.WAN
		}},
		{"--gossip_key f --state_dir d --no_gossip", func(s *settings) {
			s.GossipKeyFile, s.Node.Cluster.StateDir, s.Node.Cluster.NoGossip = "f", "d", true
		}},
		{"--ws_port 8080 --ws_no_tls --ws_origins https://a,https://b --ws_compression", func(s *settings) {
			s.web = node.WebSocketOptions{Port: 8080, NoTLS: true, AllowedOrigins: []string{"https://a", "https://b"}, Compression: true}
			s.Node.WebSocket = &s.web
		}},
		{"--admin_socket off", func(s *settings) { s.AdminSocket = "off" }},
		{"--no_fast_producer_stall --no_header_support", func(s *settings) {
			s.Node.NoFastProducerStall, s.Node.NoHeaders = true, true
		}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			want := newSettings()
			tt.change(want)
			if got := parseSettings(t, tt.args); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestSecretsFromEnvironment(t *testing.T) {
	t.Setenv("SHOAL_USER", "u")
	t.Setenv("SHOAL_PASS", "p")
	if got, want := parseSettings(t, "").login, (login{User: "u", Password: "p"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := parseSettings(t, "--pass flag").login.Password; got != "flag" {
		t.Errorf("the flag lost against the environment: %q", got)
	}
	t.Setenv("SHOAL_AUTH", "t")
	if got := parseSettings(t, "").login.Token; got != "t" {
		t.Errorf("got token %q", got)
	}
}

func TestAuthenticatorIsNilWithoutFlags(t *testing.T) {
	if a, err := parseSettings(t, "").authenticator(); a != nil || err != nil {
		t.Errorf("got %v, %v", a, err)
	}
	a, err := parseSettings(t, "--auth t").authenticator()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(auth.Credentials{Token: "t"}); err != nil {
		t.Errorf("the token is refused: %v", err)
	}
}

// The library hands the value of one alias to the others as text.
func TestValuesReadWhatTheyWrite(t *testing.T) {
	for _, n := range []int{1, 1000, 1023, 1 << 10, 1536, 1 << 20, 1<<20 + 1, 1 << 30, 3 << 30} {
		var got int
		if err := (sizeValue{&got, 1 << 40}).Set(sizeValue{&n, 0}.String()); err != nil || got != n {
			t.Errorf("size %d is read as %d, %v", n, got, err)
		}
	}
	for _, d := range []time.Duration{time.Nanosecond, 1500 * time.Millisecond, time.Minute, 90 * time.Second, time.Hour, 25 * time.Hour} {
		var got time.Duration
		if err := (durationValue{&got}).Set(durationValue{&d}.String()); err != nil || got != d {
			t.Errorf("duration %v is read as %v, %v", d, got, err)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		"7": 7, "7B": 7, "1k": 1000, "1KB": 1024, "1 KiB": 1024, "2M": 2e6, "2mb": 2 << 20, "1G": 1e9, " 5 ": 5,
	} {
		var got int
		if err := (sizeValue{&got, 1 << 40}).Set(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "MB", "0", "-1", "1.5MB", "1e3", "99999999999999999999", "9999999999GB", "1KBB"} {
		got := 42
		if err := (sizeValue{&got, 1 << 40}).Set(text); err == nil || got != 42 {
			t.Errorf("%q is %d, %v; want an error", text, got, err)
		}
	}
}

func TestSystemUser(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pass")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, []byte("$2a$11$short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, variable, want string }{
		{"--sys_user sys", "secret", ""},
		{"--sys_user sys --sys_pass_file " + file, "", ""},
		{"--sys_user sys --sys_pass_file " + file, "other", ""},
		{"--sys_user sys --user u --pass p", "secret", ""},
		{"--sys_user sys --auth t", "secret", ""},
		{"--sys_user sys", "", "--sys_user: needs a password, in the file of --sys_pass_file or in SHOAL_SYS_PASS"},
		{"--sys_user sys --sys_pass_file " + empty, "", "--sys_pass_file: " + empty + " is empty"},
		{"--sys_user sys --sys_pass_file " + dir + "/no", "", "--sys_pass_file: cannot read " + dir + "/no: no such file or directory"},
		{"--sys_user sys --sys_pass_file " + damaged, "", `--sys_user: user "sys": password: looks like a bcrypt hash but is damaged`},
		{"--sys_pass_file " + file, "", "--sys_pass_file: needs --sys_user as well"},
		{"--sys_user u --user u --pass p", "secret", `--sys_user: there is a user "u" already, choose another name`},
	} {
		t.Setenv(systemPasswordVariable, tt.variable)
		s := parseSettings(t, tt.args)
		s.settle()
		err := s.prepare(slog.New(slog.DiscardHandler))
		if got := fmt.Sprint(err); got != tt.want && (tt.want != "" || err != nil) {
			t.Errorf("%s: got %v, want %q", tt.args, err, tt.want)
		}
		if err != nil {
			continue
		}
		id, err := s.Node.Authenticator.Authenticate(auth.Credentials{User: "sys", Password: "secret"})
		if err != nil || id.Account != node.SystemAccount {
			t.Errorf("%s: the system user is %v, %v", tt.args, id, err)
		}
	}
}
