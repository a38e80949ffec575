package compat

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shoal/compat/internal/broker"
	"shoal/node/certs/certtest"
)

// configured is a configuration file that operators might have, and what clients do with the servers that
// are started with it.
type configured struct {
	file    string
	servers int
	program func(c *configRun)
}

// configRun is one run of a program.
type configRun struct {
	t       *testing.T
	servers []*broker.Server
	note    func(format string, args ...any)
	deploy  nkeys.KeyPair
	certs   map[string]certtest.Certificate
	ca      string
	heard   map[*nats.Conn]error // the last complaint of the server
}

// TestConfigFiles starts nats-server and shoal with the same files. Lines that end with "# shoal" are only
// for the latter.
func TestConfigFiles(t *testing.T) {
	for _, c := range []configured{
		{"single.conf", 1, useSingle},
		{"three.conf", 3, useThree},
		{"accounts.conf", 1, useAccounts},
		{"tls.conf", 2, useEncrypted},
		{"everything.conf", 1, useEverything},
	} {
		t.Run(c.file, func(t *testing.T) {
			env := newConfigEnvironment(t)
			digest := env.digest(t, broker.Oracle, c.file)
			if got := env.digest(t, subject(), c.file); got != digest {
				t.Errorf("the digest is %s instead of %s", got, digest)
			}
			oracle := env.observe(t, broker.Oracle, c)
			if got := env.observe(t, subject(), c); !slices.Equal(oracle, got) {
				t.Errorf("clients observed\n%s\ninstead of\n%s", lines(got), lines(oracle))
			}
		})
	}
}

// configEnvironment is what the files refer to.
type configEnvironment struct {
	dir    string // with the files as nats-server reads them
	deploy nkeys.KeyPair
	certs  map[string]certtest.Certificate
	ca     string
}

func newConfigEnvironment(t *testing.T) *configEnvironment {
	t.Helper()
	e := &configEnvironment{dir: t.TempDir(), certs: make(map[string]certtest.Certificate)}
	must(t, os.CopyFS(e.dir, os.DirFS("testdata/config")))
	own := regexp.MustCompile(`(?m)^.*# shoal\n`)
	for _, pattern := range []string{"*.conf", "parts/*.conf"} {
		files, err := filepath.Glob(filepath.Join(e.dir, pattern))
		must(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, own.ReplaceAll(text, nil), 0o600))
		}
	}
	authority, err := certtest.New(t.TempDir())
	must(t, err)
	e.ca = authority.CAFile
	for _, name := range []string{"server", "alice", "bob"} {
		e.certs[name], err = authority.Issue(name, nil)
		must(t, err)
	}
	e.deploy, err = nkeys.CreateUser()
	must(t, err)
	deploy, err := e.deploy.PublicKey()
	must(t, err)
	key := filepath.Join(e.dir, "gossip.key")
	must(t, os.WriteFile(key, []byte("1FyXc6iqMKOVNRfLgUQzWmIdTzpNb0SuAbMXr2zy0LQ=\n"), 0o600))
	for name, value := range map[string]string{
		"CERT": e.certs["server"].CertFile, "KEY": e.certs["server"].KeyFile, "CA": e.ca, "GOSSIP_KEY": key,
		"DEPLOY_KEY": deploy, "ROUTE_PASSWORD": "route-pass", "PID_FILE": filepath.Join(e.dir, "pid"),
		"NAME": "n0", "CLUSTER_PORT": "6222", "ROUTES": "[]", "JOIN": "[]",
	} {
		if strings.Contains(value, "/") {
			value = `"` + value + `"`
		}
		t.Setenv(name, value)
	}
	return e
}

// path returns the file for a kind of server.
func (e *configEnvironment) path(kind broker.Kind, file string) string {
	if kind.Name == broker.Shoal.Name {
		return filepath.Join("testdata", "config", file)
	}
	return filepath.Join(e.dir, file)
}

// digest returns what the test of a file prints for its content. It takes the file without the lines of shoal.
func (e *configEnvironment) digest(t *testing.T, kind broker.Kind, file string) string {
	t.Helper()
	binary, err := kind.Binary()
	must(t, err)
	output, err := exec.Command(binary, "-c", filepath.Join(e.dir, file), "-t").CombinedOutput()
	digest := regexp.MustCompile(`is valid \((sha256:[0-9a-f]+)\)`).FindStringSubmatch(string(output))
	if err != nil || digest == nil {
		t.Fatalf("%s -c %s -t: %v, %s", kind.Name, file, err, output)
	}
	return digest[1]
}

