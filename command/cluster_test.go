package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startCluster runs servers of which all but the first know only the first.
func startCluster(t *testing.T, n int, args ...string) []*server {
	t.Helper()
	args = append([]string{"--cluster", "nats://127.0.0.1:-1", "-m", "-1"}, args...)
	var servers []*server
	for i := range n {
		own := append(args[:len(args):len(args)], "-n", fmt.Sprintf("s%d", i+1))
		if i > 0 {
			own = append(own, "--routes", servers[0].urls.Cluster[0])
		}
		servers = append(servers, startServer(t, own...))
	}
	for _, s := range servers {
		eventually(t, "the servers are a mesh", func() bool { return len(s.routes()) == n-1 })
	}
	return servers
}

// routes returns the names of the servers that s has synchronised routes to.
func (s *server) routes() []string {
	s.t.Helper()
	var routez struct {
		Routes []struct {
			Name         string `json:"remote_name"`
			Synchronized bool
		}
	}
	s.page("/routez", &routez)
	var names []string
	for _, r := range routez.Routes {
		if r.Synchronized {
			names = append(names, r.Name)
		}
	}
	return names
}

// page reads a monitoring page.
func (s *server) page(path string, into any) {
	s.t.Helper()
	status, body := fetch(s.t, s.urls.Monitoring[0]+path)
	if status != http.StatusOK {
		s.t.Fatalf("%s: status %d", path, status)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		s.t.Fatalf("%s: %v in %s", path, err, body)
	}
}

// guest is a client that stays connected to a server.
type guest struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// connect returns a client that has subscribed to a subject.
func connect(t *testing.T, s *server, subject string) *guest {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url(), "nats://"), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &guest{t, conn, bufio.NewReader(conn)}
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB %s 1\r\nPING\r\n", subject)
	c.await("PONG")
	return c
}

// await reads until a line that contains text, and returns it.
func (c *guest) await(text string) string {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

// awaitEnd reads until the server closes the connection.
func (c *guest) awaitEnd() {
	c.t.Helper()
	for {
		if _, err := c.in.ReadString('\n'); err != nil {
			return
		}
	}
}

func TestCluster(t *testing.T) {
	servers := startCluster(t, 3, "--cluster_name", "east")
	sub := connect(t, servers[2], "greet")
	eventually(t, "the first server knows the subscription", func() bool { return servers[0].subscriptions() == 1 })
	if status, _, stderr := runCommand("", "pub", "greet", "across", "-s", servers[0].url()); status != 0 {
		t.Fatal(stderr)
	}
	sub.await("across")

	var varz struct {
		Cluster struct {
			Name string
			Addr string
			Port int `json:"cluster_port"`
			URLs []string
		}
		ConnectURLs []string `json:"connect_urls"`
		Routes      int
		Remotes     int
	}
	servers[1].page("/varz", &varz)
	seed := strings.TrimPrefix(servers[0].urls.Cluster[0], "nats://")
	if c := varz.Cluster; c.Name != "east" || fmt.Sprintf("nats://%s:%d", c.Addr, c.Port) != servers[1].urls.Cluster[0] ||
		len(c.URLs) != 1 || c.URLs[0] != seed || varz.Routes != 2 || varz.Remotes != 2 || len(varz.ConnectURLs) != 3 {
		t.Errorf("/varz says %+v", varz)
	}
}

// subscriptions returns how many subscriptions of its peers' clients s knows of.
func (s *server) subscriptions() (n int) {
	s.t.Helper()
	var routez struct {
		Routes []struct {
			Subjects []string `json:"subscriptions_list"`
		}
	}
	s.page("/routez?subs=1", &routez)
	for _, r := range routez.Routes {
		for _, subject := range r.Subjects {
			if !strings.HasPrefix(subject, "$SYS.") { // those are the servers' own
				n++
			}
		}
	}
	return n
}

func TestRouteAuthorization(t *testing.T) {
	first := startServer(t, "--cluster", "nats://bob:s3cret@127.0.0.1:-1", "-m", "-1")
	seed := strings.TrimPrefix(first.urls.Cluster[0], "nats://")
	right := startServer(t, "--cluster", "nats://bob:s3cret@127.0.0.1:-1", "--routes=nats://bob:s3cret@"+seed)
	eventually(t, "the right password is accepted", func() bool { return len(first.routes()) == 1 })
	wrong := startServer(t, "--cluster", "nats://127.0.0.1:-1", "--routes", "nats://bob:s3crex@"+seed, "--ready_timeout", "100ms")
	eventually(t, "the wrong password is refused", func() bool {
		return strings.Contains(first.err.String(), "Authorization Violation") ||
			strings.Contains(wrong.err.String(), "Authorization Violation")
	})
	if got := first.routes(); len(got) != 1 {
		t.Errorf("there are %d routes", len(got))
	}
	for _, s := range []*server{first, right, wrong} {
		if log := s.err.String(); strings.Contains(log, "s3cre") {
			t.Errorf("a password is in the log:\n%s", log)
		}
		if runtime.GOOS != "linux" {
			continue
		}
		if cmdline := readFile(t, fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid)); strings.Contains(cmdline, "s3cre") ||
			strings.Contains(cmdline, "bob") || !strings.Contains(cmdline, "127.0.0.1") {
			t.Errorf("the arguments are %q", cmdline)
		}
	}
}

