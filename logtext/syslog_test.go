package logtext

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
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

// TestSyslogComesBack checks that it is told how many lines are missing while the collector was away.
func TestSyslogComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	listen := func() *net.UnixConn {
		collector, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { collector.Close() })
		collector.SetReadDeadline(time.Now().Add(patience))
		return collector
	}
	away := listen()
	s, err := OpenSyslog("unixgram://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	away.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	log := slog.New(NewSyslogHandler(s, Options{}))
	log.Info("one")
	log.Info("two")
	for end := time.Now().Add(patience); s.lose(0) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d lines are lost", s.lose(0))
		}
	}
	collector := listen()
	log.Info("three")
	buf := make([]byte, 1000)
	for _, want := range []string{"three", "2 lines are missing here, the syslog was away or too slow"} {
		n, err := collector.Read(buf)
		if err != nil || !strings.HasSuffix(string(buf[:n]), want+"\n") {
			t.Errorf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
}

// TestSyslogDoesNotAnswer connects to a collector that takes no connection.
func TestSyslogDoesNotAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the first connection may")
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for {
		nc, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			break // no more may wait to be accepted
		}
		defer nc.Close()
	}
	began := time.Now()
	if _, err := OpenSyslog("tcp://" + address); err == nil {
		t.Error("it is connected")
	}
	if took := time.Since(began); took > 10*syslogDialTime {
		t.Errorf("it takes %v", took)
	}
}

func TestParseSyslog(t *testing.T) {
	for address, want := range map[string]string{
		"udp://127.0.0.1:514": "udp 127.0.0.1:514", "tcp://[::1]:601": "tcp [::1]:601", "unix:///dev/log": "unix /dev/log",
		"unixgram:///dev/log": "unixgram /dev/log",
		"":                    "", "localhost:514": "", "udp://localhost": "", "unix://": "", "http://a:1": "", "udp://:514": "", "%": "",
		"tcp://user:password@localhost:514": "",
	} {
		network, where, err := ParseSyslog(address)
		if got := network + " " + where; want != "" && (err != nil || got != want) || want == "" && err == nil {
			t.Errorf("%q is %q, %v; want %q", address, got, err, want)
		}
	}
}
