package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// fragments are parts of configurations. At most one of each list is in a file.
func fragments() [][]string {
	return [][]string{
		{"max_payload: 2KB", "max_payload: 3KB"},
		{"max_connections: 10", "max_conn: 20"},
		{"max_subs: 5", "max_subscriptions: 6"},
		{"max_control_line: 2KB"},
		{"max_pending: 1MB", "max_pending: 2MB, pending_budget: 8MB"},
		{`ping_interval: "50s"`, "ping_max: 5"},
		{`write_deadline: "3s"`},
		{"server_tags: [a, b]", "server_tags: c"},
		{"server_metadata { a: b }", "server_metadata { a: c, d: e }"},
		{`client_advertise: "example.com:4222"`, `client_advertise: "example.org"`},
		{"debug: true", "trace: true, debug: true", "logtime_utc: true"},
		{`lame_duck_duration: "50s"`, `lame_duck_grace_period: "1s"`},
		{"mappings: { a: b }", `mappings: { a: [ { destination: "c", weight: 100 } ] }`},
		{
			"authorization { user: u, password: p }",
			"authorization { token: t }",
			"authorization { users: [ { user: u, password: p, permissions: { publish: a } }, { user: v, password: p } ] }",
			"authorization { users: [ { user: u, password: q } ], timeout: 1 }\nno_auth_user: u",
			"accounts { A { users: [ { user: u, password: p } ], limits { max_subs: 3 } }, B { users: [ { user: v, password: p } ] } }",
		},
	}
}

// described returns what clients and tools see of a server.
func described(t *testing.T, s *server) map[string]string {
	t.Helper()
	seen := make(map[string]string)
	var varz map[string]any
	_, body := fetch(t, s.urls.Monitoring[0]+"/varz")
	if err := json.Unmarshal([]byte(body), &varz); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"auth_required", "max_connections", "max_subscriptions", "ping_interval", "ping_max", "auth_timeout", "max_control_line",
		"max_payload", "max_pending", "write_deadline", "tags", "metadata", "config_digest",
	} {
		seen[key] = fmt.Sprint(varz[key])
	}
	for name, options := range map[string][]nats.Option{
		"nobody": nil,
		"u":      {nats.UserInfo("u", "p")},
		"v":      {nats.UserInfo("v", "p")},
		"token":  {nats.Token("t")},
	} {
		nc, err := nats.Connect(s.url(), append(options, nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
		if err != nil {
			seen[name] = err.Error()
			continue
		}
		seen[name] = fmt.Sprint(nc.MaxPayload(), nc.AuthRequired())
		for _, subject := range []string{"a", "b", "c", "d"} {
			sub, err := nc.SubscribeSync(subject)
			if err == nil {
				err = nc.Publish("a", nil)
			}
			if err == nil {
				err = nc.Flush()
			}
			n, _, _ := sub.Pending()
			seen[name+" "+subject] = fmt.Sprint(n, err, nc.LastError())
		}
		nc.Close()
	}
	return seen
}

// Whatever a server was before, after a reload it is as if it had been started so.
func TestReloadEqualsRestart(t *testing.T) {
	const rounds = 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const always = "http: \"127.0.0.1:-1\"\n"
	path := configure(t, always)
	reloaded := startServer(t, "-c", path)
	for range rounds {
		text := always
		for _, list := range fragments() {
			if i := random.IntN(2 * len(list)); i < len(list) {
				text += list[i] + "\n"
			}
		}
		rewrite(t, path, text)
		reloaded.order("reload")
		restarted := startServer(t, "-c", path)
		got, want := described(t, reloaded), described(t, restarted)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if got[key] != want[key] {
				t.Errorf("with\n%s\n%s is %q after a reload, and %q after a start", strings.TrimPrefix(text, always), key, got[key], want[key])
			}
		}
		restarted.cmd.Process.Kill()
	}
}
