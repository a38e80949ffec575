package membership

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what normally takes a fraction of a second.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	// The library does not wait for a probe that is under way, which takes up to 4 s.
	for deadline := time.Now().Add(patience); code == 0; {
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// network is what the nodes of a test are connected by. It can be cut.
type network struct {
	mu           sync.Mutex
	island       map[string]int // gossip address -> side of a split; what is not there is on side 0
	noUDP, noTCP bool
	loss         float64                  // of packets
	drops        func(packet []byte) bool // which packets get lost besides, nil if none
}

func newNetwork() *network { return &network{island: make(map[string]int)} }

// put moves nodes to a side of a split.
func (n *network) put(side int, nodes ...*testNode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range nodes {
		n.island[t.addr] = side
	}
}

func (n *network) set(f func(*network)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

func (n *network) connected(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.island[a] == n.island[b] && !n.noTCP
}

func (n *network) carries(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.island[a] == n.island[b] && !n.noUDP && mrand.Float64() >= n.loss
}

func (n *network) drop(packet []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.drops != nil && n.drops(packet)
}

// packetConn is a UDP socket on a network.
type packetConn struct {
	net.PacketConn
	network *network
	addr    string
}

func (p *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if !p.network.carries(p.addr, to.String()) || p.network.drop(b) {
		return len(b), nil
	}
	return p.PacketConn.WriteTo(b, to)
}

// testNode plays the node: it has a cluster port, and hands what comes there to its Cluster.
type testNode struct {
	*Cluster
	t       testing.TB
	network *network
	addr    string
	ln      net.Listener
	udp     net.PacketConn
	log     *logBuffer
	wg      sync.WaitGroup
	once    sync.Once
	ready   chan struct{}
}

func newID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, 56)
	rand.Read(b)
	for i := range b {
		b[i] = letters[b[i]%32]
	}
	b[0] = 'N'
	return string(b)
}

// logBuffer collects what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// listen opens a cluster port: TCP and UDP of the same number.
func listen(t testing.TB, addr string) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", ln.Addr().String())
		if err == nil {
			return ln, udp
		}
		ln.Close()
	}
	t.Fatal("no port is free for both TCP and UDP")
	return nil, nil
}

// prepare opens the port of a node, so that others can be told of it before it starts.
func prepare(t testing.TB, nw *network, at string) *testNode {
	t.Helper()
	n := &testNode{t: t, network: nw, log: new(logBuffer), ready: make(chan struct{})}
	n.ln, n.udp = listen(t, at)
	n.addr = n.ln.Addr().String()
	return n
}

// start starts a node of profile Local, with what tune changes of its options, until the test ends.
func (n *testNode) start(name string, join []string, tune ...func(*Options)) *testNode {
	n.t.Helper()
	if err := n.tryStart(name, join, tune...); err != nil {
		n.t.Fatal(err)
	}
	return n
}

func (n *testNode) tryStart(name string, join []string, tune ...func(*Options)) error {
	o := Options{
		ID: newID(), Name: name, Version: "1.0", Profile: Local,
		Route: ":" + n.addr[strings.LastIndex(n.addr, ":")+1:], Client: ":4222", Monitor: ":8222",
		Cluster:   func() (string, bool) { return "test", true },
		Advertise: netip.MustParseAddrPort(n.addr), Join: join,
		Packets: &packetConn{n.udp, n.network, n.addr},
		Dial: func(ctx context.Context, addr string, _ bool) (net.Conn, error) {
			if !n.network.connected(n.addr, addr) {
				return nil, errors.New("no route to host")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		Logger: slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, f := range tune {
		f(&o)
	}
	c, err := Start(context.Background(), o)
	if err != nil {
		n.ln.Close()
		n.udp.Close()
		return err
	}
	n.Cluster = c
	n.wg.Go(func() {
		for {
			nc, err := n.ln.Accept()
			if err != nil {
				return
			}
			c.Stream(nc)
		}
	})
	n.t.Cleanup(n.kill)
	return nil
}

// startNode starts a node.
func startNode(t testing.TB, nw *network, name string, join []string, tune ...func(*Options)) *testNode {
	t.Helper()
	return prepare(t, nw, "127.0.0.1:0").start(name, join, tune...)
}

// kill ends a node without a goodbye.
func (n *testNode) kill() {
	n.once.Do(func() {
		n.ln.Close()
		if err := n.Close(); err != nil {
			n.t.Errorf("%s: %v", n.o.Name, err)
		}
		n.udp.Close()
		n.wg.Wait()
		if n.t.Failed() {
			n.t.Logf("log of %s:\n%s", n.o.Name, n.log)
		}
	})
}

// startCluster starts n nodes that join the first.
func startCluster(t testing.TB, nw *network, n int, tune ...func(*Options)) []*testNode {
	t.Helper()
	list := make([]*testNode, n)
	for i := range list {
		list[i] = prepare(t, nw, "127.0.0.1:0")
	}
	var wg sync.WaitGroup
	for i, node := range list {
		wg.Go(func() {
			if err := node.tryStart(fmt.Sprint("n", i), []string{list[0].addr}, tune...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return list
}

// eventually waits until ok returns an empty string, which otherwise says what is missing.
func eventually(t testing.TB, what string, ok func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		missing := ok()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, missing)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// sees returns "" if each of nodes sees exactly those members of others as living.
func sees(nodes, others []*testNode) string {
	for _, n := range nodes {
		living := make(map[string]bool)
		for _, m := range n.Members() {
			if m.Liveness == Alive {
				living[m.ID] = true
			}
		}
		for _, o := range others {
			if !living[o.o.ID] {
				m, ok := n.Member(o.o.ID)
				return fmt.Sprintf("%s does not see %s: %s since %v, known %v, the library knows %d", n.o.Name, o.o.Name, m.Liveness, time.Since(m.Since), ok, n.list.NumMembers())
			}
		}
		if len(living) != len(others) {
			return fmt.Sprintf("%s sees %d members, not %d", n.o.Name, len(living), len(others))
		}
	}
	return ""
}

// together waits until nodes see each other and nobody else.
func together(t testing.TB, nodes []*testNode) {
	t.Helper()
	eventually(t, "one cluster", func() string { return sees(nodes, nodes) })
}

// liveness waits until each of nodes thinks so of a member.
func liveness(t testing.TB, nodes []*testNode, of *testNode, want Liveness) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is %s", of.o.Name, want), func() string {
		for _, n := range nodes {
			m, ok := n.Member(of.o.ID)
			if !ok {
				return n.o.Name + " does not know it"
			}
			if m.Liveness != want {
				return fmt.Sprintf("%s thinks it is %s", n.o.Name, m.Liveness)
			}
		}
		return ""
	})
}

// logs waits until a node has logged all of these in one line.
func (n *testNode) logs(parts ...string) {
	n.t.Helper()
	eventually(n.t, "log of "+n.o.Name, func() string {
		for line := range strings.Lines(n.log.String()) {
			all := true
			for _, p := range parts {
				all = all && strings.Contains(line, p)
			}
			if all {
				return ""
			}
		}
		return fmt.Sprintf("no line with %q in\n%s", parts, n.log)
	})
}
