package node

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"shoal/wire"
)

// secretCluster is what nodes of a cluster with a password are configured with.
func secretCluster() ClusterOptions {
	return ClusterOptions{Name: "C", User: "u", Password: "opensesame"}
}

// withSecret returns the URL of a node with user and password.
func withSecret(n *Node) *url.URL {
	u := routeURL(n)
	u.User = url.UserPassword("u", "opensesame")
	return u
}

// tap passes connections on to a node, and keeps what was said.
type tap struct {
	addr string

	mu   sync.Mutex // guards said
	said bytes.Buffer
}

func newTap(t *testing.T, to string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tp := &tap{addr: l.Addr().String()}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			pass := func(to, from net.Conn) {
				defer to.Close()
				io.Copy(io.MultiWriter(to, tp), from)
			}
			wg.Go(func() { pass(a, b) })
			wg.Go(func() { pass(b, a) })
		}
	})
	return tp
}

func (tp *tap) Write(b []byte) (int, error) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return tp.said.Write(b)
}

func (tp *tap) String() string {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return tp.said.String()
}

// TestPasswordStaysAtHome has shoal nodes form a route, with and without pools and compression, and reads
// along.
func TestPasswordStaysAtHome(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b ClusterOptions
	}{
		{"plain", ClusterOptions{}, ClusterOptions{}},
		{"pools", ClusterOptions{PoolSize: 3}, ClusterOptions{PoolSize: 2}},
		{"compressed", ClusterOptions{Compression: CompressionFast}, ClusterOptions{Compression: CompressionAccept}},
		{"compressed pools", ClusterOptions{PoolSize: 2, Compression: CompressionAccept},
			ClusterOptions{PoolSize: 2, Compression: CompressionBest}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, o := range []*ClusterOptions{&tt.a, &tt.b} {
				o.Name, o.User, o.Password = "C", "u", "opensesame"
			}
			a := startPeer(t, "a", tt.a, nil)
			wire := newTap(t, a.ClusterAddr().String())
			u := withSecret(a)
			u.Host = wire.addr
			tt.b.Routes = append(tt.b.Routes, u)
			b := startPeer(t, "b", tt.b, nil)
			nodes := []*Node{a, b}
			want := max(1, poolSize(tt.a.PoolSize, tt.b.PoolSize))
			for _, n := range nodes {
				eventually(t, "all connections are routes", func() bool { return len(n.Routes()) == want && n.Synchronized() })
			}
			wantEverybodyReached(t, nodes, subscribeEverywhere(t, nodes))
			if said := wire.String(); strings.Contains(said, "opensesame") || !strings.Contains(said, "shoal_proof") {
				t.Errorf("the wire has seen %q", said)
			}
		})
	}
}

// TestMeshWithPassword has nodes learn of each other, by routes and by gossip.
func TestMeshWithPassword(t *testing.T) {
	for _, gossip := range []bool{false, true} {
		var nodes []*Node
		for i := range 3 {
			cluster := secretCluster()
			switch {
			case i > 0 && gossip:
				cluster.Join = []string{nodes[0].ClusterAddr().String()}
			case i > 0:
				cluster.Routes = []*url.URL{withSecret(nodes[0])}
			}
			if gossip {
				cluster.GossipProfile = 1
			}
			nodes = append(nodes, startPeer(t, fmt.Sprintf("n%d", i), cluster, nil))
		}
		waitForMesh(t, nodes)
		wantEverybodyReached(t, nodes, subscribeEverywhere(t, nodes))
	}
}

