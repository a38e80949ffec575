// Package broker runs nats-server and shoal as real processes, so that tests can treat both alike.
package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout and stopTimeout bound the wait for a server; both normally take a few hundredths of
// a second.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 20 * time.Second
)

// Server is a running process.
type Server struct {
	// Kind is the program.
	Kind Kind
	// Addr is the host:port for clients, once it is ready.
	Addr string
	// Cluster is the host:port for routes, or empty.
	Cluster string
	// Monitor is the URL for monitoring, or empty.
	Monitor string
	// WebSocket is the URL for WebSocket clients, or empty.
	WebSocket string

	dir     string
	command *exec.Cmd
	log     logBuffer
	exited  chan struct{}
	exitErr error
}

// Start runs a server on 127.0.0.1 with the settings, on a random port unless they name one, and
// returns when it accepts clients.
func Start(kind Kind, settings Settings) (*Server, error) {
	dir, err := os.MkdirTemp("", "compat-"+kind.Name+"-")
	if err != nil {
		return nil, err
	}
	if settings["port"] == "" {
		settings = settings.With("port", "-1")
	}
	if _, ok := settings["cluster_name"]; ok {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		settings = settings.With("cluster_listen", "127.0.0.1:"+port)
	}
	arguments, err := kind.arguments(settings, dir)
	if err != nil {
		return nil, err
	}
	s, err := launch(kind, dir, append(arguments, "-a", "127.0.0.1", "--ports_file_dir", dir))
	if err != nil {
		return nil, err
	}
	s.Cluster = settings["cluster_listen"]
	if err := s.WaitReady(); err != nil {
		return nil, errors.Join(err, s.Kill())
	}
	return s, nil
}

// LaunchPlain runs a server with a command line that is given as it is, and does not wait for it.
func LaunchPlain(kind Kind, arguments ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "compat-"+kind.Name+"-")
	if err != nil {
		return nil, err
	}
	return launch(kind, dir, arguments)
}

// Launch runs a server with flags that both kinds of servers should know, and does not wait for it.
// Unless it is blank, config goes to a config file.
func Launch(kind Kind, config string, arguments ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "compat-"+kind.Name+"-")
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(config) != "" {
		file := filepath.Join(dir, "server.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return nil, err
		}
		arguments = append([]string{"-c", file}, arguments...)
	}
	return launch(kind, dir, append(slices.Clone(arguments), "--ports_file_dir", dir))
}

// Reconfigure has a server that was launched with a config file read another one in its place.
func (s *Server) Reconfigure(config string) error {
	if err := os.WriteFile(filepath.Join(s.dir, "server.conf"), []byte(config), 0o600); err != nil {
		return err
	}
	return s.Signal(syscall.SIGHUP)
}

func launch(kind Kind, dir string, arguments []string) (*Server, error) {
	binary, err := kind.Binary()
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: kind, dir: dir, command: exec.Command(binary, arguments...), exited: make(chan struct{})}
	s.command.Stdout, s.command.Stderr = &s.log, &s.log
	// A test binary that is killed takes its servers along.
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", kind.Name, err)
	}
	go func() {
		s.exitErr = s.command.Wait()
		close(s.exited)
	}()
	return s, nil
}

// WaitReady polls for the ports file, which a server writes when it accepts clients.
func (s *Server) WaitReady() error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(startTimeout)
	for !s.readPorts() {
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("%s ended at start (%v), its log:\n%s", s.Kind.Name, s.exitErr, s.Log())
		case <-deadline:
			return fmt.Errorf("%s wrote no ports file in %v, its log:\n%s", s.Kind.Name, startTimeout, s.Log())
		}
	}
	return nil
}

// readPorts takes the addresses from the ports file. It reports false as long as that is not
// complete.
func (s *Server) readPorts() bool {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*_"+strconv.Itoa(s.PID())+".ports"))
	if len(files) == 0 {
		return false
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		return false
	}
	var ports struct{ Nats, Monitoring, WebSocket []string }
	if json.Unmarshal(content, &ports) != nil || len(ports.Nats) == 0 {
		return false
	}
	if len(ports.Monitoring) > 0 {
		s.Monitor = ports.Monitoring[0]
	}
	if len(ports.WebSocket) > 0 {
		s.WebSocket = ports.WebSocket[0]
	}
	_, s.Addr, _ = strings.Cut(ports.Nats[0], "://")
	return true
}

// PID is the process ID.
func (s *Server) PID() int { return s.command.Process.Pid }

// URL is the address as client libraries want it.
func (s *Server) URL() string { return "nats://" + s.Addr }

// Port is the client port.
func (s *Server) Port() string { return s.Addr[strings.LastIndexByte(s.Addr, ':')+1:] }

// Log returns what the process has printed.
func (s *Server) Log() string { return s.log.String() }

// Alive reports whether the process runs.
func (s *Server) Alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// ExitErr says how the process has ended, nil if that was with status 0 or it runs.
func (s *Server) ExitErr() error {
	if s.Alive() {
		return nil
	}
	return s.exitErr
}

// Signal sends the process a signal.
func (s *Server) Signal(signal os.Signal) error { return s.command.Process.Signal(signal) }

// Stop ends the process with SIGTERM. A server that had ended before, does not end in time or does
// not exit with status 0 is an error that holds its log.
func (s *Server) Stop() error {
	if !s.Alive() {
		defer os.RemoveAll(s.dir)
		return fmt.Errorf("%s ended by itself (%v), its log:\n%s", s.Kind.Name, s.exitErr, s.Log())
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.WaitStopped(stopTimeout)
}

// WaitStopped waits until the process has ended after some signal. One that does not end in time or
// does not exit with status 0 is an error that holds its log.
func (s *Server) WaitStopped(timeout time.Duration) error {
	defer os.RemoveAll(s.dir)
	select {
	case <-s.exited:
	case <-time.After(timeout):
		return errors.Join(fmt.Errorf("%s has not ended in %v, its log:\n%s", s.Kind.Name, timeout, s.Log()), s.Kill())
	}
	if s.exitErr != nil {
		return fmt.Errorf("%s stopped with %w, its log:\n%s", s.Kind.Name, s.exitErr, s.Log())
	}
	return nil
}

// Kill ends the process with SIGKILL, as a crash would.
func (s *Server) Kill() error {
	defer os.RemoveAll(s.dir)
	if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	return nil
}

// RSS is the resident memory of the process in bytes, as /proc has it.
func (s *Server) RSS() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS in the process status")
}

// logLimit bounds how much of a server's log is kept.
const logLimit = 256 << 10

// logBuffer keeps the last part of what is written to it.
type logBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.text.Len() > logLimit {
		b.text.Next(b.text.Len() - logLimit/2)
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
