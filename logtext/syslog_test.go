package logtext

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what normally takes microseconds.
const patience = 30 * time.Second

func TestSyslog(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network != "udp" {
				address = filepath.Join(t.TempDir(), "log")
			}
			collector, err := net.ListenPacket(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer collector.Close()
			s, err := OpenSyslog(network + "://" + collector.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(NewSyslogHandler(s, Options{Debug: true, PID: 1}))
			for _, level := range []slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
				log.Log(t.Context(), level, "one\ntwo", "a", "b c")
			}
			s.Close()
			log.Info("too late")
			buf := make([]byte, 1000)
			// The facility is that of daemons, 3, and the severity what nats-server has for such lines.
			for _, severity := range []int{7, 5, 4, 3, 2} {
				collector.SetReadDeadline(time.Now().Add(patience))
				n, _, err := collector.ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				want := regexp.MustCompile(fmt.Sprintf(`^<%d>.* logtext\.test\[\d+\]: one\\ntwo a="b c"\n$`, 3<<3|severity))
				if got := buf[:n]; !want.Match(got) {
					t.Errorf("got %q, want %s", got, want)
				}
			}
		})
	}
}

// Nobody waits for a collector that does not read.
func TestSyslogIsTooSlow(t *testing.T) {
	collector, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	s, err := OpenSyslog("tcp://" + collector.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := collector.Accept()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(NewSyslogHandler(s, Options{}))
	line := strings.Repeat("x", 8<<10)
	lost := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.lost
	}
	for lost() == 0 {
		log.Info(line)
	}
	nc.Close() // has the one that waits go on
	collector.Close()
	s.Close()
	<-s.done
}

func TestParseSyslog(t *testing.T) {
	for address, want := range map[string]string{
		"udp://127.0.0.1:514": "udp 127.0.0.1:514", "tcp://[::1]:601": "tcp [::1]:601", "unix:///dev/log": "unix /dev/log",
		"unixgram:///dev/log": "unixgram /dev/log",
		"":                    "", "localhost:514": "", "udp://localhost": "", "unix://": "", "http://a:1": "", "udp://:514": "", "%": "",
	} {
		network, where, err := ParseSyslog(address)
		if got := network + " " + where; want != "" && (err != nil || got != want) || want == "" && err == nil {
			t.Errorf("%q is %q, %v; want %q", address, got, err, want)
		}
	}
}
