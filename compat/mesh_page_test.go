package compat

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/mesh"
)

// The command lines on the page "Cluster Upgrade" of the documentation of nats-server.
const (
	pageA = "gnatsd -D -p 4222 -cluster nats://localhost:6222 -routes nats://localhost:6222,nats://localhost:6333"
	pageB = "gnatsd -D -p 4333 -cluster nats://localhost:6333 -routes nats://localhost:6222,nats://localhost:6333"
	pageT = "gnatsd -D -p 4444 -cluster nats://localhost:6444 -routes nats://localhost:6222,nats://localhost:6333"

	pageSeedA = "gnatsd -D -p 4222 -cluster nats://localhost:6222"
	pageSeedB = "gnatsd -D -p 4333 -cluster nats://localhost:6333 -routes nats://localhost:6222"
	pageSeedC = "gnatsd -D -p 4444 -cluster nats://localhost:6444 -routes nats://localhost:6222"
)

// page holds what is the same for all its commands: where the ports really are, since the printed
// ones may be taken.
type page struct {
	t     *testing.T
	ports map[string]string
}

func newPage(t *testing.T) *page {
	p := &page{t: t, ports: map[string]string{}}
	for _, port := range []string{"4222", "4333", "4444", "6222", "6333", "6444"} {
		free, err := broker.FreePort()
		must(t, err)
		p.ports[port] = free
	}
	return p
}

// substitute puts real ports in the place of printed ones.
func (p *page) substitute(text string) string {
	return regexp.MustCompile(`\b[46]\d{3}\b`).ReplaceAllStringFunc(text, func(port string) string { return p.ports[port] })
}

// pageServer is a server that runs in one of the page's terminals.
type pageServer struct {
	*broker.Server
	page *page
	port string
	done bool
}

// start types a command. It returns when the server is ready.
func (p *page) start(kind broker.Kind, command string) *pageServer {
	p.t.Helper()
	words := strings.Fields(p.substitute(command))
	server, err := broker.LaunchPlain(kind, words[1:]...)
	must(p.t, err)
	s := &pageServer{Server: server, page: p, port: words[3]}
	p.t.Cleanup(func() {
		if !s.done {
			s.interrupt()
		}
		if p.t.Failed() {
			p.t.Logf("the log of %s:\n%s", command, shorten(s.Log()))
		}
	})
	awaitTrue(p.t, command, func() bool {
		socket, err := net.Dial("tcp", "localhost:"+s.port)
		if err == nil {
			_ = socket.Close()
		}
		return err == nil
	})
	return s
}

// interrupt presses Ctrl+C.
func (s *pageServer) interrupt() {
	s.page.t.Helper()
	s.done = true
	if err := s.Signal(os.Interrupt); err != nil {
		s.page.t.Error(err)
	}
	if err := s.WaitStopped(meshPatience); err != nil {
		s.page.t.Error(err)
	}
}

// watchers are clients like nats-sub: they subscribe to everything and know one server.
type pageClients struct {
	page    *page
	clients []*nats.Conn
	heard   []atomic.Int64
}

// subscribe runs nats-sub -s nats://localhost:4222 ">" a number of times.
func (p *page) subscribe(count int) *pageClients {
	p.t.Helper()
	c := &pageClients{page: p, heard: make([]atomic.Int64, count)}
	for i := range count {
		nc, err := nats.Connect(p.substitute("nats://localhost:4222"), nats.MaxReconnects(-1),
			nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(10*time.Millisecond, 0), nats.Timeout(10*time.Second))
		must(p.t, err)
		p.t.Cleanup(nc.Close)
		_, err = nc.Subscribe(">", func(m *nats.Msg) {
			if m.Subject == "hello" {
				c.heard[i].Add(1)
			}
		})
		must(p.t, err)
		must(p.t, nc.FlushTimeout(meshPatience))
		c.clients = append(c.clients, nc)
	}
	return c
}

// know waits until all clients know exactly the servers on these ports, besides the one they were
// told of in the first place.
func (c *pageClients) know(ports ...string) {
	c.page.t.Helper()
	first := c.page.ports["4222"]
	var want []string
	for _, port := range append(ports, "4222") {
		want = append(want, c.page.ports[port])
	}
	slices.Sort(want)
	want = slices.Compact(want)
	for _, nc := range c.clients {
		var got []string
		err := mesh.Poll(meshPatience, func() error {
			got = []string{first}
			for _, url := range nc.Servers() {
				got = append(got, url[strings.LastIndexByte(url, ':')+1:])
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				return fmt.Errorf("a client on %s knows of servers on the ports %q instead of %q", nc.ConnectedUrl(), got, want)
			}
			return nil
		})
		if err != nil {
			c.page.t.Fatal(err)
		}
	}
}

// move waits until all clients are connected to servers on these ports, and returns how many are
// on each.
func (c *pageClients) move(ports ...string) map[string]int {
	c.page.t.Helper()
	counts := map[string]int{}
	for _, nc := range c.clients {
		awaitTrue(c.page.t, fmt.Sprintf("a client to move to %q", ports), func() bool {
			url := nc.ConnectedUrl()
			for _, port := range ports {
				if nc.IsConnected() && strings.HasSuffix(url, ":"+c.page.ports[port]) {
					counts[port]++
					return true
				}
			}
			return false
		})
	}
	return counts
}