// TestBothDialWithPassword is TestBothDial for nodes that prove themselves.
func TestBothDialWithPassword(t *testing.T) {
	for range 20 {
		a := startPeer(t, "a", secretCluster(), nil)
		b := startPeer(t, "b", secretCluster(), nil)
		a.targets.configure(withSecret(b))
		b.targets.configure(routeURL(a)) // with the password of --cluster
		a.wakeDialer()
		b.wakeDialer()
		nodes := []*Node{a, b}
		waitForMesh(t, nodes)
		for _, n := range nodes {
			eventually(t, "one connection is left", func() bool { return len(n.routes.everyone()) == 1 })
		}
		for _, n := range nodes {
			if err := n.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// fake is somebody at an address where a peer is said to be.
type fake struct {
	t *testing.T
	l net.Listener
}

func newFake(t *testing.T) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &fake{t, l}
}

func (f *fake) addr() string { return f.l.Addr().String() }

// serve accepts one connection, sends info, and what more returns once there is a CONNECT, and returns all
// that it was sent until the other side has closed.
func (f *fake) serve(info string, more func(connect *wire.ConnectOptions) string) string {
	f.t.Helper()
	f.l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	nc, err := f.l.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, info); err != nil {
		f.t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	var heard strings.Builder
	for {
		line, err := r.ReadString('\n')
		heard.WriteString(line)
		if err != nil {
			return heard.String()
		}
		if arg, ok := strings.CutPrefix(line, "CONNECT "); ok && more != nil {
			var o wire.ConnectOptions
			if err := o.Merge([]byte(arg)); err != nil {
				f.t.Fatal(err)
			}
			io.WriteString(nc, more(&o))
		}
	}
}

// TestFakePeer has a node be led, as by gossip, to somebody who does not know the password. That one gets
// neither the password nor interest, and what it sends reaches nobody.
func TestFakePeer(t *testing.T) {
	shoal := func(nonce, proof string) string {
		return fmt.Sprintf(`"shoal":{"proto":3,"nonce":%q,"proof":%q}`, nonce, proof)
	}
	for _, tt := range []struct {
		name, about string // of its INFO
		more        func(nonce string, o *wire.ConnectOptions, info func(about string) string) string
	}{
		{name: "nothing to say", about: `"auth_required":true,` + shoal("abcd", "")},
		{name: "no proof", about: `"auth_required":true,` + shoal("abcd", ""),
			more: func(_ string, _ *wire.ConnectOptions, info func(string) string) string { return info(shoal("", "")) }},
		{name: "made up", about: `"auth_required":true,` + shoal("abcd", ""),
			more: func(_ string, _ *wire.ConnectOptions, info func(string) string) string {
				return info(shoal("", strings.Repeat("00", 32)))
			}},
		{name: "reflected", about: `"auth_required":true,` + shoal("abcd", ""),
			more: func(_ string, o *wire.ConnectOptions, info func(string) string) string {
				return info(shoal("", o.ShoalProof))
			}},
		{name: "impatient", about: `"auth_required":true,` + shoal("abcd", ""),
			more: func(string, *wire.ConnectOptions, func(string) string) string {
				return "PING\r\nPONG\r\nRS+ $G all\r\nRMSG $G all 3\r\nbad\r\n"
			}},
		{name: "tells of another", about: `"auth_required":true,` + shoal("abcd", ""),
			more: func(string, *wire.ConnectOptions, func(string) string) string {
				return `INFO {"server_id":"OTHER","server_name":"other","ip":"nats-route://127.0.0.1:1/","auth_required":true}` + "\r\n"
			}},
		{name: "old shoal node", about: `"auth_required":true,"shoal":{"proto":2}`},
		{name: "nats-server", about: `"auth_required":true`},
		{name: "compressed", about: `"auth_required":true,"compression":"s2_fast",` + shoal("abcd", ""),
			more: func(_ string, _ *wire.ConnectOptions, info func(string) string) string { return info(shoal("", "")) }},
		{name: "open nats-server", about: `"headers":true`},
		{name: "open shoal node", about: shoal("", "")},
		{name: "message first", about: "first"},
	} {
		for _, id := range []string{"A", "Z"} { // one of the two is the judge
			t.Run(tt.name+" "+id, func(t *testing.T) {
				f := newFake(t)
				cluster := secretCluster()
				cluster.Compression = CompressionAccept
				n := startPeer(t, "n", cluster, nil)
				c := dial(t, n, quiet+"SUB all 1\r\nSUB secret q 2\r\n")
				c.sync()
				n.targets.propose(time.Now(), id, f.addr(), time.Now())
				info := func(about string) string {
					if about == "first" {
						return "RMSG $G all 3\r\nbad\r\n"
					}
					return fmt.Sprintf(`INFO {"server_id":%q,"server_name":"fake","host":"127.0.0.1","port":1,"cluster":"C",%s}`+"\r\n", id, about)
				}
				heard := f.serve(info(tt.about), func(o *wire.ConnectOptions) string {
					if tt.more == nil {
						f.l.Close()
						n.routes.everyone()[0].checkHandshake(time.Time{}) // its time is up
						return ""
					}
					return tt.more("abcd", o, info)
				})
				if strings.Contains(heard, "opensesame") || strings.Contains(heard, "RS+ ") || strings.Contains(heard, "secret") {
					t.Errorf("the fake has heard %q", heard)
				}
				f.l.Close()
				eventually(t, "the connection is gone", func() bool { return len(n.routes.everyone()) == 0 })
				c.sync() // and has got no message
				if n.accounts.len() != 2 {
					t.Errorf("%d entries of interest", n.accounts.len())
				}
				for _, p := range n.Peers() {
					if p.ID == "OTHER" {
						t.Error("the node believes what the fake tells of others")
					}
				}
			})
		}
	}
}

// TestFakeDialler has somebody connect who does not know the password.
func TestFakeDialler(t *testing.T) {
	o := Options{ServerName: "a", AuthTimeout: patience, Cluster: secretCluster()}
	o.Cluster.Host, o.Cluster.Port, o.Cluster.NoGossip = "127.0.0.1", RandomPort, true
	a := startNode(t, o)
	key := a.secrets.key("u", "opensesame")
	const id, refused = "DIALLER", "-ERR 'Authorization Violation'\r\n"
	for _, tt := range []struct {
		name    string
		connect func(nonce string) (proof, name, cluster string)
		info    string // ID
		ok      bool
	}{
		{"genuine", func(nonce string) (string, string, string) {
			dials, _ := proofs(key, nonce, "n", a.ID(), id, "C", "")
			return hex.EncodeToString(dials), id, "C"
		}, id, true},
		{"made up", func(string) (string, string, string) { return strings.Repeat("00", 32), id, "C" }, id, false},
		{"not hex", func(string) (string, string, string) { return "proof", id, "C" }, id, false},
		{"wrong password", func(nonce string) (string, string, string) {
			dials, _ := proofs(a.secrets.key("u", "x"), nonce, "n", a.ID(), id, "C", "")
			return hex.EncodeToString(dials), id, "C"
		}, id, false},
		{"wrong user", func(nonce string) (string, string, string) {
			dials, _ := proofs(a.secrets.key("v", "opensesame"), nonce, "n", a.ID(), id, "C", "")
			return hex.EncodeToString(dials), id, "C"
		}, id, false},
		{"repeated", func(string) (string, string, string) {
			dials, _ := proofs(key, "an older nonce", "n", a.ID(), id, "C", "")
			return hex.EncodeToString(dials), id, "C"
		}, id, false},
		{"for another", func(nonce string) (string, string, string) {
			dials, _ := proofs(key, nonce, "n", "ANOTHER", id, "C", "")
			return hex.EncodeToString(dials), id, "C"
		}, id, false},
		{"of the accepting side", func(nonce string) (string, string, string) {
			_, accepts := proofs(key, nonce, "n", a.ID(), id, "C", "")
			return hex.EncodeToString(accepts), id, "C"
		}, id, false},
		{"another cluster", func(nonce string) (string, string, string) {
			dials, _ := proofs(key, nonce, "n", a.ID(), id, "D", "")
			return hex.EncodeToString(dials), id, "C"
		}, id, false},
		{"by the node itself", func(nonce string) (string, string, string) {
			dials, _ := proofs(key, nonce, "n", a.ID(), a.ID(), "C", "")
			return hex.EncodeToString(dials), a.ID(), "C"
		}, id, false},
		{"of another ID", func(nonce string) (string, string, string) {
			dials, _ := proofs(key, nonce, "n", a.ID(), "OTHER", "C", "")
			return hex.EncodeToString(dials), "OTHER", "C"
		}, id, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nc, err := net.Dial("tcp", a.ClusterAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			p := &peer{t, nc, bufio.NewReader(nc)}
			info, err := wire.ParseInfo([]byte(strings.TrimPrefix(p.line(), "INFO ")))
			if err != nil || len(info.Shoal.Nonce) != 32 {
				t.Fatalf("INFO %+v, %v", info, err)
			}
			proof, name, cluster := tt.connect(info.Shoal.Nonce)
			o := wire.ConnectOptions{Name: name, Cluster: cluster, Headers: true, Shoal: 3, ShoalNonce: "n", ShoalProof: proof}
			own := wire.ServerInfo{ID: tt.info, Name: "x", Cluster: "C", Headers: true, Shoal: &wire.ShoalInfo{Proto: 3}}
			p.send(string(o.Append(nil)) + string(own.Append(nil)))
			if !tt.ok {
				p.wantEnd(refused)
				return
			}
			again, err := wire.ParseInfo([]byte(strings.TrimPrefix(p.line(), "INFO ")))
			_, accepts := proofs(key, info.Shoal.Nonce, "n", a.ID(), id, "C", "")
			if err != nil || !isCode(again.Shoal.Proof, accepts) {
				t.Errorf("the second INFO is %+v, %v", again, err)
			}
			p.want("PING\r\n")
			nc.Close()
			eventually(t, "the connection is gone", func() bool { return len(a.routes.everyone()) == 0 })
		})
	}
}

// TestGuessersOfTheClusterPassword has somebody try passwords: answers come late in the end, and a hash is not
// compared without end. Clients are not concerned.
func TestGuessersOfTheClusterPassword(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("opensesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range map[string]string{"clear": "opensesame", "hashed": string(hash)} {
		t.Run(name, func(t *testing.T) {
			o := ClusterOptions{Name: "C", User: "u", Password: password, NoGossip: true}
			n := startPeer(t, "n", o, nil)
			// All guess at once: an address is forgiven ten failures a second, and a slow machine takes no fewer.
			guessers := make([]*peer, 40)
			for i := range guessers {
				guessers[i] = dialRoute(t, n, "")
			}
			began := time.Now()
			for _, p := range guessers {
				p.send(`CONNECT {"user":"u","pass":"guess","name":"X","cluster":"C"}` + "\r\n")
			}
			busy := 0
			for _, p := range guessers {
				p.nc.SetReadDeadline(time.Now().Add(patience))
				got, _ := io.ReadAll(p.r)
				if len(got) == 0 {
					busy++
				}
			}
			if hashed := name == "hashed"; (busy > 0) != hashed {
				t.Errorf("%d guesses were refused without a look", busy)
			}
			if took := time.Since(began); took < 300*time.Millisecond {
				t.Errorf("all answers came within %v, none was held back", took)
			}
			if n.failures.Failed("127.0.0.1", time.Now()) > 0 {
				t.Error("clients of that address are held back")
			}
		})
	}
}

// TestHashedPassword has nodes meet of which one knows the password only as a hash.
func TestHashedPassword(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("opensesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	hashed := secretCluster()
	hashed.Password = string(hash)
	a := startPeer(t, "a", hashed, nil)
	b := startPeer(t, "b", secretCluster(), nil)
	// What is only said to be a peer gets no password.
	b.targets.learn(time.Now(), a.ID(), a.ClusterAddr().String(), gossipDefault, false)
	eventually(t, "an attempt has failed", func() bool {
		peers := b.Peers()
		return len(peers) == 1 && peers[0].Attempts > 0
	})
	if len(a.Routes()) > 0 {
		t.Fatal("there is a route")
	}
	// One that is configured does, and one that has the hash proves itself by what its URL has.
	b.targets.configure(withSecret(a))
	b.wakeDialer()
	waitForMesh(t, []*Node{a, b})
	c := startPeer(t, "c", secretCluster(), nil)
	a.targets.configure(withSecret(c))
	a.wakeDialer()
	eventually(t, "there are two routes", func() bool { return len(a.Routes()) == 2 })
}

// TestNatsServerNeedsPassword has a peer that belongs to the cluster tell of a nats-server.
func TestNatsServerNeedsPassword(t *testing.T) {
	n := startPeer(t, "n", secretCluster(), nil)
	p := dialRoute(t, n, strings.Replace(aRoute("X"), "CONNECT {", `CONNECT {"user":"u","pass":"opensesame",`, 1))
	p.want("PING\r\n")
	p.send("PONG\r\n")
	p.sync()
	f := newFake(t)
	p.send(fmt.Sprintf(`INFO {"server_id":"Y","cluster":"C","auth_required":true,"ip":"nats-route://%s/"}`+"\r\n", f.addr()))
	heard := f.serve(`INFO {"server_id":"Y","server_name":"Y","cluster":"C","auth_required":true}`+"\r\n",
		func(o *wire.ConnectOptions) string {
			if o.User != "u" || o.Pass != "opensesame" {
				t.Errorf("CONNECT has %q and %q", o.User, o.Pass)
			}
			f.l.Close()
			return "-ERR 'enough'\r\n"
		})
	if heard == "" {
		t.Error("nothing was heard")
	}
}
