package command

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A log goes from a file that is rotated to a syslog, and back, while the server runs.
func TestLogMoves(t *testing.T) {
	collector, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	collected := func(text string) {
		t.Helper()
		buf := make([]byte, 64<<10)
		for {
			collector.SetReadDeadline(time.Now().Add(patience))
			n, _, err := collector.ReadFrom(buf)
			if err != nil {
				t.Fatalf("no line with %q: %v", text, err)
			}
			if strings.Contains(string(buf[:n]), text) {
				return
			}
		}
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	old := func() int {
		list, err := filepath.Glob(log + ".*.*")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	const small = ", logfile_size_limit: 100, logfile_max_num: 3"
	path := configure(t, `logfile: "`+log+`"`+small)
	s := startServer(t, "-c", path)
	eventually(t, "the log is rotated", func() bool {
		return old() == 2 && strings.Contains(readFile(t, log), "[INF] Rotated log, backup saved as")
	})

	syslog := `remote_syslog: "udp://` + collector.LocalAddr().String() + `"`
	rewrite(t, path, syslog)
	s.signal(syscall.SIGHUP)
	collected("Reloaded: remote_syslog = udp://127.0.0.1:")
	rewrite(t, path, syslog+", syslog: true, debug: true")
	s.signal(syscall.SIGHUP)
	collected("Reloaded: debug = true (was false)")
	s.signal(syscall.SIGUSR1)
	collected("There is no log file to reopen")

	rewrite(t, path, syslog+", log_format: json")
	if status, _, stderr := runCommand("", "reload", "--node", s.port()); status != 1 || !strings.Contains(stderr, ":1:") || !strings.Contains(stderr, "a syslog takes no JSON") {
		t.Errorf("status %d, %q", status, stderr)
	}
	rewrite(t, path, `logfile: "`+log+`"`)
	s.order("reload")
	eventually(t, "the log is in the file again", func() bool { return strings.Contains(readFile(t, log), "Reloaded: logfile = "+log) })
	before := old()
	for range 5 {
		s.order("reload")
	}
	if old() != before {
		t.Error("a file without a limit is rotated")
	}
	rewrite(t, path, `logfile: "`+log+`"`+small)
	s.order("reload")
	eventually(t, "the limit counts at once", func() bool { return strings.Contains(readFile(t, log), "[INF] Rotated log") })
}