// hear publishes on each of the servers until all clients have heard it, and then once more, which
// they have to hear once.
func (c *pageClients) hear(ports ...string) {
	c.page.t.Helper()
	for _, port := range ports {
		nc, err := nats.Connect(c.page.substitute("nats://localhost:"+port), nats.NoReconnect(), nats.Timeout(10*time.Second))
		must(c.page.t, err)
		c.clear()
		awaitTrue(c.page.t, "all clients to hear what is published on "+port, func() bool {
			if nc.Publish("hello", nil) != nil || nc.FlushTimeout(meshPatience) != nil {
				return false
			}
			for i := range c.heard {
				if c.heard[i].Load() == 0 {
					return false
				}
			}
			return true
		})
		// What was published for those that had not heard has arrived when a request to each has.
		c.settle(nc)
		c.clear()
		const messages = 10
		for range messages {
			must(c.page.t, nc.Publish("hello", nil))
		}
		c.settle(nc)
		for i := range c.heard {
			if got := c.heard[i].Load(); got != messages {
				c.page.t.Errorf("a client on %s heard %d of %d messages published on %s",
					c.clients[i].ConnectedUrl(), got, messages, c.page.ports[port])
			}
		}
		nc.Close()
	}
}

func (c *pageClients) clear() {
	for i := range c.heard {
		c.heard[i].Store(0)
	}
}

// settle waits until what a publisher has sent before has reached all clients.
func (c *pageClients) settle(nc *nats.Conn) {
	c.page.t.Helper()
	for i, client := range c.clients {
		subject := fmt.Sprintf("ping.%d.%s", i, nats.NewInbox())
		sub, err := client.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(nil) })
		must(c.page.t, err)
		must(c.page.t, client.FlushTimeout(meshPatience))
		err = mesh.Poll(meshPatience, func() error {
			_, err := nc.Request(subject, nil, time.Second)
			return err
		})
		if err != nil {
			c.page.t.Fatal(err)
		}
		must(c.page.t, sub.Unsubscribe())
		must(c.page.t, client.FlushTimeout(meshPatience))
	}
}

// TestUpgradePage follows the page: two servers, a temporary third one, and then the upgrade of one
// after the other, from one kind of server to another. The page names no cluster, so nats-servers
// are busy with names for a while when one comes.
func TestUpgradePage(t *testing.T) {
	shoal := subject()
	for _, test := range []struct {
		name             string
		old, temporary   broker.Kind
		new              broker.Kind
		wantEvenlySpread bool
	}{
		{"shoal", shoal, shoal, shoal, isShoalKind(shoal)},
		{"nats-server to shoal", broker.Oracle, shoal, shoal, false},
		{"shoal to nats-server", shoal, broker.Oracle, broker.Oracle, false},
		{"nats-server", broker.Oracle, broker.Oracle, broker.Oracle, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPage(t)
			const clients = 24

			a := p.start(test.old, pageA)
			complaint := regexp.MustCompile(p.substitute(
				`Error trying to connect to route.*: dial tcp \S+:6333: connect: connection refused`))
			awaitTrue(t, "the warning of A", func() bool { return complaint.MatchString(a.Log()) })
			b := p.start(test.old, pageB)
			c := p.subscribe(clients)
			c.know("4333")
			c.hear("4222", "4333")

			temporary := p.start(test.temporary, pageT)
			c.know("4333", "4444")
			c.hear("4222", "4333", "4444")

			a.interrupt()
			counts := c.move("4333", "4444")
			if t.Logf("the clients of A went to %v", counts); len(counts) != 2 && test.wantEvenlySpread {
				t.Errorf("all clients of A went to the same server: %v", counts)
			}
			c.hear("4333", "4444")
			a = p.start(test.new, pageA)
			c.know("4333", "4444")
			c.hear("4222", "4333", "4444")

			b.interrupt()
			t.Logf("then they were on %v", c.move("4222", "4444"))
			c.hear("4222", "4444")
			b = p.start(test.new, pageB)
			c.know("4333", "4444")
			c.hear("4222", "4333", "4444")

			temporary.interrupt()
			t.Logf("in the end they were on %v", c.move("4222", "4333"))
			c.know("4333")
			c.hear("4222", "4333")
			b.interrupt()
			a.interrupt()
		})
	}
}

// TestSeedServersPage is the page's second example, in which all know only the first server.
func TestSeedServersPage(t *testing.T) {
	shoal := subject()
	for name, kinds := range map[string][3]broker.Kind{
		"shoal":            {shoal, shoal, shoal},
		"a nats-server":    {broker.Oracle, shoal, shoal},
		"two nats-servers": {shoal, broker.Oracle, broker.Oracle},
		"nats-servers":     {broker.Oracle, broker.Oracle, broker.Oracle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPage(t)
			p.start(kinds[0], pageSeedA)
			c := p.subscribe(5)
			var starting sync.WaitGroup
			for i, command := range []string{pageSeedB, pageSeedC} {
				starting.Go(func() { p.start(kinds[i+1], command) })
			}
			starting.Wait()
			c.know("4333", "4444")
			c.hear("4222", "4333", "4444")
			// B and C have a route of their own: messages pass over one route only.
			far := p.subscribeOn("4333")
			far.hear("4444")
		})
	}
}

// subscribeOn subscribes a client that stays on one server.
func (p *page) subscribeOn(port string) *pageClients {
	p.t.Helper()
	nc, err := nats.Connect(p.substitute("nats://localhost:"+port), nats.NoReconnect(), nats.Timeout(10*time.Second))
	must(p.t, err)
	p.t.Cleanup(nc.Close)
	c := &pageClients{page: p, clients: []*nats.Conn{nc}, heard: make([]atomic.Int64, 1)}
	_, err = nc.Subscribe("hello", func(*nats.Msg) { c.heard[0].Add(1) })
	must(p.t, err)
	must(p.t, nc.FlushTimeout(meshPatience))
	return c
}

func isShoalKind(kind broker.Kind) bool { return kind.Name == broker.Shoal.Name }
