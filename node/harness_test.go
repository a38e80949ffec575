package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shoal/wire"
)

// patience is how long a test waits for what normally takes microseconds.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// raceEnabled says that the race detector is on, under which pools drop what they hold.
var raceEnabled bool

// startNode runs a node, with what tune changes of it, on a free loopback port until the test ends.
func startNode(t testing.TB, opts Options, tune ...func(*Node)) *Node {
	t.Helper()
	opts.Host, opts.Port = "127.0.0.1", RandomPort
	n, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	n.firstPing, n.firstRoutePing = time.Hour, time.Hour // a PING in between would disturb tests on slow machines
	for _, f := range tune {
		f(n)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return n
}

// wide has fan-outs from so many receivers on written by goroutines of their own.
func wide(receivers int) func(*Node) { return func(n *Node) { n.wideFanOut = receivers } }

// peer is a client that speaks in bytes.
type peer struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

// quiet is a CONNECT of a client that wants no +OK.
const quiet = `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}` + "\r\n"

// dial connects, swallows INFO and sends what is given.
func dial(t testing.TB, n *Node, send string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", n.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, nc, send)
}

func newPeer(t testing.TB, nc net.Conn, send string) *peer {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	p := &peer{t, nc, bufio.NewReaderSize(nc, 64<<10)}
	if line := p.line(); !strings.HasPrefix(line, "INFO {") {
		t.Fatalf("first line is %q, want INFO", line)
	}
	p.send(send)
	return p
}

func (p *peer) send(s string) {
	p.t.Helper()
	p.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(p.nc, s); err != nil {
		p.t.Fatalf("send %.40q: %v", s, err)
	}
}

// line returns the next line without its end.
func (p *peer) line() string {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(patience))
	line, err := p.r.ReadString('\n')
	if err != nil {
		p.t.Fatalf("read after %q: %v", line, err)
	}
	return strings.TrimRight(line, "\r\n")
}

// want reads exactly what is given.
func (p *peer) want(s string) {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(s))
	if n, err := io.ReadFull(p.r, got); err != nil {
		p.t.Fatalf("got %q (%v), want %q", got[:n], err, s)
	}
	if string(got) != s {
		p.t.Fatalf("got %q, want %q", got, s)
	}
}

// read reads as many bytes.
func (p *peer) read(n int) string {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, n)
	if n, err := io.ReadFull(p.r, got); err != nil {
		p.t.Fatalf("got %q (%v)", got[:n], err)
	}
	return string(got)
}

// sync makes sure that the node has carried out everything sent so far, and has sent nothing else.
func (p *peer) sync() {
	p.t.Helper()
	p.send("PING\r\n")
	p.want("PONG\r\n")
}

// wantEnd reads what is given and then the end of the stream.
func (p *peer) wantEnd(s string) {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(p.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		p.t.Fatalf("got %q, then %v, want the end", got, err)
	}
	if string(got) != s {
		p.t.Fatalf("got %q, want %q", got, s)
	}
}

// eventually polls until ok or until patience is at its end.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

// message is the line and payload of a delivery.
func message(subject, sid, payload string) string {
	return fmt.Sprintf("MSG %s %s %d\r\n%s\r\n", subject, sid, len(payload), payload)
}

// wantInfo reads INFO lines until one has the addresses that are wanted.
func (p *peer) wantInfo(wanted func(urls []string, lameDuck bool) bool) {
	p.t.Helper()
	for {
		arg, ok := strings.CutPrefix(p.line(), "INFO ")
		if !ok {
			p.t.Fatalf("got %q, want INFO", arg)
		}
		info, err := wire.ParseInfo([]byte(arg))
		if err != nil {
			p.t.Fatal(err)
		}
		if wanted(info.ConnectURLs, info.LameDuck) {
			return
		}
	}
}

// setLameDuck changes times for which options take only longer ones.
func setLameDuck(n *Node, duration, grace time.Duration) {
	o := *n.options()
	o.LameDuckDuration, o.LameDuckGrace = duration, grace
	n.opts.Store(&o)
}
