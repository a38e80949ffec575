package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"shoal/node/auth"
)

func TestShutdownEndsClientsWithoutAWord(t *testing.T) {
	n := startNode(t, Options{})
	p := dial(t, n, quiet+"SUB a 1\r\n")
	p.sync()
	pipe, err := n.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	q := newPeer(t, pipe, quiet)
	q.sync()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	p.wantEnd("")
	q.wantEnd("")
	if _, err := n.InProcessConn(); err == nil {
		t.Error("a stopped node gave a connection")
	}
	if _, err := net.Dial("tcp", n.Addr().String()); err == nil {
		t.Error("a stopped node still listens")
	}
	if err := n.Shutdown(ctx); err != nil {
		t.Errorf("second shutdown: %v", err)
	}
	if err := n.Start(ctx); err == nil {
		t.Error("a stopped node started again")
	}
}

func TestContextEndsNode(t *testing.T) {
	n, err := New(Options{Host: "127.0.0.1", Port: RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	p := dial(t, n, quiet)
	p.sync()
	cancel()
	p.wantEnd("")
	<-n.Done()
}

func TestShutdownGivesUpOnConsumersThatDoNotRead(t *testing.T) {
	n := startNode(t, Options{})
	dial(t, n, quiet+"SUB s 1\r\n").sync()
	p := dial(t, n, quiet)
	publishUntil(t, p, "s", 512<<10, func() bool { return n.Stats().PendingBytes > 8<<20 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	if got := n.Stats().PendingBytes; got != 0 {
		t.Errorf("%d bytes still wait", got)
	}
}

func TestStartReportsOccupiedPort(t *testing.T) {
	n := startNode(t, Options{})
	port := n.Addr().(*net.TCPAddr).Port
	m, err := New(Options{Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(context.Background()); err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) {
		t.Errorf("start on an occupied port: %v", err)
	}
	<-m.Done()
}

func TestValidate(t *testing.T) {
	tests := []struct {
		opts Options
		want string // part of the error, or empty
	}{
		{Options{}, ""},
		{Options{Port: 99999}, "port: 99999"},
		{Options{Port: -2}, "port: -2"},
		{Options{MaxPayload: 100, MaxPending: 99}, "max_payload"},
		{Options{MaxSubscriptionTokens: 256}, "max_subscription_tokens"},
		{Options{MaxControlLine: -1}, "max_control_line"},
		{Options{ClientAdvertise: "host:port"}, "client_advertise"},
		{Options{ClientAdvertise: ":0"}, "client_advertise"},
		{Options{ClientAdvertise: "host"}, ""},
		{Options{ClientAdvertise: "[::1]:4222"}, ""},
	}
	for _, test := range tests {
		err := test.opts.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: got %v, want %q", test.opts, err, test.want)
		}
	}
}

func TestAuthentication(t *testing.T) {
	users, err := auth.New(auth.Config{User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	const denied, late = authViolation, "-ERR 'Authentication Timeout'\r\n"
	tests := []struct {
		name, send, want string
		ends             bool
	}{
		{"good", `CONNECT {"verbose":false,"user":"u","pass":"p"}` + "\r\nPING\r\n", "PONG\r\n", false},
		{"wrong password", `CONNECT {"user":"u","pass":"x"}` + "\r\nPING\r\n", denied, true},
		{"no credentials", "CONNECT {}\r\n", denied, true},
		{"something else first", "PING\r\n", denied, true},
		{"nothing", "", late, true},
		{"half a CONNECT", "CONNECT {", late, true},
	}
	// Whoever is to be in time has more of it than a machine may make him wait.
	n := startNode(t, Options{Authenticator: users, AuthTimeout: patience})
	hasty := startNode(t, Options{Authenticator: users, AuthTimeout: 200 * time.Millisecond})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at := n
			if test.want == late {
				at = hasty
			}
			p := dial(t, at, test.send)
			if test.ends {
				p.wantEnd(test.want)
			} else {
				p.want(test.want)
			}
		})
	}
}

// recorder is a log handler that keeps what is written as text.
type recorder struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func TestTraceHidesSecrets(t *testing.T) {
	var log recorder
	n := startNode(t, Options{
		MaxTracedPayload: 4,
		Logger:           slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: LevelTrace})),
	})
	p := dial(t, n, `CONNECT {"verbose":false,"user":"u","pass":"geheim","auth_token":"geheim","name":"app"}`+"\r\n")
	p.send("SUB a 1\r\nPUB a 6\r\nsecret\r\n")
	p.want(message("a", "1", "secret"))
	p.sync()
	dial(t, n, `CONNECT {"pass":"geheim"`+"\r\n").wantEnd("")
	eventually(t, "the connection's end is logged", func() bool {
		return strings.Contains(log.String(), "Protocol Violation")
	})
	for _, want := range []string{"<<- [PUB a 6]", `MSG_PAYLOAD: [\"secr\"]...`, "->> [MSG a 1 6]", "->> [PONG]", "[REDACTED]"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the trace lacks %q", want)
		}
	}
	if strings.Contains(log.String(), "geheim") {
		t.Error("a secret got into the log")
	}
}

