package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeBroker is the smallest broker that the load generator can talk to, with
// a choice of misbehaviour. It handles one connection at a time per lock and
// is of no use for measuring.
type fakeBroker struct {
	spoil string        // what it does to the 500th message, "" = nothing
	late  time.Duration // how long after SUB a subscription begins to get messages

	mu     sync.Mutex
	subs   []*fakeSub
	count  int
	held   func()   // a delivery kept back by "swap" ...
	heldOf *fakeSub // ... until the next one to the same subscriber
	next   int      // queue member
	ports  map[int]*portUse
}

// portUse is what was asked for at one of the ports.
type portUse struct{ subs, pubs int }

type fakeSub struct {
	conn    net.Conn
	pattern []string
	queue   string
	sid     string
	from    time.Time
}

const spoilAt = 500

// serveFake starts a broker that ends with the test.
func serveFake(t *testing.T, spoil string) *server {
	t.Helper()
	return (&fakeBroker{spoil: spoil}).listen(t)
}

// listen opens one more port of the broker. Several look like a mesh.
func (b *fakeBroker) listen(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if b.ports == nil {
		b.ports = map[int]*portUse{}
	}
	port := l.Addr().(*net.TCPAddr).Port
	use := &portUse{}
	b.ports[port] = use
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.serve(c, use) })
		}
	})
	// The load generator has ended when the test ends, so all connections have.
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return &server{
		name: "fake", port: port, exited: make(chan struct{}),
		cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}},
	}
}

func (b *fakeBroker) serve(c net.Conn, use *portUse) {
	defer c.Close()
	in := bufio.NewReader(c)
	fmt.Fprint(c, "INFO {\"version\":\"0\"} \r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		f := strings.Fields(line)
		switch {
		case f[0] == "PING":
			fmt.Fprint(c, "PONG\r\n")
		case f[0] == "SUB":
			s := &fakeSub{conn: c, pattern: strings.Split(f[1], "."), sid: f[len(f)-1], from: time.Now().Add(b.late)}
			if len(f) == 4 {
				s.queue = f[2]
			}
			b.mu.Lock()
			b.subs = append(b.subs, s)
			use.subs++
			b.mu.Unlock()
		case f[0] == "PUB":
			n, _ := strconv.Atoi(f[len(f)-1])
			payload := make([]byte, n+2)
			if _, err := io.ReadFull(in, payload); err != nil {
				return
			}
			b.publish(use, f[1], f[2:], payload)
		}
	}
}

func matches(pattern []string, subject string) bool {
	tokens := strings.Split(subject, ".")
	if len(pattern) != len(tokens) {
		return false
	}
	for i, p := range pattern {
		if p != "*" && p != tokens[i] {
			return false
		}
	}
	return true
}

// publish delivers one message, spoiling the 500th delivery.
func (b *fakeBroker) publish(use *portUse, subject string, rest []string, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	use.pubs++
	var to, queue []*fakeSub
	for _, s := range b.subs {
		switch {
		case !matches(s.pattern, subject) || b.late > 0 && time.Now().Before(s.from):
		case s.queue != "":
			queue = append(queue, s)
		default:
			to = append(to, s)
		}
	}
	if len(queue) > 0 {
		b.next++
		to = append(to, queue[b.next%len(queue)])
	}
	for _, s := range to {
		b.count++
		if b.count == 100 || b.count == 200 {
			fmt.Fprint(s.conn, "PING\r\n")
		}
		msg := fmt.Sprintf("MSG %s %s %s\r\n%s", subject, s.sid, strings.Join(rest, " "), payload)
		b.deliver(s, msg, payload)
	}
}

func (b *fakeBroker) deliver(s *fakeSub, msg string, payload []byte) {
	send := func() { fmt.Fprint(s.conn, msg) }
	if b.count == spoilAt {
		switch b.spoil {
		case "lose":
			return
		case "double":
			send()
		case "swap":
			b.held, b.heldOf = send, s
			return
		case "change":
			payload = bytes.Clone(payload)
			payload[3] ^= 1
			msg = msg[:len(msg)-len(payload)] + string(payload)
		case "close":
			s.conn.Close()
		case "error":
			msg = "-ERR 'no more'\r\n"
		case "stray":
			msg = "+OK\r\n" + msg[:len(msg)-9]
		}
	}
	send()
	if b.heldOf == s {
		b.held()
		b.heldOf = nil
	}
}

var loadgenOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "loadgen-test-")
	if err != nil {
		return "", err
	}
	b := &bench{dir: dir}
	return dir, b.buildLoadgen(context.Background())
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := loadgenOnce(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func testBench(t *testing.T) *bench {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc")
	}
	dir, err := loadgenOnce()
	if err != nil {
		t.Fatal(err)
	}
	return &bench{dir: dir, loadgen: dir + "/loadgen", log: io.Discard}
}

