package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"shoal/membership"
	"shoal/node"
	"shoal/node/auth"
	"shoal/node/certs"
)

// write stores a configuration in a directory of the test, and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) *Settings {
	t.Helper()
	s, _, err := Load(write(t, "shoal.conf", text), false)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return s
}

func TestLoad(t *testing.T) {
	const (
		nkey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
		hash = "$2a$11$3kIDaCxw.Glsl1.u5nKa6eUnNDLV5HV9tIuUp7EHhMt6Nm9myW1aS"
	)
	tests := []struct {
		text   string
		change func(s *Settings)
	}{
		{"", func(*Settings) {}},
		{"# a comment\n// and another\n", func(*Settings) {}},
		{"port: 4333", func(s *Settings) { s.Node.Port = 4333 }},
		{"PORT = 4333", func(s *Settings) { s.Node.Port = 4333 }},
		{`{"port": 4333, "server_name": "a"}`, func(s *Settings) { s.Node.Port, s.Node.ServerName = 4333, "a" }},
		{"port -1", func(s *Settings) { s.Node.Port = node.RandomPort }},
		{"P = 4333\nport: $P", func(s *Settings) { s.Node.Port = 4333 }},
		{"port: $TEST_PORT", func(s *Settings) { s.Node.Port = 4444 }},
		{"listen: 4333", func(s *Settings) { s.Node.Port = 4333 }},
		{"listen: 127.0.0.1:4333", func(s *Settings) { s.Node.Host, s.Node.Port = "127.0.0.1", 4333 }},
		{`listen: "[::1]:-1"`, func(s *Settings) { s.Node.Host, s.Node.Port = "::1", -1 }},
		{"listen: 0.0.0.0:4333\nport: 4333", func(s *Settings) { s.Node.Port = 4333 }},
		{"net: h", func(s *Settings) { s.Node.Host = "h" }},
		{"client_advertise: h:1\nserver_tags: [a, b]", func(s *Settings) {
			s.Node.ClientAdvertise, s.Node.Tags = "h:1", []string{"a", "b"}
		}},
		{"proxy_protocol: true", func(s *Settings) { s.Node.ProxyProtocol = true }},
		{"server_metadata { Owner: ops, \"a b\": c }", func(s *Settings) { s.Node.Metadata = map[string]string{"Owner": "ops", "a b": "c"} }},
		{"server_tags: a", func(s *Settings) { s.Node.Tags = []string{"a"} }},
		{"max_conn: 5, max_subs: -1, max_sub_tokens: 7, ping_max: 3", func(s *Settings) {
			s.Node.MaxConnections, s.Node.MaxSubscriptionTokens, s.Node.MaxPingsOut = 5, 7, 3
		}},
		{"max_closed_clients: -1", func(s *Settings) { s.Node.MaxClosedClients = -1 }},
		{"max_connections: 0", func(s *Settings) { s.Node.MaxConnections = -1 }},
		{"max_control_line: 8KB\nmax_payload: 2mb\nmax_pending: 1GiB\npending_budget: 4G", func(s *Settings) {
			s.Node.MaxControlLine, s.Node.MaxPayload = 8<<10, 2<<20
			s.Node.MaxPending, s.Node.PendingBudget = 1<<30, 4e9
		}},
		{`write_deadline: "1500ms", ping_interval: 20`, func(s *Settings) {
			s.Node.WriteDeadline, s.Node.PingInterval = 1500*time.Millisecond, 20*time.Second
		}},
		{`lame_duck_duration: "1m", lame_duck_grace_period: "0s"`, func(s *Settings) {
			s.Node.LameDuckDuration, s.Node.LameDuckGrace = time.Minute, time.Nanosecond
		}},
		{"no_fast_producer_stall: true, no_header_support: on, max_traced_msg_len: 10", func(s *Settings) {
			s.Node.NoFastProducerStall, s.Node.NoHeaders, s.Node.MaxTracedPayload = true, true, 10
		}},
		{"debug: true\ntrace: true\nlogtime: false\nlogtime_utc: true\nlogfile: f\nlog_format: json", func(s *Settings) {
			s.Log = Log{File: "f", Format: "json", UTC: true, Debug: true, Trace: true}
		}},
		{"logfile: f, log_size_limit: 1MB, log_max_num: 5, syslog: true, remote_syslog: \"udp://h:514\"", func(s *Settings) {
			s.Log.File, s.Log.SizeLimit, s.Log.MaxFiles, s.Log.Syslog, s.Log.RemoteSyslog = "f", 1<<20, 5, true, "udp://h:514"
		}},
		{"trace_verbose: true", func(s *Settings) { s.Log.Trace = true }},
		{"pid_file: p\nports_file_dir: d\nadmin_socket: off_", func(s *Settings) { s.PIDFile, s.PortsDir, s.AdminSocket = "p", "d", "off_" }},
		{"admin_socket: off", func(s *Settings) { s.AdminSocket = "off" }},
		{"http: localhost:8222", func(s *Settings) { s.Monitor = Monitor{Host: "localhost", Port: 8222} }},
		{"monitor_port: 8222, https_port: -1, http_base_path: /a, prof_port: 6060", func(s *Settings) {
			s.Monitor, s.ProfilePort = Monitor{Port: 8222, HTTPSPort: -1, BasePath: "/a"}, 6060
		}},
		{"http_port: 0", func(*Settings) {}},
		{"jetstream: off\nmqtt: disabled\nsyslog: false", func(*Settings) {}},
		{"cluster {}", func(s *Settings) { s.Node.Cluster.Host, s.Node.Cluster.Port = "0.0.0.0", 6222 }},
		{`cluster {
			name: east, listen: "127.0.0.1:7000", advertise: "h:1", no_advertise: true
			routes: [ "nats-route://u:p@a:1", nats://b:2 ]
			connect_retries: 5, pool_size: 3, compression: s2_best, ping_interval: 1m, ready_timeout: 1
			authorization { user: u, password: p, timeout: 0.5 }
		}`, func(s *Settings) {
			c := &s.Node.Cluster
			c.Name, c.Host, c.Port, c.Advertise, c.NoAdvertise = "east", "127.0.0.1", 7000, "h:1", true
			for _, text := range []string{"nats-route://u:p@a:1", "nats://b:2"} {
				u, _ := RouteURL(text)
				c.Routes = append(c.Routes, u)
			}
			c.ConnectRetries, c.PoolSize, c.Compression, c.PingInterval, c.ReadyTimeout = 5, 3, "s2_best", 30*time.Second, time.Second
			c.User, c.Password, c.AuthTimeout = "u", "p", time.Second/2
		}},
		{`cluster { port: -1, join: [a, "b:7000", "srv://c.d"], gossip { profile: wan, key_file: k, state_dir: s } }`, func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port, c.Join = "0.0.0.0", -1, []string{"a", "b:7000", "srv://c.d"}
			c.GossipProfile, c.StateDir, s.GossipKeyFile = membership.WAN, "s", "k"
		}},
		{"cluster { gossip: off, compression: { mode: s2_auto } }", func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port, c.NoGossip, c.Compression = "0.0.0.0", 6222, true, "s2_auto"
		}},
		{`cluster { ping_max: 4, write_deadline: "3s" }`, func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port, c.MaxPingsOut, c.WriteDeadline = "0.0.0.0", 6222, 4, 3*time.Second
		}},
		{`cluster { permissions { import: { allow: [a, "b.>"], deny: c }, subscribe: d } }`, func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port = "0.0.0.0", 6222
			c.Permissions = &node.RoutePermissions{
				Import: auth.SubjectRules{Allow: []string{"a", "b.>"}, Deny: []string{"c"}},
				Export: auth.SubjectRules{Allow: []string{"d"}},
			}
		}},
		{`cluster { authorization { user: u, password: p, permissions { export: a } }, permissions { import: b } }`, func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port, c.User, c.Password = "0.0.0.0", 6222, "u", "p"
			c.Permissions = &node.RoutePermissions{Import: auth.SubjectRules{Allow: []string{"b"}}}
		}},
		{`cluster { authorization { permissions { export: a } } }`, func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port = "0.0.0.0", 6222
			c.Permissions = &node.RoutePermissions{Export: auth.SubjectRules{Allow: []string{"a"}}}
		}},
		{"cluster { compression: true }", func(s *Settings) {
			c := &s.Node.Cluster
			c.Host, c.Port, c.Compression = "0.0.0.0", 6222, "s2_fast"
		}},
		{"authorization { user: a, pass: b, timeout: 1 }", func(s *Settings) {
			s.Auth.User, s.Auth.Password, s.Node.AuthTimeout = "a", "b", time.Second
		}},
		{"authorization { token: t }", func(s *Settings) { s.Auth.Token = "t" }},
		{"authorization { timeout: 1 }", func(s *Settings) { s.Node.AuthTimeout = time.Second }},
		{"authorization { user: a, password: " + hash + " }", func(s *Settings) { s.Auth.User, s.Auth.Password = "a", hash }},
		{`authorization {
			ADMIN = { publish: ">", subscribe: ">" }
			default_permissions { publish: "a", subscribe: { allow: ["b", "c q"], deny: d } }
			users: [
				{ user: x, password: y, permissions: $ADMIN, allowed_connection_types: [STANDARD, websocket] }
				{ nkey: ` + nkey + ` }
				{ user: z, password: w, permissions: { allow_responses: true } }
				{ user: v, password: w, permissions: { allow_responses: { max: 5, expires: "1m" }, pub: { deny: n } } }
			]
		}
		no_auth_user: z`, func(s *Settings) {
			defaults := &auth.Permissions{
				Publish:   auth.SubjectRules{Allow: []string{"a"}},
				Subscribe: auth.SubjectRules{Allow: []string{"b", "c q"}, Deny: []string{"d"}},
			}
			s.Auth.Users = []auth.User{
				{Name: "x", Password: "y", ConnectionTypes: []string{"STANDARD", "websocket"}, Permissions: &auth.Permissions{
					Publish: auth.SubjectRules{Allow: []string{">"}}, Subscribe: auth.SubjectRules{Allow: []string{">"}},
				}},
				{NKey: nkey, Permissions: defaults},
				{Name: "z", Password: "w", Permissions: &auth.Permissions{
					Publish: auth.SubjectRules{Allow: []string{}}, Responses: &auth.ResponseRule{},
				}},
				{Name: "v", Password: "w", Permissions: &auth.Permissions{
					Publish: auth.SubjectRules{Allow: []string{}, Deny: []string{"n"}}, Responses: &auth.ResponseRule{Max: 5, Expires: time.Minute},
				}},
			}
			s.Auth.NoAuthUser = "z"
		}},
		{"accounts { $SYS { users: [ { user: s, password: s } ] } }", func(s *Settings) {
			s.Node.Accounts = []node.AccountOptions{{Name: "$SYS"}}
			s.Auth.Users = []auth.User{{Name: "s", Password: "s", Account: "$SYS"}, {Name: "$G"}}
			s.Auth.NoAuthUser = "$G"
		}},
		{"accounts { S { users: [ { user: s, password: s } ] } }\nsystem_account: S\nauthorization { timeout: 1 }", func(s *Settings) {
			s.Node.Accounts = []node.AccountOptions{{Name: "S"}}
			s.Node.SystemAccount = "S"
			s.Node.AuthTimeout = time.Second
			s.Auth.Users = []auth.User{{Name: "s", Password: "s", Account: "S"}}
		}},
		{"accounts: [A, B]", func(s *Settings) { s.Node.Accounts = []node.AccountOptions{{Name: "A"}, {Name: "B"}} }},
		{`accounts {
			$SYS { users: [ { user: s, password: s } ] }
			A {
				users: [ { user: a, password: a } ]
				default_permissions { publish: p }
				msg_trace { dest: told, sampling: "5%" }
				exports: [ { stream: "s.>", accounts: [B] }, { service: "r.*", response_type: stream, threshold: "5s", account_token_position: 2, allow_trace: true } ]
				limits { max_conn: 3, max_subs: 4, max_payload: 1KB }
				mappings { x: y, "foo.*": [ { destination: "bar.$1", weight: 40% }, { dest: "baz.$1", weight: 60, cluster: c } ] }
			}
			B {
				trace_dest: told
				imports: [
					{ stream: { account: A, subject: "s.>" }, prefix: from, allow_trace: true }
					{ service: { account: A, subject: r.B }, to: ask }
				]
			}
		}
		system_account: "$SYS"
		mappings: { p: q }`, func(s *Settings) {
			s.Auth.Users = []auth.User{
				{Name: "s", Password: "s", Account: "$SYS"},
				{Name: "a", Password: "a", Account: "A", Permissions: &auth.Permissions{Publish: auth.SubjectRules{Allow: []string{"p"}}}},
			}
			s.Node.SystemAccount = "$SYS"
			s.Node.Accounts = []node.AccountOptions{
				{Name: "$SYS"},
				{
					Name: "A",
					Exports: []node.Export{
						{Subject: "s.>", Accounts: []string{"B"}},
						{Subject: "r.*", Service: true, Response: node.ResponseStream, ResponseThreshold: 5 * time.Second, TokenPosition: 2, AllowTrace: true},
					},
					TraceDest: "told", TraceSampling: 5,
					Limits: node.AccountLimits{MaxConnections: 3, MaxSubscriptions: 4, MaxPayload: 1 << 10},
					Mappings: []node.Mapping{
						{Subject: "x", Destinations: []node.MappedTo{{Subject: "y", Weight: 100}}},
						{Subject: "foo.*", Destinations: []node.MappedTo{
							{Subject: "bar.$1", Weight: 40}, {Subject: "baz.$1", Weight: 60, Cluster: "c"},
						}},
					},
				},
				{
					Name: "B", TraceDest: "told",
					Imports: []node.Import{
						{Account: "A", Subject: "s.>", To: "from.s.>", AllowTrace: true},
						{Account: "A", Subject: "r.B", Service: true, To: "ask"},
					},
				},
				{Name: "$G", Mappings: []node.Mapping{{Subject: "p", Destinations: []node.MappedTo{{Subject: "q", Weight: 100}}}}},
			}
		}},
		{`tls {
			cert_file: c, key_file: k, ca_file: a, verify_and_map: true, timeout: 1.5, min_version: "1.3"
			cipher_suites: [X], curve_preferences: [Y], pinned_certs: [Z], connection_rate_limit: 5, handshake_first: 300ms
		}
		allow_non_tls: true
		authorization { users: [ { user: "CN=x" } ] }
		cluster { tls { certs: [ { cert_file: c, key_file: k } ], insecure: true, verify: true, first: auto } }`, func(s *Settings) {
			s.TLS = &certs.Files{
				CertFile: "c", KeyFile: "k", CAFile: "a", VerifyAndMap: true, Timeout: 1500 * time.Millisecond, MinVersion: "1.3",
				CipherSuites: []string{"X"}, CurvePreferences: []string{"Y"}, PinnedCerts: []string{"Z"}, RateLimit: 5,
				HandshakeFirst: true, HandshakeDelay: 300 * time.Millisecond, AllowPlain: true,
			}
			s.Auth.MapCertificates = true
			s.Auth.Users = []auth.User{{Name: "CN=x"}}
			s.Node.Cluster.Host, s.Node.Cluster.Port = "0.0.0.0", 6222
			s.ClusterTLS = &certs.Files{
				Certs: []certs.Pair{{CertFile: "c", KeyFile: "k"}}, Insecure: true, Verify: true,
				HandshakeFirst: true, HandshakeDelay: fallbackDelay,
			}
		}},
		{`tls { cert_file: c, key_file: k, verify_cert_and_check_known_urls: true }
		cluster {
			authorization { user: "CN=x" }
			tls { cert_file: c, key_file: k, verify_and_map: true, verify_cert_and_check_known_urls: true }
		}`, func(s *Settings) {
			s.TLS = &certs.Files{CertFile: "c", KeyFile: "k", Verify: true}
			s.Node.Cluster.Host, s.Node.Cluster.Port, s.Node.Cluster.User = "0.0.0.0", 6222, "CN=x"
			s.ClusterTLS = &certs.Files{CertFile: "c", KeyFile: "k", VerifyAndMap: true, CheckKnownURLs: true}
		}},
		{"websocket { port: 8080, no_tls: true }", func(s *Settings) { s.Node.WebSocket = &node.WebSocketOptions{Port: 8080, NoTLS: true} }},
		{`websocket {
			listen: "127.0.0.1:-1", advertise: "h:1", same_origin: true, allowed_origins: [ "https://a", "https://b:1" ]
			compression: true, handshake_timeout: 3, ping_interval: "20s", user_cookie: u, pass_cookie: p, token_cookie: t
			headers { Strict-Transport-Security: "max-age=1" }
			tls { cert_file: c, key_file: k }
			no_auth_user: guest
			authorization { timeout: 2 }
		}
		authorization { users: [ { user: guest, password: g }, { user: u, password: p } ] }`, func(s *Settings) {
			s.Node.WebSocket = &node.WebSocketOptions{
				Host: "127.0.0.1", Port: -1, Advertise: "h:1", SameOrigin: true, AllowedOrigins: []string{"https://a", "https://b:1"},
				Compression: true, HandshakeTimeout: 3 * time.Second, PingInterval: 20 * time.Second,
				UserCookie: "u", PassCookie: "p", TokenCookie: "t", AuthTimeout: 2 * time.Second,
				Headers: map[string]string{"Strict-Transport-Security": "max-age=1"},
			}
			s.WebSocketTLS = &certs.Files{CertFile: "c", KeyFile: "k"}
			s.WebSocketAuth.NoAuthUser = "guest"
			s.Auth.Users = []auth.User{{Name: "guest", Password: "g"}, {Name: "u", Password: "p"}}
		}},
		{"ws { port: 8080, no_tls: true, authorization { token: t } }", func(s *Settings) {
			s.Node.WebSocket = &node.WebSocketOptions{Port: 8080, NoTLS: true}
			s.WebSocketAuth.Token = "t"
		}},
	}
	t.Setenv("TEST_PORT", "4444")
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			want := Default()
			tt.change(want)
			got := load(t, tt.text)
			if !strings.HasPrefix(got.Digest, "sha256:") {
				t.Errorf("the digest is %q", got.Digest)
			}
			got.Digest, got.keys = "", nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"max_paylod: 1", `1:1: unknown key "max_paylod", did you mean max_payload?`},
		{"\n  frobnicate: 1", `2:3: unknown key "frobnicate"`},
		{"server_tags: [a]\n] ws", "2:1: what is here is no key; look before it for a slip in the syntax"},
		{"port: 4222, w5cr37! x", "1:13: what is here is no key"},
		{"server_metadata { a: 1 }", "1:19: server_metadata.a: has to be a text, put it in quotes, not a number"},
		{"server_metadata: a", "1:1: server_metadata: has to be a block in braces, not a text"},
		{"cluster { permissions { import: [] } }", "1:25: cluster.permissions.import: is an empty list"},
		{"cluster { permissions { allow_responses: true } }", "1:11: cluster.permissions: allow_responses makes no sense between servers"},
		{"cluster { permissions { imports: a } }", `1:25: unknown key "imports", did you mean import?`},
		{"remote_syslog: \"h:514\"", `1:1: remote_syslog: "h:514" is not the address of a syslog, write it like udp://127.0.0.1:514`},
		{"logfile_max_num: -1", "1:1: logfile_max_num: -1 is too little, use at least 0"},
		{"cluster { ping_max: 0 }", "1:11: cluster.ping_max: 0 is too little, use at least 1"},
		{"cluster { write_deadline: soon }", `1:11: cluster.write_deadline: "soon" is not a duration`},
		{"port: 4222\nPort: 4333", "2:1: Port: is the second value for port, the first is in line 1"},
		{"max_conn: 1\nmax_connections: 2", "2:1: max_connections: is the second value for max_connections, the first is in line 1"},
		{"port: x", "1:1: port: has to be a port, not a text"},
		{"port: 70000", "1:1: port: 70000 is not a port, use 1 to 65535, or -1 for any free one"},
		{"port: 0", "1:1: port: 0 is not a port, use 1 to 65535, or -1 for any free one"},
		{"listen: \"nats://u:s3cret@h:x\"", `1:1: listen: "nats://xxxxx@h:x" is not a host and a port, write it like 127.0.0.1:4222 or [::1]:4222`},
		{"listen: 1.2.3.4", `1:1: listen: "1.2.3.4" is not a host and a port, write it like 127.0.0.1:4222 or [::1]:4222`},
		{"listen: 4333\nport: 4222", "1:1: listen: says something else than host and port, leave one of them out"},
		{"max_payload: \"1MB\"", "1:1: max_payload: has to be a whole number, which may have a unit as in 64MB, not a text"},
		{"max_payload: 0", "1:1: max_payload: 0 is too little, use at least 1"},
		{"max_payload: 9GB", "1:1: max_payload: 9663676416 is too much, use 2147483647 at most"},
		{"ping_interval: soon", `1:1: ping_interval: "soon" is not a duration, write it like 500ms, 10s or 2m`},
		{"ping_interval: \"0s\"", "1:1: ping_interval: 0s is too short, use more than 0s"},
		{"ping_interval: true", `1:1: ping_interval: has to be a duration, as in "10s", not true or false`},
		{"debug: 1", "1:1: debug: has to be true or false, not a number"},
		{"server_name: 1", "1:1: server_name: has to be a text, put it in quotes, not a number"},
		{"server_name: \"a b\"", `1:1: server_name: "a b" has a blank in it`},
		{"http: 8222\nmonitor_port: 8223", "2:1: http_port: says the same as http, take one of them"},
		{"log_format: xml", `1:1: log_format: "xml" is not a format, use text or json`},
		{"cluster: 1", "1:1: cluster: has to be a block in braces, not a number"},
		{"cluster { nane: x }", `1:11: unknown key "nane", did you mean name?`},
		{"cluster { routes: [ \"http://u:s3cret@h:1\" ] }", `1:11: cluster.routes: "http://xxxxx@h:1": "http" is not spoken between servers, write nats://`},
		{"cluster { join: [ \"a:0\" ] }", `1:11: cluster.join: "a:0": needs the port that the other server listens on, 1 to 65535`},
		{"cluster { gossip { profile: moon } }", `1:20: cluster.gossip.profile: "moon" is not a profile, use local, lan or wan`},
		{"cluster { authorization { user: x } }", "1:11: cluster.authorization: needs both a user and a password, or neither"},
		{"authorization { password: s3cret }", "1:1: authorization: needs both a user and a password, or neither"},
		{"authorization { user: x, password: 53cr37 }", ""},
		{"authorization { user: x, password: 5373 }", "1:26: authorization.password: has to be a text, put it in quotes, not a number"},
		{"authorization { user: x, password: \"$2a$11$s3cret\" }", "1:26: authorization.password: looks like a bcrypt hash but is damaged"},
		{"authorization { users: [] }", "1:17: authorization.users: is an empty list, leave it out to admit everybody"},
		{"authorization { users: [ {user: a, password: b}\n{user: a, password: c} ] }", `2:2: user "a" is there twice, first at FILE:1:27`},
		{"authorization { users: [ {password: s3cret} ] }", "1:27: authorization.users: one has neither a user nor an nkey"},
		{"authorization { users: [ {user: u, password: p, permissions: { publish: [] }} ] }",
			`1:64: authorization.users.permissions.publish: is an empty list; leave it out to allow everything, or deny ">" to allow nothing`},
		{"authorization { users: [ {user: u, password: p, permissions: { publish: \"a..b\" }} ] }", `user "u": permissions: publish allow`},
		{"authorization { users: [ {user: u, password: p}], token: s3cret }", "a token and a list of users"},
		{"no_auth_user: x", `1:1: no_auth_user: "x" has to be one of a list of users, but there is none`},
		{"authorization { users: [ {user: u, password: p} ] }\nno_auth_user: x", `2:1: no_auth_user: there is no user "x"`},
		{"authorization { users: [ {user: u}, {user: guest} ] }\nno_auth_user: guest", `1:27: user "u" has no password`},
		{"accounts { A { users: [ {user: u, password: p} ] } }\nauthorization { user: a, password: s3cret }", "2:1: authorization: there is a single user and a list of users"},
		{"accounts { $G {} }", `1:12: accounts: "$G" is the account of who has none`},
		{"accounts: [A, A]", `accounts: "A" is there twice`},
		{"accounts { A { exports: [ { subject: x } ] } }", "1:29: accounts.A.exports needs a stream or a service"},
		{"accounts { A { exports: [ { stream: x, response: single } ] } }", "is for services"},
		{"accounts { A { imports: [ { stream: { account: B } } ] } }", "needs an account and a subject"},
		{"accounts { A { msg_trace: { dest: a, sampling: 0 } } }", "1:38: accounts.A.msg_trace.sampling: has to be a percentage, from 1 to 100"},
		{"accounts { A { msg_trace: { dest: a, sample: 1 } } }", `1:38: unknown key "sample"`},
		{"mappings { a: [ { destination: b } ] }", "weight: is missing, it is a percentage"},
		{"mappings { a: [ { destination: b, weight: 101 } ] }", "has to be a percentage, from 0 to 100"},
		{"system_account: X", `1:1: system_account: there is no account "X"`},
		{"websocket {}", "1:1: websocket: needs a port, such as 8080"},
		{"websocket { port: 1, origns: [a] }", `1:22: unknown key "origns", did you mean origins?`},
		{"websocket { port: 1, jwt_cookie: a }", "1:22: websocket.jwt_cookie: shoal has no JWTs"},
		{"websocket { port: 1, authorization { user: a } }", "1:22: websocket.authorization: needs both a user and a password, or neither"},
		{"websocket { port: 1, authorization { token: s3cret } }\nauthorization { users: [ {user: a, password: b} ] }",
			"1:22: websocket.authorization: there is a list of users, who may connect over WebSocket as well; use either"},
		{"websocket { port: 1, no_auth_user: x }", "1:22: websocket: "},
		{"jetstream: true", "1:1: jetstream: shoal has no JetStream; remove it, or start with --ignore_unsupported"},
		{"jetstream {}", "1:1: jetstream: shoal has no JetStream; remove it, or start with --ignore_unsupported"},
		{"tls { ocsp_peer: true }", "1:7: tls.ocsp_peer: shoal has no OCSP"},
		{"port: 4222 5\n x", "FILE:1: expected a top-level value to end with a new line"},
		{"}", ""},
		{"a: {", "FILE:1: unexpected EOF processing map"},
		{"password: $s3cret", "FILE:1: a variable is neither defined above nor in the environment"},
		{"password: 99999999999999999999", "FILE: a number is too large; a text of digits needs quotes"},
		{"include nowhere.conf", "nowhere.conf: cannot be read: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			path := write(t, "shoal.conf", tt.text)
			_, _, err := Load(path, false)
			if tt.want == "" {
				return // must only not panic
			}
			if err == nil {
				t.Fatal("was accepted")
			}
			want := strings.ReplaceAll(tt.want, "FILE", path)
			if want[0] >= '1' && want[0] <= '9' {
				want = path + ":" + want
			}
			if got := err.Error(); !strings.Contains(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			for _, secret := range []string{"s3cret", "5373", "9999"} {
				if strings.Contains(strings.ReplaceAll(err.Error(), filepath.Dir(path), ""), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

// One fault is one line.
func TestErrorsAreToldOnce(t *testing.T) {
	for _, text := range []string{
		`authorization { users: [ { user: a, password: "$2a$11$short" } ] }`,
		`accounts { A { users: [ { user: a, password: "$2a$11$short" } ] } }`,
		`authorization { users: [ { user: a, password: b, permissions: { publish: [] } } ] }`,
		`cluster { authorization { user: a, password: "$2a$11$short" } }`,
		`authorization { user: a, password: "$2a$11$short" }`,
	} {
		_, _, err := Load(write(t, "x.conf", text), false)
		if list, ok := err.(Errors); !ok || len(list) != 1 {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestErrorsAreToldTogether(t *testing.T) {
	path := write(t, "x.conf", "gateway {}\nprot: 4222\nleafnodes {}\nmqtt {}\noperator: x\nresolver: MEMORY\nauthorization { auth_callout {} }\ndisable_sublist_cache: true")
	_, warnings, err := Load(path, false)
	list, ok := err.(Errors)
	if !ok || len(list) != 7 {
		t.Fatalf("got %v", err)
	}
	for i, e := range list {
		if e.Line != i+1 || e.File != path {
			t.Errorf("error %d: %v", i, e)
		}
	}
	if len(warnings) != 1 || warnings[0].Line != 8 {
		t.Errorf("got warnings %v", warnings)
	}
	if _, warnings, err = Load(path, true); len(err.(Errors)) != 1 || len(warnings) != 7 {
		t.Errorf("got %v and %v", warnings, err)
	}
}

func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.conf":          "port: 4333\ninclude ./sub/b.conf\ncluster { include \"sub/c.conf\" }",
		"sub/b.conf":      "max_payload: 5\n",
		"sub/c.conf":      "name: x\nport: 7000\n",
		"wrong.conf":      "include sub/typo.conf\n",
		"sub/typo":        "",
		"sub/typo.conf":   "\nmax_paylod: 1\n",
		"broken.conf":     "include sub/broken.conf\n",
		"sub/broken.conf": "\n\na: {\n",
		"loop.conf":       "port: 1\n\ninclude loop2.conf\n",
		"loop2.conf":      "include 'loop.conf'\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _, err := Load(filepath.Join(dir, "a.conf"), false)
	if err != nil {
		t.Fatal(err)
	}
	if s.Node.Port != 4333 || s.Node.MaxPayload != 5 || s.Node.Cluster.Name != "x" || s.Node.Cluster.Port != 7000 {
		t.Errorf("got %+v", s.Node)
	}
	if at, ok := s.Where("max_payload"); !ok || at.File != filepath.Join(dir, "sub/b.conf") || at.Line != 1 {
		t.Errorf("max_payload is at %v", at)
	}
	for name, want := range map[string]string{
		"wrong.conf":  "sub/typo.conf:2:1: unknown key",
		"broken.conf": "sub/broken.conf:4: unexpected EOF processing map",
		"loop.conf":   "loop2.conf:1: includes loop.conf, which includes this file again",
	} {
		if _, _, err := Load(filepath.Join(dir, name), false); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, want)) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"port", "host", "max_payload", "max_pending"}
	for key, want := range map[string]string{"prot": "port", "max_paylod": "max_payload", "maxpayload": "max_payload", "xyz": "", "": "", "p": "", "prxx": ""} {
		if got := nearest(key, names); got != want {
			t.Errorf("%q is near %q, want %q", key, got, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"port: 4222\n", "}", "{", "a: [", "x = $x", "cluster { routes: [ nats://a:b@c:1 ], join: [a] }",
		"accounts { A { users: [{user: a, password: b}], exports: [{stream: a}], mappings: { a: b } } }",
		"authorization { users = [ {nkey: U}, {user: x, permissions: {publish: {deny: [a]}}} ] }",
		"tls { certs: [{cert_file: a}], handshake_first: auto, timeout: 1.5 }", "a: (\nx\n)\n", "d: 2016-05-04T18:53:41Z",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			t.Skip("would read files of this machine")
		}
		path := write(t, "fuzz.conf", text)
		s, _, err := Load(path, false)
		if err != nil {
			if !strings.HasPrefix(err.Error(), path) {
				t.Errorf("the error does not begin with a place: %v", err)
			}
			return
		}
		if again, _, err := Load(path, true); err != nil || again.Digest != s.Digest {
			t.Errorf("a second time gives %v", err)
		}
		_ = s.Node.Validate()
	})
}