func (e *configEnvironment) observe(t *testing.T, kind broker.Kind, c configured) []string {
	t.Helper()
	var book notebook
	ok := t.Run(kind.Name, func(t *testing.T) {
		run := &configRun{t: t, note: book.note, deploy: e.deploy, certs: e.certs, ca: e.ca, heard: make(map[*nats.Conn]error)}
		var ports, routes, join []string
		for range c.servers {
			port, err := broker.FreePort()
			must(t, err)
			ports = append(ports, port)
			routes = append(routes, `"nats-route://route:route-pass@127.0.0.1:`+port+`"`)
			join = append(join, `"127.0.0.1:`+port+`"`)
		}
		t.Setenv("ROUTES", "["+strings.Join(routes, ",")+"]")
		t.Setenv("JOIN", "["+strings.Join(join, ",")+"]")
		for i, port := range ports {
			t.Setenv("NAME", "n"+string(rune('0'+i)))
			t.Setenv("CLUSTER_PORT", port)
			server, err := broker.Launch(kind, "", "-c", e.path(kind, c.file), "-p", "-1")
			must(t, err)
			t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			})
			run.servers = append(run.servers, server)
		}
		for _, server := range run.servers {
			must(t, server.WaitReady())
		}
		c.program(run)
		t.Logf("clients observed\n%s", lines(book.notes))
	})
	if !ok {
		t.FailNow()
	}
	return book.notes
}

// user connects to a server as somebody.
func (c *configRun) user(server int, name string, options ...nats.Option) *nats.Conn {
	c.t.Helper()
	nc, err := c.try(server, append(options, nats.UserInfo(name, name+"-pass"))...)
	if err != nil {
		c.t.Fatalf("%s cannot connect: %v\n%s", name, err, c.servers[server].Log())
	}
	return nc
}

func (c *configRun) try(server int, options ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(c.servers[server].URL(), append([]nats.Option{
		nats.Timeout(patience),
		nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // heard will tell
	}, options...)...)
	if err == nil {
		c.t.Cleanup(nc.Close)
	}
	return nc, err
}

// refused notes why somebody may not connect.
func (c *configRun) refused(server int, what string, options ...nats.Option) {
	c.t.Helper()
	_, err := c.try(server, options...)
	c.note("%s: %v", what, err)
}

// sends publishes, and notes what the server complains about.
func (c *configRun) sends(nc *nats.Conn, subject, text string) {
	c.t.Helper()
	must(c.t, nc.Publish(subject, []byte(text)))
	c.hears(nc)
}

// hears has the server answer, and notes what it has complained about by then.
func (c *configRun) hears(nc *nats.Conn) {
	c.t.Helper()
	must(c.t, nc.Flush())
	if err := nc.LastError(); err != nil && !errors.Is(c.heard[nc], err) {
		c.note("complaint: %v", err)
		c.heard[nc] = err
	}
}

// receives notes the next message.
func (c *configRun) receives(sub *nats.Subscription) {
	c.t.Helper()
	m := next(c.t, sub)
	c.note("%s has %s %q", sub.Subject, m.Subject, m.Data)
}

// asks notes the answer to a request.
func (c *configRun) asks(nc *nats.Conn, subject string) {
	c.t.Helper()
	m, err := nc.Request(subject, []byte("?"), patience)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		c.note("%s: nobody answers", subject)
	case err != nil:
		c.t.Fatal(err)
	default:
		c.note("%s: %q", subject, m.Data)
	}
}

func (c *configRun) answers(nc *nats.Conn, subject, queue, text string) {
	c.t.Helper()
	_, err := nc.QueueSubscribe(subject, queue, func(m *nats.Msg) { _ = m.Respond([]byte(text)) })
	must(c.t, err)
	must(c.t, nc.Flush())
}

func useSingle(c *configRun) {
	c.refused(0, "a wrong password", nats.UserInfo("app", "wrong"))
	c.refused(0, "nobody")
	nc, err := c.try(0, nats.UserInfo("app", "s3cret-bob"))
	must(c.t, err)
	c.note("%s, %d bytes", nc.ConnectedServerName(), nc.MaxPayload())
	sub := subscribe(c.t, nc, "a")
	c.sends(nc, "a", "b")
	c.receives(sub)
	response, err := http.Get(c.servers[0].Monitor + "/varz")
	must(c.t, err)
	defer response.Body.Close()
	var varz map[string]any
	must(c.t, json.NewDecoder(response.Body).Decode(&varz))
	for _, key := range []string{"server_name", "max_payload", "max_connections", "max_subscriptions", "max_pending", "write_deadline",
		"ping_interval", "ping_max", "auth_required", "auth_timeout"} {
		c.note("%s %v", key, varz[key])
	}
	pid, err := os.ReadFile(strings.Trim(os.Getenv("PID_FILE"), `"`))
	must(c.t, err)
	c.note("pid file: %v", len(pid) > 0)
}

func useThree(c *configRun) {
	editor, guest := c.user(0, "editor"), c.user(2, "guest")
	nobody, err := c.try(1)
	must(c.t, err)
	news, all := subscribe(c.t, guest, "news.>"), subscribe(c.t, nobody, "news.*")
	c.arrives(editor, "news.first", news, all)
	for _, subject := range []string{"news.secret", "other", "news.last"} {
		c.sends(editor, subject, "x")
	}
	for range 2 {
		c.receives(news)
		c.receives(all)
	}
	c.sends(guest, "news.mine", "x")
	if _, err := editor.SubscribeSync("news.secret"); err != nil {
		c.note("%v", err)
	}
	c.hears(editor)

	worker := c.user(1, "worker")
	c.answers(worker, "work.*", "crew", "done")
	_, err = worker.SubscribeSync("work.*")
	must(c.t, err)
	c.hears(worker)

	public, err := c.deploy.PublicKey()
	must(c.t, err)
	deploy, err := c.try(1, nats.Nkey(public, c.deploy.Sign))
	must(c.t, err)
	c.arrives(deploy, "news.deploy", news)
	c.sends(deploy, "news.deploy", "version 2")
	c.receives(news)
	c.sends(deploy, "news.other", "x")
	c.refused(2, "a wrong password", nats.UserInfo("editor", "wrong"))
}

