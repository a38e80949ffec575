package compat

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

// TestLogRotation looks at the files that servers leave when their log has grown too large.
func TestLogRotation(t *testing.T) {
	t.Parallel()
	old := regexp.MustCompile(`^log\.\d{4}(\.\d\d){5}\.\d{9}$`)
	for _, kind := range []broker.Kind{broker.Oracle, subject()} {
		t.Run(kind.Name, func(t *testing.T) {
			dir := t.TempDir()
			startServer(t, kind, withConfig(fmt.Sprintf("logfile: %q, logfile_size_limit: 100, logfile_max_num: 3, debug: true",
				filepath.Join(dir, "log"))))
			awaitTrue(t, "the log and two old ones", func() bool {
				entries, err := os.ReadDir(dir)
				must(t, err)
				for i, e := range entries {
					if (e.Name() == "log") != (i == 0) || i > 0 && !old.MatchString(e.Name()) {
						t.Fatalf("there is %s", e.Name())
					}
				}
				return len(entries) == 3
			})
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			must(t, err)
			if !regexp.MustCompile(`^\[\d+\] [\d/]+ [\d:.]+ \[INF\] Rotated log, backup saved as ".*log\.\d{4}`).Match(log) {
				t.Errorf("a new log begins with %.200s", log)
			}
		})
	}
}

// TestRemoteSyslog has servers log to a collector, with the same severities.
func TestRemoteSyslog(t *testing.T) {
	t.Parallel()
	severities := make(map[string][]string)
	for _, kind := range []broker.Kind{broker.Oracle, subject()} {
		t.Run(kind.Name, func(t *testing.T) {
			collector, err := net.ListenPacket("udp", "127.0.0.1:0")
			must(t, err)
			defer collector.Close()
			server := startServer(t, kind, withConfig(fmt.Sprintf("debug: true, remote_syslog: \"udp://%s\"", collector.LocalAddr())))
			nc, err := net.Dial("tcp", server.Addr)
			must(t, err)
			defer nc.Close()
			_, err = nc.Write([]byte("NONSENSE\r\n"))
			must(t, err)
			line := regexp.MustCompile(`^<(\d+)>\S+ \S+ (\S+)\[\d+\]: (?:.* - )?(Server is ready|Client connection created)`)
			buf := make([]byte, 64<<10)
			for len(severities[kind.Name]) < 2 {
				must(t, collector.SetReadDeadline(time.Now().Add(patience)))
				n, _, err := collector.ReadFrom(buf)
				must(t, err)
				if m := line.FindSubmatch(buf[:n]); m != nil {
					var priority int
					_, err := fmt.Sscan(string(m[1]), &priority)
					must(t, err)
					severities[kind.Name] = append(severities[kind.Name], fmt.Sprintf("%s: %d", m[3], priority&7))
				}
			}
		})
	}
	if got, want := fmt.Sprint(severities[subject().Name]), fmt.Sprint(severities[broker.Oracle.Name]); got != want {
		t.Errorf("the severities are %s, want %s", got, want)
	}
}

// withConfig has a server be started with a configuration file.
func withConfig(text string) broker.Settings {
	settings := broker.Settings{}
	settings.AddConfig(text + "\n")
	return settings
}