// TestLameDuck checks that clients are told and have their time, and that only an interrupt shortens it.
func TestLameDuck(t *testing.T) {
	servers := startCluster(t, 2, "--lame_duck_duration", "1s", "--lame_duck_grace_period", "700ms")
	duck := servers[1]
	stay, leave := connect(t, servers[0], "a"), connect(t, duck, "a")
	began := time.Now()
	if status, _, stderr := runCommand("", "--signal", fmt.Sprintf("ldm=%d", duck.cmd.Process.Pid)); status != 0 {
		t.Fatal(stderr)
	}
	address := strings.TrimPrefix(duck.url(), "nats://")
	if info := leave.await(`"ldm":true`); strings.Contains(info, `"`+address+`"`) {
		t.Errorf("the client is told to come back: %s", info)
	}
	for info := stay.await("INFO"); strings.Contains(info, `"`+address+`"`); {
		info = stay.await("INFO")
	}
	if status, body := fetch(t, duck.urls.Monitoring[0]+"/healthz"); status != http.StatusServiceUnavailable ||
		!strings.Contains(body, "lame duck") {
		t.Errorf("/healthz says %d %s", status, body)
	}
	duck.signal(syscall.SIGUSR2)
	duck.signal(syscall.SIGTERM)
	eventually(t, "the second signals are ignored", func() bool {
		log := duck.err.String()
		return strings.Contains(log, "Ignored the signal: the lame duck is under way already") &&
			strings.Contains(log, "Ignored the signal: the lame duck ends the server, or an interrupt at once")
	})
	leave.awaitEnd()
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("the client was closed after %v", took)
	}
	if status := duck.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if exists(duck.ports) {
		t.Error("the ports file is still there")
	}
	for _, line := range []string{`Trapped "user defined signal 2" signal`, "Entering lame duck mode", "Server Exiting.."} {
		if !strings.Contains(duck.err.String(), line) {
			t.Errorf("the log has no line %q", line)
		}
	}
	eventually(t, "the route is gone", func() bool { return len(servers[0].routes()) == 0 })
}

// TestLameDuckEnds has a lame duck wait for a peer that does not see that its route ends, but not for long.
func TestLameDuckEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the server gives its peers")
	}
	s := startServer(t, "--lame_duck_duration", "20ms", "--lame_duck_grace_period", "10ms", "--write_deadline", "10m",
		"--cluster", "nats://127.0.0.1:-1", "--cluster_name", "C", "--no_gossip")
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.urls.Cluster[0], "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const introduction = `CONNECT {"cluster":"C"}` + "\r\n" + `INFO {"server_id":"X","server_name":"X","cluster":"C"}` + "\r\nPONG\r\n"
	if _, err := nc.Write([]byte(introduction)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is a route", func() bool { return strings.Contains(s.err.String(), "Route registered") })
	s.signal(syscall.SIGUSR2)
	if status := s.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(s.err.String(), tooSlow) {
		t.Error("the log does not say that a peer was too slow")
	}
}

func TestInterruptEndsLameDuck(t *testing.T) {
	s := startServer(t, "--lame_duck_duration", "10m", "--lame_duck_grace_period", "5m")
	c := connect(t, s, "a")
	s.signal(syscall.SIGUSR2)
	c.await(`"ldm":true`)
	s.signal(syscall.SIGINT)
	c.awaitEnd()
	if status := s.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// TestSignalWhileStarting has a server wait for a peer that never introduces itself.
func TestSignalWhileStarting(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	http := freePort(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR2} {
		p := startProcess(t, "-a", "127.0.0.1", "-p", "-1", "-m", fmt.Sprint(http), "--ready_timeout", "10m",
			"--cluster", "nats://127.0.0.1:-1", "--routes", "nats://"+silent.Addr().String())
		conn, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		status, body := fetch(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", http))
		if status != 503 || !strings.Contains(body, "starting") {
			t.Errorf("/healthz says %d %s", status, body)
		}
		if status, body := fetch(t, fmt.Sprintf("http://127.0.0.1:%d/varz", http)); status != 200 || !strings.Contains(body, `"uptime": "0s"`) {
			t.Errorf("/varz says %d %s", status, body)
		}
		p.signal(sig)
		if status := p.wait(); status != 0 {
			t.Errorf("%v: status %d", sig, status)
		}
	}
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return portOf(listener.Addr())
}
