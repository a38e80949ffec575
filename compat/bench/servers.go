package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shoal/node/certs/certtest"
)

const (
	natsModule   = "github.com/nats-io/nats-server/v2"
	natsVersion  = "2.15.2"
	startTimeout = 10 * time.Second
	stopTimeout  = 5 * time.Second
	buildTimeout = 10 * time.Minute
)

// server is one running broker. Whoever started it must stop it.
type server struct {
	name    string
	version string
	port    int
	routes  int // port for other nodes, 0 = it is no node of a mesh
	monitor int // port of its HTTP pages, the same
	cmd     *exec.Cmd
	logPath string
	exited  chan struct{} // closed once the process has ended
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// launch says which server to start.
type launch struct {
	name, bin string
	node      bool    // of a mesh
	peers     cluster // the nodes that it is told of
	config    string  // what its configuration file says, if it has one
}

// build makes the two servers and the load generator.
func (b *bench) build(ctx context.Context, root string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	if err := b.buildLoadgen(ctx); err != nil {
		return err
	}
	b.shoal, b.nats = b.opts.shoal, b.opts.nats
	if b.nats == "" {
		b.nats = filepath.Join(b.dir, "nats-server")
		fmt.Fprintln(b.log, "building nats-server", natsVersion)
		if err := goBuild(ctx, filepath.Join(root, "compat"), b.nats, natsModule); err != nil {
			return fmt.Errorf("cannot build nats-server (is the network there? --nats BIN uses one that is): %w", err)
		}
	}
	if b.shoal == "" {
		b.shoal = filepath.Join(b.dir, "shoal")
		fmt.Fprintln(b.log, "building shoal")
		if err := goBuild(ctx, root, b.shoal, "."); err != nil {
			return fmt.Errorf("cannot build shoal: %w", err)
		}
	}
	for _, bin := range []*string{&b.shoal, &b.nats} {
		path, err := exec.LookPath(*bin)
		if err != nil {
			return fmt.Errorf("no server: %w", err)
		}
		*bin = path
	}
	return nil
}

// prepareTLS makes a certificate for the rows with TLS.
func (b *bench) prepareTLS() error {
	a, err := certtest.New(b.dir)
	if err != nil {
		return err
	}
	c, err := a.Issue("server", nil)
	if err != nil {
		return err
	}
	b.secure = true
	b.tlsConfig = fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", c.CertFile, c.KeyFile)
	return nil
}

func goBuild(ctx context.Context, dir, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("the go command is needed")
	}
	if err != nil {
		return fmt.Errorf("%s (%w)", firstLine(text), err)
	}
	return nil
}

// firstLine is the first line that says something.
func firstLine(text []byte) string {
	for line := range bytes.Lines(text) {
		s := strings.TrimSpace(string(line))
		if s != "" && !strings.HasPrefix(s, "#") && !strings.HasPrefix(s, "go: downloading") {
			return s
		}
	}
	return "no output"
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return "it printed nothing"
}

// start runs a server with its default configuration on a free loopback port
// and waits for its INFO line.
func (b *bench) start(ctx context.Context, l launch) (*server, error) {
	var err error
	for range 3 { // another program may take the port in between
		var s *server
		if s, err = b.tryStart(ctx, l); err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("%s does not start: %w", l.name, err)
}

func (b *bench) tryStart(ctx context.Context, l launch) (*server, error) {
	s, err := b.spawn(l)
	if err != nil {
		return nil, err
	}
	if s.version, err = s.awaitInfo(ctx); err != nil {
		s.stop()
		text, _ := os.ReadFile(s.logPath)
		return nil, fmt.Errorf("%w; its last words: %s", err, lastLine(text))
	}
	return s, nil
}

// spawn starts the process and does not wait for anything.
func (b *bench) spawn(l launch) (*server, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	b.starts++
	s := &server{
		name: l.name, port: ports[0], exited: make(chan struct{}),
		logPath: filepath.Join(b.dir, fmt.Sprintf("%s.%d.log", l.name, b.starts)),
	}
	args := []string{"-a", "127.0.0.1", "-p", strconv.Itoa(s.port)}
	if l.node {
		s.routes, s.monitor = ports[1], ports[2]
		args = append(args, "-m", strconv.Itoa(s.monitor), "--cluster", s.routeURL(), "--cluster_name", "bench")
		if len(l.peers) > 0 {
			args = append(args, "--routes", l.peers.routeURLs())
		}
	}
	if l.config != "" {
		path := strings.TrimSuffix(s.logPath, ".log") + ".conf"
		if err := os.WriteFile(path, []byte(l.config), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "-c", path)
	}
	out, err := os.Create(s.logPath)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.cmd = exec.Command(l.bin, args...)
	s.cmd.Dir = b.dir
	s.cmd.Env = serverEnv(b.opts.procs)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = endWithParent()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which stop makes sure of
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	return s, nil
}

// awaitInfo connects until the server answers with INFO; it returns the
// version in it.
func (s *server) awaitInfo(ctx context.Context) (string, error) {
	deadline := time.Now().Add(startTimeout)
	var err error
	for time.Now().Before(deadline) {
		select {
		case <-s.exited:
			return "", errors.New("it ended at once")
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		var v string
		if v, err = readInfo(s.port); err == nil {
			return v, nil
		}
	}
	return "", fmt.Errorf("no INFO within %v: %w", startTimeout, err)
}

func readInfo(port int) (string, error) {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(io.LimitReader(c, 1<<16)).ReadString('\n')
	if err != nil {
		return "", err
	}
	text, ok := strings.CutPrefix(line, "INFO ")
	if !ok {
		return "", fmt.Errorf("got %q instead of INFO", strings.TrimSpace(line))
	}
	var info struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return "", fmt.Errorf("INFO: %w", err)
	}
	return info.Version, nil
}

// stop ends the server: asked first, killed when it does not follow.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return
	case <-time.After(stopTimeout):
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// dead tells whether the process has ended, and its last output.
func (s *server) dead() (string, bool) {
	select {
	case <-s.exited:
		text, _ := os.ReadFile(s.logPath)
		return lastLine(text), true
	default:
		return "", false
	}
}

// serverEnv is the environment of all servers: the same GOMAXPROCS, and no
// other setting of the Go runtime.
func serverEnv(procs int) []string {
	var env []string
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG", "GOTRACEBACK":
		default:
			env = append(env, v)
		}
	}
	return append(env, "GOMAXPROCS="+strconv.Itoa(procs))
}

// freePorts returns n different ports that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only when all are known: they must differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
