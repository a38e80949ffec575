package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
)

// natsTool is the path of the tool of NATS, which the first call builds unless the environment names one.
var natsTool = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("NATS_CLI_BIN"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "compat-natscli-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats")
	if output, err := exec.Command("go", "build", "-C", "natscli", "-o", path, "github.com/nats-io/natscli/nats").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats: %w\n%s", err, output)
	}
	return path, nil
})

// tool runs the tool of NATS against one node.
type tool struct {
	path, home, url string
}

func (c *tool) command(ctx context.Context, user string, args ...string) *exec.Cmd {
	login := []string{"--no-context", "--server", c.url, "--user", user, "--password", user, "--timeout", "10s"}
	command := exec.CommandContext(ctx, c.path, append(login, args...)...)
	command.Env = append(os.Environ(), "HOME="+c.home, "XDG_CONFIG_HOME="+c.home, "NO_COLOR=1")
	return command
}

// run returns what the tool prints.
func (c *tool) run(t *testing.T, user string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	output, err := c.command(ctx, user, args...).CombinedOutput()
	if err != nil {
		t.Errorf("nats %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// printed is what a command that runs on has printed.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// start runs the tool until the end of the test.
func (c *tool) start(t *testing.T, user string, args ...string) *printed {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := c.command(ctx, user, args...)
	output := new(printed)
	command.Stdout, command.Stderr = output, output
	must(t, command.Start())
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
	})
	return output
}

// TestNatsTool has the tool of NATS do the same with a cluster of nats-servers and one of shoal nodes. What it
// prints as JSON has the same fields, and the rest makes sense.
func TestNatsTool(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long to build")
	}
	t.Parallel()
	path, err := natsTool()
	must(t, err)
	if os.Getenv("NATS_CLI_BIN") == "" {
		t.Cleanup(func() { os.RemoveAll(filepath.Dir(path)) })
	}
	var shapes [2]map[string]map[string]string
	t.Run("clusters", func(t *testing.T) {
		for i, kinds := range []string{"nn", "ss"} {
			t.Run(kinds, func(t *testing.T) {
				t.Parallel()
				shapes[i] = useTool(t, path, kinds)
			})
		}
	})
	for command, want := range shapes[0] {
		got := shapes[1][command]
		for field, kind := range want {
			if got[field] != kind {
				t.Errorf("nats %s: %s is %q, want %q", command, field, got[field], kind)
			}
		}
		for field, kind := range got {
			if want[field] == "" {
				t.Errorf("nats %s: %s (%s) is not what it prints of nats-server", command, field, kind)
			}
		}
	}
}

