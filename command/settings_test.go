package command

import (
	"net/url"
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
	return s
}

func TestFlags(t *testing.T) {
	tests := []struct {
		args   string
		change func(s *settings)
	}{
		{"", func(s *settings) {}},
		{"-p 4333", func(s *settings) { s.node.Port = 4333 }},
		{"--p=4333", func(s *settings) { s.node.Port = 4333 }},
		{"-port 4333", func(s *settings) { s.node.Port = 4333 }},
		{"--port=-1", func(s *settings) { s.node.Port = node.RandomPort }},
		{"-p 1 -p 2", func(s *settings) { s.node.Port = 2 }},
		{"-a ::1", func(s *settings) { s.node.Host = "::1" }},
		{"--net h", func(s *settings) { s.node.Host = "h" }},
		{"-addr h", func(s *settings) { s.node.Host = "h" }},
		{"-n a", func(s *settings) { s.node.ServerName = "a" }},
		{"--server_name a", func(s *settings) { s.node.ServerName = "a" }},
		{"--name a", func(s *settings) { s.node.ServerName = "a" }},
		{"--client_advertise h:1", func(s *settings) { s.node.ClientAdvertise = "h:1" }},
		{"-P f", func(s *settings) { s.pidFile = "f" }},
		{"--pid f", func(s *settings) { s.pidFile = "f" }},
		{"--ports_file_dir d", func(s *settings) { s.portsDir = "d" }},
		{"-sl term=7", func(s *settings) { s.signal = "term=7" }},
		{"--signal quit", func(s *settings) { s.signal = "quit" }},
		{"-m 8222 --profile -1", func(s *settings) { s.httpPort, s.profilePort = 8222, node.RandomPort }},
		{"--http_port 8222", func(s *settings) { s.httpPort = 8222 }},
		{"-l f", func(s *settings) { s.logFile = "f" }},
		{"--log f --log_format json", func(s *settings) { s.logFile, s.logFormat = "f", "json" }},
		{"-T=false", func(s *settings) { s.logTime = false }},
		{"--logtime=0", func(s *settings) { s.logTime = false }},
		{"-D", func(s *settings) { s.debug = true }},
		{"-V", func(s *settings) { s.trace = true }},
		{"-VV", func(s *settings) { s.trace = true }},
		{"-DV", func(s *settings) { s.both = true }},
		{"-DVV", func(s *settings) { s.both = true }},
		{"--debug --trace", func(s *settings) { s.debug, s.trace = true, true }},
		{"--max_traced_msg_len 10", func(s *settings) { s.node.MaxTracedPayload = 10 }},
		{"--user u --pass p --auth_timeout 5", func(s *settings) {
			s.auth = login{User: "u", Password: "p"}
			s.node.AuthTimeout = 5 * time.Second
		}},
		{"--auth t", func(s *settings) { s.auth.Token = "t" }},
		{"--max_connections 5 --max_subscriptions 6 --max_subscription_tokens 7", func(s *settings) {
			s.node.MaxConnections, s.node.MaxSubscriptions, s.node.MaxSubscriptionTokens = 5, 6, 7
		}},
		{"--max_control_line 8KB --max_payload 2mb --max_pending 1GiB --pending_budget 4G", func(s *settings) {
			s.node.MaxControlLine, s.node.MaxPayload = 8<<10, 2<<20
			s.node.MaxPending, s.node.PendingBudget = 1<<30, 4e9
		}},
		{"--write_deadline 1500ms --ping_interval 2.5 --ping_max 3", func(s *settings) {
			s.node.WriteDeadline, s.node.PingInterval, s.node.MaxPingsOut = 1500*time.Millisecond, 2500*time.Millisecond, 3
		}},
		{"-cluster nats://localhost:6222 -routes nats://localhost:6222,nats://localhost:6333", func(s *settings) {
			s.node.Cluster.Host, s.node.Cluster.Port = "localhost", 6222
			s.node.Cluster.Routes = []*url.URL{{Scheme: "nats", Host: "localhost:6222"}, {Scheme: "nats", Host: "localhost:6333"}}
		}},
		{"--cluster=nats://:7000", func(s *settings) { s.node.Cluster.Host, s.node.Cluster.Port = node.DefaultHost, 7000 }},
		{"--cluster_listen nats://127.0.0.1:-1/", func(s *settings) {
			s.node.Cluster.Host, s.node.Cluster.Port = "127.0.0.1", node.RandomPort
		}},
		{"-cluster_listen=nats://a:b%40,c@:-1", func(s *settings) {
			s.node.Cluster.Host, s.node.Cluster.Port = node.DefaultHost, node.RandomPort
			s.node.Cluster.User, s.node.Cluster.Password = "a", "b@,c"
		}},
		{"--cluster nats-route://[::1] --cluster_name east --cluster_advertise h:1 --no_advertise", func(s *settings) {
			s.node.Cluster.Host, s.node.Cluster.Port = "::1", node.DefaultClusterPort
			s.node.Cluster.Name, s.node.Cluster.Advertise, s.node.Cluster.NoAdvertise = "east", "h:1", true
		}},
		{"--cluster h:7000 --routes a,b:1, --routes=nats://u:p@c", func(s *settings) {
			s.node.Cluster.Host, s.node.Cluster.Port = "h", 7000
			s.node.Cluster.Routes = []*url.URL{{Scheme: "nats", Host: "a"}, {Scheme: "nats", Host: "b:1"},
				{Scheme: "nats", Host: "c", User: url.UserPassword("u", "p")}}
		}},
		{"--pool_size 3 --compression s2_fast", func(s *settings) {
			s.node.Cluster.PoolSize, s.node.Cluster.Compression = 3, "s2_fast"
		}},
		{"-connect_retries 5 --ready_timeout 1 -lame_duck_duration 3s -lame_duck_grace_period=1s", func(s *settings) {
			s.node.Cluster.ConnectRetries, s.node.Cluster.ReadyTimeout = 5, time.Second
			s.node.LameDuckDuration, s.node.LameDuckGrace = 3*time.Second, time.Second
		}},
		{"--cluster h:1 --join a,b:7000, --join nats://c,srv://d.e,::1,[::1]:1 --gossip_profile wan", func(s *settings) {
			s.node.Cluster.Host, s.node.Cluster.Port = "h", 1
			s.node.Cluster.Join = []string{"a", "b:7000", "nats://c", "srv://d.e", "::1", "[::1]:1"}
			s.node.Cluster.GossipProfile = membership.WAN
		}},
		{"--gossip_key f --state_dir d --no_gossip", func(s *settings) {
			s.gossipKeyFile, s.node.Cluster.StateDir, s.node.Cluster.NoGossip = "f", "d", true
		}},
		{"--admin_socket off", func(s *settings) { s.adminSocket = "off" }},
		{"--no_fast_producer_stall --no_header_support", func(s *settings) {
			s.node.NoFastProducerStall, s.node.NoHeaders = true, true
		}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			want := newSettings()
			want.node.Host, want.logFormat, want.logTime = node.DefaultHost, "text", true
			want.node.Cluster.Compression = node.CompressionOff
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
	if got, want := parseSettings(t, "").auth, (login{User: "u", Password: "p"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := parseSettings(t, "--pass flag").auth.Password; got != "flag" {
		t.Errorf("the flag lost against the environment: %q", got)
	}
	t.Setenv("SHOAL_AUTH", "t")
	if got := parseSettings(t, "").auth.Token; got != "t" {
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
