package command

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// waitFor waits until a process has said text on standard error, as it does when it is ready.
func (p *process) waitFor(text string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%q", text), func() bool {
		select {
		case <-p.exited:
			if !strings.Contains(p.err.String(), text) {
				p.t.Fatalf("the process ended with status %d", p.status)
			}
		default:
		}
		return strings.Contains(p.err.String(), text)
	})
}

// What differs from run to run in what a person sees.
var (
	clockPattern = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3} `)
	tookPattern  = regexp.MustCompile(`after [0-9.]+(µs|ms|s)`)
	inboxPattern = regexp.MustCompile(`_INBOX\.\S+`)

	marginPattern = regexp.MustCompile(fmt.Sprintf("(?m)^ {%d}", margin))
)

func normal(text string) string {
	text = clockPattern.ReplaceAllString(text, "TIME ")
	text = tookPattern.ReplaceAllString(text, "after TOOK")
	text = inboxPattern.ReplaceAllString(text, "INBOX)")
	return marginPattern.ReplaceAllString(text, "\t")
}

func mustRun(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	status, stdout, stderr := runCommand(stdin, args...)
	if status != 0 {
		t.Fatalf("%s: status %d, %s", strings.Join(args, " "), status, stderr)
	}
	return stdout, stderr
}

func TestPubSub(t *testing.T) {
	s := startServer(t)
	t.Setenv("SHOAL_URL", s.url())
	sub := startProcess(t, "sub", "orders.>", "--count", "6")
	sub.waitFor("Subscribed to orders.> on " + s.url())

	if _, stderr := mustRun(t, "", "pub", "orders.new", "hello", "-H", "Trace-Id: a,b", "--reply", "back"); stderr != "1 message of 5 bytes published to orders.new\n" {
		t.Errorf("pub says %q", stderr)
	}
	mustRun(t, "from stdin\n", "pub", "orders.in")
	mustRun(t, "a\x00b", "pub", "orders.bin", "-")
	mustRun(t, "not read", "pub", "orders.empty", "")
	if _, stderr := mustRun(t, "", "pub", "orders.twice", "--count", "2", "--", "-x"); stderr != "2 messages of 2 bytes each published to orders.twice\n" {
		t.Errorf("pub says %q", stderr)
	}
	if status := sub.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	want := "TIME      #1  orders.new  (5 bytes, reply to back)\n\tTrace-Id: a,b\n\n\thello\n" +
		"TIME      #2  orders.in  (11 bytes)\n\tfrom stdin\n" +
		"TIME      #3  orders.bin  (3 bytes)\n\t00000000  61 00 62                                          |a.b|\n" +
		"TIME      #4  orders.empty  (0 bytes)\n" +
		"TIME      #5  orders.twice  (2 bytes)\n\t-x\n" +
		"TIME      #6  orders.twice  (2 bytes)\n\t-x\n"
	if got := normal(sub.out.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !strings.HasSuffix(sub.err.String(), "\n6 messages received\n") {
		t.Errorf("sub says %q", sub.err.String())
	}
}

func TestSubEndsWithItsCountOnInterrupt(t *testing.T) {
	s := startServer(t)
	sub := startProcess(t, "sub", "a", "--raw", "-s", s.url())
	sub.waitFor("Subscribed")
	mustRun(t, "a\x00b", "pub", "a", "-s", s.url())
	eventually(t, "the message is written", func() bool { return sub.out.String() == "a\x00b\n" })
	sub.signal(syscall.SIGINT)
	if status := sub.wait(); status != 0 || !strings.HasSuffix(sub.err.String(), "\n1 message received\n") {
		t.Errorf("status %d, %q", status, sub.err.String())
	}
}

func TestSubQueue(t *testing.T) {
	s := startServer(t)
	t.Setenv("SHOAL_URL", s.url())
	one := startProcess(t, "sub", "a", "--queue", "q", "--raw")
	two := startProcess(t, "sub", "a", "--queue", "q", "--raw")
	one.waitFor("in queue group q")
	two.waitFor("in queue group q")
	mustRun(t, "", "pub", "a", "x", "--count", "50")
	eventually(t, "all messages arrive", func() bool { return len(one.out.String())+len(two.out.String()) >= 100 })
	if n := strings.Count(one.out.String()+two.out.String(), "x\n"); n != 50 || one.out.String() == "" || two.out.String() == "" {
		t.Errorf("50 messages became %d: %q and %q", n, one.out.String(), two.out.String())
	}
}

func TestRequestReply(t *testing.T) {
	s := startServer(t)
	t.Setenv("SHOAL_URL", s.url())

	status, stdout, stderr := runCommand("", "request", "time", "now")
	if status != 1 || stdout != "" || stderr != "shoal: nobody answers requests on time (no responders)\n" {
		t.Errorf("without a replier: status %d, %q, %q", status, stdout, stderr)
	}

	echo := startProcess(t, "reply", "time", "--echo")
	fixed := startProcess(t, "reply", "time", "noon", "--queue", "q")
	echo.waitFor("Answering requests on time")
	fixed.waitFor("Answering requests on time")

	stdout, _ = mustRun(t, "now", "request", "time", "--replies", "2", "-H", "K:v")
	got := normal(stdout)
	if !strings.Contains(got, "4 bytes, after TOOK\n\tnoon\n") || !strings.Contains(got, "3 bytes, after TOOK\n\tK: v\n\n\tnow\n") {
		t.Errorf("got\n%s", got)
	}
	if stdout, _ = mustRun(t, "", "request", "time", "noon", "--raw"); stdout != "noon\n" {
		t.Errorf("the bare reply is %q", stdout)
	}
	status, _, stderr = runCommand("", "request", "time", "now", "--replies", "3", "--timeout", "1s")
	if status != 1 || stderr != "shoal: 2 replies of 3 within 1s\n" {
		t.Errorf("too few replies: status %d, %q", status, stderr)
	}
	if _, stderr = mustRun(t, "", "request", "time", "now", "--replies", "0", "--timeout", "1s"); stderr != "2 replies received\n" {
		t.Errorf("all replies: %q", stderr)
	}
	mustRun(t, "", "pub", "time", "no reply, please")
	eventually(t, "the last message is shown", func() bool {
		return strings.Contains(normal(echo.out.String()), "TIME      #5  time  (16 bytes, no reply wanted)\n\tno reply, please\n")
	})
	echo.signal(syscall.SIGINT)
	if status := echo.wait(); status != 0 || !strings.HasSuffix(echo.err.String(), "\n4 requests answered\n") {
		t.Errorf("status %d, %q", status, echo.err.String())
	}
}

func TestSubSurvivesRestart(t *testing.T) {
	first := startServer(t)
	sub := startProcess(t, "sub", "a", "--raw", "--count", "1", "-s", first.url())
	sub.waitFor("Subscribed")
	first.signal(syscall.SIGTERM)
	first.wait()
	sub.waitFor("Lost the connection")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(first.url(), "nats://"))
	second := startProcess(t, "-a", "127.0.0.1", "-p", port)
	second.waitFor("Server is ready")
	sub.waitFor("Connected again, to " + first.url())
	mustRun(t, "", "pub", "a", "x", "-s", first.url())
	if status := sub.wait(); status != 0 || sub.out.String() != "x\n" {
		t.Errorf("status %d, %q", status, sub.out.String())
	}
}

func TestClientLimits(t *testing.T) {
	s := startServer(t, "--max_payload", "10")
	t.Setenv("SHOAL_URL", s.url())
	for _, tt := range []struct {
		stdin, args, want string
	}{
		{"", "pub a 12345678901", "the message has 11 bytes with its headers, the server allows 10"},
		{"12345678901", "pub a", "standard input is longer than the 10 bytes that the server allows"},
		{"", "pub a x -H key:value", "the message has 25 bytes with its headers, the server allows 10"},
	} {
		status, _, stderr := runCommand(tt.stdin, strings.Fields(tt.args)...)
		if status != 1 || stderr != "shoal: "+tt.want+"\n" {
			t.Errorf("%s: status %d, %q, want %q", tt.args, status, stderr, tt.want)
		}
	}
}

func TestPubWithoutHeaderSupport(t *testing.T) {
	s := startServer(t, "--no_header_support")
	status, _, stderr := runCommand("", "pub", "a", "b", "-H", "k:v", "-s", s.url())
	if want := "shoal: -H: this server has no headers\n"; status != 1 || stderr != want {
		t.Errorf("status %d, %q, want %q", status, stderr, want)
	}
}

func TestConnectErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := closed.Addr().String()
	closed.Close()

	// Two servers that are not: one says nothing, the other speaks another language.
	listen := func(greeting string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = conn.Write([]byte(greeting))
			}
		}()
		t.Cleanup(func() { listener.Close(); <-done })
		return listener.Addr().String()
	}
	silent, stranger := listen(""), listen("220 mail.example.org ESMTP\r\n")

	for _, tt := range []struct{ server, timeout, want string }{
		{"nats://" + refused, "20s", "nats://" + refused + ": connection refused; is a server running there?"},
		{"nats://bob:pw@" + refused, "20s", "nats://" + refused + ": connection refused; is a server running there?"},
		{silent, "150ms", silent + ": connected, but got no greeting within 150ms"},
		{stranger, "20s", stranger + ": what answers there is not a NATS server"},
	} {
		status, _, stderr := runCommand("", "pub", "a", "b", "-s", tt.server, "--timeout", tt.timeout)
		if want := "shoal: cannot connect to " + tt.want + "\n"; status != 1 || stderr != want {
			t.Errorf("status %d, %q, want %q", status, stderr, want)
		}
	}
}

func TestTokenInURL(t *testing.T) {
	s := startServer(t, "--auth", "t0ken")
	sub := startProcess(t, "sub", "a", "-s", strings.Replace(s.url(), "//", "//t0ken@", 1))
	sub.waitFor("Subscribed")
	if strings.Contains(sub.err.String(), "t0ken") {
		t.Errorf("sub shows the token: %q", sub.err.String())
	}
	mustRun(t, "", "pub", "a", "b", "-s", s.url(), "--token", "t0ken")
}

// The names are the same for the server and its clients, so that one environment serves both.
func TestCredentialsInEnvironment(t *testing.T) {
	s := startServer(t, "--user", "alice", "--pass", "pw")
	t.Setenv("SHOAL_USER", "alice")
	t.Setenv("SHOAL_PASS", "pw")
	mustRun(t, "", "pub", "a", "b", "-s", s.url())
	status, _, stderr := runCommand("", "-p", "4333", "pub", "a", "b", "-s", s.url())
	if want := "shoal: -p: is a flag of the server; the flags of \"shoal pub\" come after it\n"; status != 1 || stderr != want {
		t.Errorf("status %d, %q, want %q", status, stderr, want)
	}
}