// useTool uses the tool with a cluster, and returns the types of the fields that it prints as JSON, by
// command.
func useTool(t *testing.T, path, kinds string) map[string]map[string]string {
	m := startObserved(t, kinds)
	c := &tool{path, t.TempDir(), m.Nodes[0].URL()}
	shapes := make(map[string]map[string]string)
	client := connectNode(t, m.Nodes[1], nats.UserInfo("a", "a"), nats.Name("kicked"))
	_, err := client.Subscribe("x.*", func(*nats.Msg) {})
	must(t, err)
	must(t, client.Flush())
	must(t, client.Publish("x.y", []byte("hello")))
	must(t, client.Flush())

	for _, s := range []struct {
		user, args string
		want       string // a pattern
	}{
		{"sys", "server list 2", `(?s)│ node1 .*2\.15\.2.*`},
		{"sys", "server ping", `(?s)node\d .*rtt=.*2 replies`},
		{"sys", "server info node1", `(?s)Server information for node1.*Version: 2\.15\.2.*Connections: 2`},
		{"sys", "server report connections", `(?s)kicked +│ node1.*127\.0\.0\.1:\d+ │ A `},
		{"sys", "server report accounts", `(?s)│ A +│ 1 `},
		{"sys", "server report routes", `(?s)│ node0 .*│ node1 .*rid:\d+`},
		{"sys", "server report health", `(?s)ok: 2 / err: 0`},
		{"sys", "server report cpu", `node0`},
		{"sys", "server report mem", `node1: `},
		{"sys", "server account info A", `(?s)Account information for account A.*System Account: false`},
		{"sys", "server check connection", `^OK Connection OK`},
		{"sys", "server check server --name node1", `^OK node1 \| uptime=.*connections=2 `},
		{"a", "server check connection", `^OK Connection OK`},
		{"a", "account info", `(?s)User: a\n.*Account: A.*Connected Server Name: node0.*JetStream is not supported`},
		{"a", "account report connections", `(?s)kicked +│ node1`},
		{"a", "rtt 2", `nats://127\.0\.0\.1:\d+: [\d.]+.?s`},
		{"a", "trace x.z hello", `(?s)Client .*server:"node0".*--> Router "node1".*server:"node1".*--C Client "kicked" cid:\d+ subject:"x\.\*"`},
		{"a", "pub x.z hello", `Published 5 bytes to "x.z"`},
		{"a", "request nobody hello", `No responders are available`},
		{"a", "latency --server-b " + m.Nodes[1].URL() + " --duration 1s --rate 100", `(?s)HDR Percentiles.*99: +\d`},
		{"a", "bench pub x.bench --msgs 1000 --size 16 --no-progress", `publisher stats: [\d,]+ msgs/sec`},
	} {
		if got := c.run(t, s.user, strings.Fields(s.args)...); !regexp.MustCompile(s.want).MatchString(got) {
			t.Errorf("nats %s does not print %s:\n%s", s.args, s.want, got)
		}
	}
	table := filepath.Join(t.TempDir(), "top")
	c.run(t, "sys", "top", "node1", "--output", table)
	if text, err := os.ReadFile(table); err != nil || !bytes.Contains(text, []byte("kicked")) {
		t.Errorf("nats top: %v\n%s", err, text)
	}

	varz := []string{"data.feature_flags", "data.disk_io_wait_stats", "data.shoal_version", "data.git_commit", "data.http_req_stats",
		"data.cluster", "data.routes.shoal", "data.routes.synchronized", "data.routes.account", "data.routes.rtt"}
	for args, exempt := range map[string][]string{
		"server list 2 --json":                     nil,
		"server report connections --json":         nil,
		"server request variables":                 varz,
		"server request connections":               nil,
		"server request routes":                    varz,
		"server request subscriptions":             nil,
		"server request accounts":                  nil,
		"server request gateways":                  nil,
		"server request leafnodes":                 nil,
		"server request jetstream":                 nil,
		"server request jetstream-health":          nil,
		"server report connections --json --top 1": nil,
	} {
		fields := make(map[string]string)
		for d := json.NewDecoder(strings.NewReader(c.run(t, "sys", strings.Fields(args)...))); ; {
			var v any
			if err := d.Decode(&v); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("nats %s: %v", args, err)
				break
			}
			note(fields, "", v)
		}
		maps.DeleteFunc(fields, func(field, _ string) bool {
			for _, path := range append(exempt, "server.feature_flags") {
				if field == path || strings.HasPrefix(field, path+".") {
					return true
				}
			}
			return false
		})
		if len(fields) == 0 {
			t.Errorf("nats %s prints nothing", args)
		}
		shapes[args] = fields
	}

	c.converse(t)
	c.watch(t, m, client)
	return shapes
}

// converse has the tool publish, subscribe, ask and reply.
func (c *tool) converse(t *testing.T) {
	heard := c.start(t, "a", "sub", "talk.>")
	awaitTrue(t, "nats sub receives", func() bool {
		c.run(t, "a", "pub", "talk.small", "chatter")
		return strings.Contains(heard.String(), "chatter")
	})
	answered := c.start(t, "a", "reply", "help", "here you are")
	awaitTrue(t, "nats reply answers", func() bool {
		return strings.Contains(c.run(t, "a", "request", "help", "please"), "here you are")
	})
	if !strings.Contains(answered.String(), "help") {
		t.Errorf("nats reply has printed only %q", answered)
	}
}

// watch has the tool show events, and end the connection of a client.
func (c *tool) watch(t *testing.T, m *observed, client *nats.Conn) {
	events := c.start(t, "sys", "events", "--json")
	awaitTrue(t, "nats events shows who comes and goes", func() bool {
		connectNode(t, m.Nodes[1], nats.UserInfo("a", "a"), nats.Name("visitor")).Close()
		text := events.String()
		return strings.Contains(text, `"io.nats.server.advisory.v1.client_connect"`) && strings.Contains(text, `"visitor"`) &&
			strings.Contains(text, `"io.nats.server.advisory.v1.client_disconnect"`)
	})
	id, err := client.GetClientID()
	must(t, err)
	c.run(t, "sys", "server", "request", "kick", fmt.Sprint(id), m.Nodes[1].ID())
	awaitTrue(t, "the client is kicked", client.IsClosed)
	awaitTrue(t, "nats events shows why", func() bool { return strings.Contains(events.String(), `"reason":"Kicked"`) })
}