// Every wrong delivery must be found, and a right one must pass in spite of
// PINGs between the messages.
func TestLoadgenFindsFaults(t *testing.T) {
	b := testBench(t)
	for _, c := range []struct {
		args  string
		spoil string
		want  string // kinds of fault, separated by |; "" = the run passes
	}{
		{"flood --count 2000", "", ""},
		{"flood --count 2000 --subs 3 --diffsids", "", ""},
		{"flood --count 2000 --subs 3 --queue", "", ""},
		{"flood --count 2000 --subjects 50 --random", "", ""},
		{"flood --count 2000 --subs 0", "", ""},
		{"flood --count 2000", "lose", "lost"},
		{"flood --count 2000", "double", "duplicate"},
		{"flood --count 2000 --subs 3", "double", "duplicate"},
		{"flood --count 2000 --subs 3 --queue", "lose", "lost"},
		{"flood --count 2000 --subs 3 --queue", "double", "duplicate"},
		{"flood --count 2000", "stray", "lost|corrupt"},
		{"flood --count 2000", "close", "closed"},
		{"verify --count 2000", "", ""},
		{"verify --count 2000 --pubs 3 --subs 3 --size 1000", "", ""},
		{"verify --count 2000 --subs 3 --queue", "", ""},
		{"verify --count 2000 --subjects 50 --random", "", ""},
		{"verify --count 2000 --subjects 50 --literal", "", ""},
		{"verify --count 2000", "lose", "order"},
		{"verify --count 2000", "double", "duplicate"},
		{"verify --count 2000", "swap", "order"},
		{"verify --count 2000", "change", "corrupt"},
		{"verify --count 2000", "close", "closed"},
		{"verify --count 2000", "error", "error"},
		{"verify --count 2000", "stray", "corrupt"},
		{"verify --count 2000 --subs 3", "swap", "order"},
		{"verify --count 2000 --subs 3 --queue", "lose", "lost"},
		{"verify --count 2000 --subs 3 --queue", "double", "duplicate"},
		{"verify --count 500", "lose", "lost"},
		{"verify --count 500", "double", "duplicate"},
		{"paced --rate 10000", "", ""},
		{"paced --rate 10000 --pubs 2 --burst 5", "", ""},
		{"paced --rate 10000", "lose", "order"},
		{"paced --rate 10000", "double", "duplicate"},
		{"request --count 1000", "", ""},
		{"request --rate 2000 --conns 4 --responders 2", "", ""},
		{"request --count 1000", "lose", "lost"},
		{"request --count 1000", "change", "corrupt"},
		{"request --count 1000 --conns 4", "double", "duplicate"},
		{"request --rate 2000", "lose", "lost"},
		{"request --rate 2000", "double", "duplicate"},
	} {
		t.Run(c.args+" "+c.spoil, func(t *testing.T) {
			t.Parallel()
			r, err := b.load(t.Context(), cluster{serveFake(t, c.spoil)}, 0.5, append(strings.Fields(c.args), "--patience", "2"))
			var bad *faultError
			switch {
			case c.want == "" && err != nil:
				t.Fatalf("a right delivery failed: %v", err)
			case c.want == "" && (r.Sent == 0 || r.Delivered == 0):
				t.Fatalf("nothing was measured: %+v", r)
			case c.want == "":
			case !errors.As(err, &bad):
				t.Fatalf("the fault was not found: %v", err)
			case !strings.Contains("|"+c.want+"|", "|"+bad.kind+"|"):
				t.Fatalf("found %v, want %s", bad, c.want)
			}
		})
	}
}

// The counts must be exact, PINGs left out.
func TestLoadgenCounts(t *testing.T) {
	b := testBench(t)
	for _, mode := range []string{"flood", "verify"} {
		r, err := b.load(t.Context(), cluster{serveFake(t, "")}, 1, []string{mode, "--count", "1234", "--subs", "4"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent != 1234 || r.Delivered != 4*1234 || r.Pings == 0 {
			t.Errorf("%s: sent %d, delivered %d, %d pings", mode, r.Sent, r.Delivered, r.Pings)
		}
	}
}

// With several servers, publishers and subscribers are apart, and what is
// published before the interest has arrived must not count as lost.
func TestLoadgenMesh(t *testing.T) {
	b := testBench(t)
	for _, c := range []struct {
		args  string
		late  time.Duration
		spoil string
		want  string // kind of fault
		subs  [3]int
	}{
		{"flood --count 2000 --subs 4", 100 * time.Millisecond, "", "", [3]int{0, 2, 2}},
		{"verify --count 2000 --subs 3", 100 * time.Millisecond, "", "", [3]int{0, 2, 1}},
		{"verify --count 2000 --subs 4 --queue", 100 * time.Millisecond, "", "", [3]int{0, 2, 2}},
		{"verify --count 2000 --subjects 5 --literal", 100 * time.Millisecond, "", "", [3]int{0, 5, 0}},
		{"paced --rate 10000 --pubs 2 --subs 2", 100 * time.Millisecond, "", "", [3]int{0, 1, 1}},
		{"request --count 1000 --conns 3 --responders 2", 100 * time.Millisecond, "", "", [3]int{3, 1, 1}},
		{"flood --count 2000 --subs 4", 0, "lose", "lost", [3]int{}},
		{"verify --count 2000 --subs 4", 0, "double", "duplicate", [3]int{}},
		{"flood --count 2000 --subs 4", time.Hour, "", "lost", [3]int{}},
	} {
		t.Run(fmt.Sprint(c.args, c.late, c.spoil), func(t *testing.T) {
			t.Parallel()
			f := &fakeBroker{late: c.late, spoil: c.spoil}
			mesh := cluster{f.listen(t), f.listen(t), f.listen(t)}
			r, err := b.load(t.Context(), mesh, 0.5, append(strings.Fields(c.args), "--patience", "2"))
			var bad *faultError
			switch {
			case c.want != "" && (!errors.As(err, &bad) || bad.kind != c.want):
				t.Fatalf("got %v, want %s", err, c.want)
			case c.want != "":
				return
			case err != nil:
				t.Fatalf("a right delivery failed: %v", err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for i, s := range mesh {
				if got := f.ports[s.port].subs; got != c.subs[i] {
					t.Errorf("%d subscriptions at server %d, want %d", got, i, c.subs[i])
				}
			}
			if got := f.ports[mesh[0].port].pubs; got < int(r.Sent) {
				t.Errorf("%d messages were published at the first server, not all %d", got, r.Sent)
			}
		})
	}
}