// arrives publishes until a message comes through to all: servers may still be finding together. What was published
// before that message has come or is lost by then, so nothing of it is left for what follows.
func (c *configRun) arrives(from *nats.Conn, subject string, subs ...*nats.Subscription) {
	c.t.Helper()
	const moment = 50 * time.Millisecond
	round := 0
	eventually(c.t, subject+" arrives", func() bool {
		round++
		text := strconv.Itoa(round)
		c.sends(from, subject, text)
		for _, sub := range subs {
			for {
				m, err := sub.NextMsg(moment)
				if err != nil {
					return false
				}
				if string(m.Data) == text {
					break
				}
			}
		}
		return true
	})
}

func useAccounts(c *configRun) {
	shop, store, watch := c.user(0, "shop"), c.user(0, "store"), c.user(0, "watch")
	orders, everything := subscribe(c.t, store, "shop.orders.>"), subscribe(c.t, store, "internal.>")
	seen := subscribe(c.t, watch, "orders.>")
	c.sends(shop, "orders.a", "1")
	c.receives(orders)
	c.sends(shop, "old.order", "2")
	c.receives(orders)
	c.sends(shop, "order.x.y", "3")
	c.receives(orders)
	c.answers(shop, "price.*", "", "5 euros")
	c.asks(store, "ask.apple")
	c.asks(store, "price.apple")
	c.sends(store, "internal.x", "x")
	boss := c.user(0, "boss")
	c.sends(boss, "internal.x", "4")
	c.receives(everything)
	third := c.user(0, "store")
	c.refused(0, "one too many", nats.UserInfo("store", "store-pass"))
	third.Close()
	if _, err := seen.NextMsg(50 * time.Millisecond); err == nil {
		c.t.Error("a message crosses accounts")
	}
}

// as presents a certificate.
func (c *configRun) as(name string) nats.Option {
	return func(o *nats.Options) error {
		if err := nats.RootCAs(c.ca)(o); err != nil {
			return err
		}
		return nats.ClientCert(c.certs[name].CertFile, c.certs[name].KeyFile)(o)
	}
}

func useEncrypted(c *configRun) {
	alice, err := c.try(0, c.as("alice"))
	must(c.t, err)
	bob, err := c.try(1, c.as("bob"))
	must(c.t, err)
	state, err := alice.TLSConnectionState()
	must(c.t, err)
	c.note("TLS %x", state.Version)
	sub := subscribe(c.t, alice, "a.>")
	c.arrives(bob, "a.x", sub)
	c.sends(alice, "b.x", "x")
	c.sends(bob, "a.y", "2")
	c.receives(sub)
	if _, err := c.try(0, nats.RootCAs(c.ca)); err == nil {
		c.t.Error("nobody needs a certificate")
	}
	if _, err := c.try(0, c.as("server")); err == nil {
		c.t.Error("a stranger may connect")
	}
	c.note("monitoring over %.8s", c.servers[0].Monitor)
}

func useEverything(c *configRun) {
	guest, err := c.try(0)
	must(c.t, err)
	app, err := c.try(0, nats.UserInfo("app", "app-pass"), nats.RootCAs(c.ca), nats.Secure())
	must(c.t, err)
	first, err := c.try(0, nats.UserInfo("app", "app-pass"), nats.RootCAs(c.ca), nats.TLSHandshakeFirst())
	must(c.t, err)
	other := c.user(0, "other")
	for _, nc := range []*nats.Conn{guest, app, first} {
		_, err := nc.TLSConnectionState()
		c.note("max payload %d, TLS %v", nc.MaxPayload(), err == nil)
	}
	in, out, from := subscribe(c.t, app, "app.in"), subscribe(c.t, guest, "app.out"), subscribe(c.t, other, "from.app")
	c.sends(guest, "app.in", "1")
	c.receives(in)
	c.sends(first, "app.out", "2")
	c.receives(out)
	c.receives(from)
	c.sends(guest, "app.out", "3")
	c.answers(app, "time", "", "noon")
	c.asks(other, "time")
	c.asks(other, "app.in")
	_, err = other.SubscribeSync("a.b.c.d.e.f.g.h.i.j.k.l.m")
	must(c.t, err)
	c.hears(other)
	public, err := c.deploy.PublicKey()
	must(c.t, err)
	deploy, err := c.try(0, nats.Nkey(public, c.deploy.Sign))
	must(c.t, err)
	c.sends(deploy, "app.in", "4")
	c.receives(in)
	c.refused(0, "a stranger", nats.UserInfo("stranger", "x"))
	c.user(0, "admin")
}
