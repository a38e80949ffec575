package command

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager as a server sees it.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager has the servers of this test tell a manager how they are, at a socket with that name.
func newManager(t *testing.T, socket string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	return &manager{t, conn}
}

// told returns what the manager is told next, line by line, but for signs of life.
func (m *manager) told() (lines []string) {
	m.t.Helper()
	for {
		if lines = m.toldAny(); lines[0] != "WATCHDOG=1" {
			return lines
		}
	}
}

func (m *manager) toldAny() []string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatalf("the manager is told nothing: %v", err)
	}
	return strings.Split(string(buf[:n]), "\n")
}

// wants waits for a message with exactly these lines.
func (m *manager) wants(lines ...string) {
	m.t.Helper()
	if got := m.told(); !slices.Equal(got, lines) {
		m.t.Fatalf("the manager was told %q, want %q", got, lines)
	}
}

func TestNotifyLife(t *testing.T) {
	sockets := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		sockets = append(sockets, fmt.Sprintf("@shoal-test-%d", os.Getpid()))
	}
	for _, socket := range sockets {
		t.Run(socket[:1], func(t *testing.T) {
			m := newManager(t, socket)
			s := startServer(t, "--ready_timeout", "3s")
			m.wants("STATUS=Starting", "EXTEND_TIMEOUT_USEC=13000000")
			m.wants("READY=1", "STATUS=Serving clients")

			s.signal(syscall.SIGHUP)
			got := m.told()
			if len(got) != 2 || got[0] != "RELOADING=1" || !regexp.MustCompile(`^MONOTONIC_USEC=[1-9]\d*$`).MatchString(got[1]) {
				t.Errorf("the manager was told %q of a reload", got)
			}
			m.wants("READY=1")

			s.signal(syscall.SIGTERM)
			m.wants("STOPPING=1", "STATUS=Shutting down", "EXTEND_TIMEOUT_USEC=13000000")
			if status := s.wait(); status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestNotifyLameDuck(t *testing.T) {
	for _, how := range []string{"signal", "order"} {
		t.Run(how, func(t *testing.T) {
			m := newManager(t, filepath.Join(t.TempDir(), "notify"))
			s := startServer(t, "--lame_duck_duration", "60s", "--lame_duck_grace_period", "30s", "--cluster", "nats://127.0.0.1:-1")
			client := connect(t, s, "x")
			m.told()
			m.wants("READY=1", "STATUS=Serving clients")
			if how == "signal" {
				s.signal(syscall.SIGUSR2)
			} else {
				s.order("leave")
			}
			// 60 s for the lame duck, 3 s to shut down, and 10 s to spare.
			m.wants("STOPPING=1", "STATUS=Sending clients to other servers", "EXTEND_TIMEOUT_USEC=73000000")
			client.conn.Close()
			m.wants("STOPPING=1", "STATUS=Shutting down", "EXTEND_TIMEOUT_USEC=13000000")
			s.wait()
		})
	}
}

func TestNotifyWatchdog(t *testing.T) {
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_USEC", "100000")
	s := startServer(t)
	for range 2 {
		m.told()
	}
	for range 3 {
		if got := m.toldAny(); !slices.Equal(got, []string{"WATCHDOG=1"}) {
			t.Fatalf("the manager was told %q", got)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	if strings.Contains(s.err.String(), "does not respond") {
		t.Error("the end of a server passes for a failure")
	}
}

func TestNotifyNobody(t *testing.T) {
	for _, tt := range []struct{ name, socket, usec, pid, says string }{
		{"nobody", "", "1000000", "", ""},
		{"gone", filepath.Join(t.TempDir(), "gone"), "", "", "Cannot tell the service manager"},
		{"another kind", "vsock:2:1234", "1000000", "", "NOTIFY_SOCKET is no Unix socket"},
		{"no time", "@", "soon", "", "WATCHDOG_USEC is no number"},
		{"a negative time", "@", "-5", "", "WATCHDOG_USEC is no number"},
		{"a time for another process", "@", "soon", "1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.socket == "@" {
				tt.socket = filepath.Join(t.TempDir(), "notify")
				newManager(t, tt.socket)
			}
			t.Setenv("NOTIFY_SOCKET", tt.socket)
			t.Setenv("WATCHDOG_USEC", tt.usec)
			t.Setenv("WATCHDOG_PID", tt.pid)
			s := startServer(t)
			s.signal(syscall.SIGTERM)
			if status := s.wait(); status != 0 {
				t.Errorf("status %d", status)
			}
			if log := s.err.String(); !strings.Contains(log, tt.says) || tt.says == "" && strings.Contains(log, "[WRN]") {
				t.Errorf("the log does not say %q", tt.says)
			}
		})
	}
}
