package command

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestHostileHTTP has the monitoring port meet those who mean no good. Clients notice nothing of it, and
// whoever asks in earnest is answered.
func TestHostileHTTP(t *testing.T) {
	const crowdSize = 1000
	s := startServer(t, "-m", "-1")
	monitor := strings.TrimPrefix(s.urls.Monitoring[0], "http://")
	ctx, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	echoes := 0
	clients.Go(func() { echoes = echo(ctx, t, s) })
	defer clients.Wait()
	defer stop()

	open := func(send string) net.Conn {
		t.Helper()
		nc, err := net.DialTimeout("tcp", monitor, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(nc, send) // it may be closed already
		return nc
	}
	healthy := func() {
		t.Helper()
		if status, body := fetch(t, s.urls.Monitoring[0]+"/healthz"); status != http.StatusOK {
			t.Errorf("/healthz says %d %s", status, body)
		}
	}

	var idle []net.Conn
	for i := range crowdSize {
		send := "" // says nothing
		switch i % 3 {
		case 1:
			send = "GET /varz HTTP/1.1\r\nHost: x\r\nX-Slow: " // and no end of it
		case 2:
			send = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" // and stays
		}
		idle = append(idle, open(send))
	}
	healthy()
	var gone atomic.Int32
	for _, nc := range idle {
		clients.Go(func() {
			if _, err := io.Copy(io.Discard, nc); !errors.Is(err, os.ErrDeadlineExceeded) {
				gone.Add(1)
			}
			nc.Close()
		})
	}
	eventually(t, "most of the crowd has gone", func() bool { return gone.Load() >= crowdSize-mostHTTPConnections })

	for what, send := range map[string]string{
		"a long path":    "GET /varz?" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"many headers":   "GET /varz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 1<<17) + "\r\n",
		"no HTTP":        "INFO {}\r\nPUB a 1\r\n\r\n",
		"a large number": "GET /connz?limit=9223372036854775808 HTTP/1.1\r\nHost: x\r\n\r\n",
		"a negative one": "GET /connz?limit=-5&offset=-9223372036854775808 HTTP/1.1\r\nHost: x\r\n\r\n",
		"a body":         "GET /varz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx",
		"pipelining":     strings.Repeat("GET /varz HTTP/1.1\r\nHost: x\r\n\r\n", 1000),
	} {
		nc := open(send)
		line, _ := bufio.NewReader(nc).ReadString('\n')
		if what == "a long path" && !strings.Contains(line, "431") && line != "" {
			t.Errorf("%s: is answered with %q", what, line)
		}
		nc.Close()
	}
	for range 100 {
		noise := make([]byte, 4<<10)
		_, _ = rand.Read(noise)
		open(string(noise)).Close()
	}
	// They ask for more than they read.
	for range 2 * mostHTTPConnections {
		open(strings.Repeat("GET /debug/vars HTTP/1.1\r\nHost: x\r\n\r\n", 100))
	}
	healthy()
	stop()
	for _, nc := range idle {
		nc.Close()
	}
	clients.Wait()
	if echoes == 0 {
		t.Error("the client was held up for all that time")
	}
	s.signal(syscall.SIGTERM)
	if status := s.wait(); status != 0 {
		t.Errorf("the server ended with status %d", status)
	}
}

func TestCrowd(t *testing.T) {
	c := newCrowd(3)
	conns := make([]net.Conn, 6)
	for i := range conns {
		var other net.Conn
		conns[i], other = net.Pipe()
		defer conns[i].Close()
		defer other.Close()
	}
	want := func(i int, state http.ConnState, surplus net.Conn) {
		t.Helper()
		if got := c.note(conns[i], state); got != surplus {
			t.Errorf("when %d becomes %v, the wrong one goes, or none", i, state)
		}
	}
	want(0, http.StateNew, nil)
	want(0, http.StateActive, nil)
	want(1, http.StateNew, nil)
	want(2, http.StateNew, nil)
	want(1, http.StateActive, nil)
	want(1, http.StateIdle, nil)     // waits again, less long than 2
	want(3, http.StateNew, conns[2]) // it has waited longest
	want(3, http.StateActive, nil)   // 0 and 3 are busy
	want(4, http.StateNew, conns[1]) // the only one that waits
	want(4, http.StateActive, nil)   // all are busy
	want(5, http.StateNew, conns[0]) // it has been busy longest
	want(5, http.StateClosed, nil)
	want(0, http.StateNew, nil)
}

// echo sends messages to itself until ctx ends, each when the one before has come back, and returns how
// many there were. None may take long.
func echo(ctx context.Context, t *testing.T, s *server) (n int) {
	nc, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url(), "nats://"), patience)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer nc.Close()
	lines := bufio.NewReader(nc)
	say := func(line, want string) bool {
		begun := time.Now()
		nc.SetDeadline(begun.Add(patience))
		if _, err := io.WriteString(nc, line); err != nil {
			t.Error(err)
			return false
		}
		for {
			got, err := lines.ReadString('\n')
			if err != nil {
				t.Errorf("%q was not answered: %v", line, err)
				return false
			}
			if strings.HasPrefix(got, want) {
				return true
			}
		}
	}
	if !say("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n", "PONG") {
		return 0
	}
	for ; ctx.Err() == nil; n++ {
		text := fmt.Sprint(n)
		if !say(fmt.Sprintf("PUB a %d\r\n%s\r\n", len(text), text), text) {
			break
		}
	}
	return n
}