func TestInProcessConn(t *testing.T) {
	n := startNode(t, Options{})
	nc, err := n.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, nc, quiet+"SUB a 1\r\n")
	p.sync()
	q := dial(t, n, quiet)
	payload := strings.Repeat("x", 100000)
	q.send("PUB a 100000\r\n" + payload + "\r\n")
	p.want(message("a", "1", payload))
	p.send("PUB b 1\r\n")
	p.send("!\r\n")
	p.sync()
}

// TestManyConnectionsComeAndGo leaves nothing behind.
func TestManyConnectionsComeAndGo(t *testing.T) {
	n := startNode(t, Options{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			nc, err := net.Dial("tcp", n.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			fmt.Fprintf(nc, "SUB s.%d 1\r\nSUB s.* q 2\r\nPUB s.%d 2\r\nhi\r\n", i, i)
			if i%3 != 0 {
				return
			}
			nc.SetReadDeadline(time.Now().Add(patience))
			for r := bufio.NewReader(nc); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Error(err)
					return
				}
				if strings.HasPrefix(line, "MSG") {
					return
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all are gone", func() bool {
		s := n.Stats()
		return s.Connections == 0 && s.Subscriptions == 0 && s.PendingBytes == 0
	})
	if got := n.Stats().TotalConnections; got != 200 {
		t.Errorf("%d connections, want 200", got)
	}
}

// TestRestLosesNothing rests a reader all the time while its client is talking.
func TestRestLosesNothing(t *testing.T) {
	n := startNode(t, Options{})
	p := dial(t, n, quiet+"SUB echo 1\r\n")
	p.sync()
	c := n.clients.all()[0]
	for i := range 300 {
		half := fmt.Sprintf("PUB echo %d\r\n%d", len(fmt.Sprint(i)), i)
		p.send(half[:i%len(half)])
		c.lastIn.Add(1) // as if something had come
		c.rest()
		p.send(half[i%len(half):] + "\r\n")
		p.want(message("echo", "1", fmt.Sprint(i)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.lastIn.Add(1)
	c.rest()
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	p.wantEnd("")
}

// meeting is a connection that cannot be closed unless others are as well.
type meeting struct {
	net.Conn
	once sync.Once
	all  *sync.WaitGroup
}

func (m *meeting) Close() error {
	m.once.Do(m.all.Done)
	m.all.Wait()
	return m.Conn.Close()
}

// TestCutTogether checks that a client which takes long to close does not hold up the others.
func TestCutTogether(t *testing.T) {
	n := startNode(t, Options{})
	var all sync.WaitGroup
	all.Add(2)
	for range 2 {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := n.newClient(&meeting{Conn: ours, all: &all})
		if refused := n.clients.add(c); refused != nil {
			t.Fatal(refused)
		}
		go func() {
			defer n.wg.Done() // clients.add has counted it
			c.conn.serve()
		}()
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		n.clients.cut(&ending{reason: reasonServerShutdown})
	}()
	select {
	case <-over:
	case <-time.After(10 * time.Second):
		t.Fatal("the first one waits for the second one")
	}
}

// TestHear has what has come already cost a client nothing of the time for which it is heard when its node stops.
func TestHear(t *testing.T) {
	for _, secure := range []bool{false, true} {
		n := startNode(t, Options{})
		ours, theirs := tcpPair(t)
		c := n.newClient(ours)
		if secure {
			pki := newPKI(t)
			s := tls.Client(theirs, pki.client(""))
			shaken := make(chan error, 1)
			go func() { shaken <- s.Handshake() }()
			o := pki.options(nil)
			if err := c.secure(o, o.Config(), tls.Server); err != nil {
				t.Fatal(err)
			}
			if err := <-shaken; err != nil {
				t.Fatal(err)
			}
			theirs = s
		}
		if _, err := io.WriteString(theirs, "PING\r\n"); err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			text     string
			min, max time.Duration
		}{{"PING\r\n", 0, lingerTime / 2}, {"", lingerTime, lingerTime}} {
			waited, err := c.hear()
			got := string(c.in.unread())
			if waited < want.min || waited > want.max || got != want.text || isTimeout(err) != (got == "") {
				t.Errorf("waited %v for %q (%v), want %v", waited, got, err, want)
			}
			c.in.release()
		}
	}
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}
