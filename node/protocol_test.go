package node

import (
	"strings"
	"testing"
	"time"
)

// dialogue is one exchange with a fresh node: what a client sends, and all that it receives.
// The differential tests in compat hold hundreds; these are the ones without which nothing works.
var dialogues = []struct {
	name string
	send string
	want string
	ends bool
}{
	{"no CONNECT", "PING\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nUNSUB 1\r\nPUB a.* 0\r\n\r\n",
		"PONG\r\n+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n+OK\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\n", false},
	{"bare line feeds", quiet + "SUB a 1\nPUB a 2\nhi\r\nPING\n", "MSG a 1 2\r\nhi\r\nPONG\r\n", false},
	{"empty line", quiet + "\r\n", "-ERR 'Unknown Protocol Operation'\r\n", true},
	{"silent close", quiet + "PUB a x\r\n", "", true},
	{"payload too large", quiet + "PUB a 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n", true},
	{"client sends -ERR", quiet + "-ERR 'x'\r\nPING\r\n", "", true},
	{"bad protocol", `CONNECT {"protocol":7}` + "\r\n", "-ERR 'invalid client protocol'\r\n", true},
	{"no responders without headers", `CONNECT {"no_responders":true}` + "\r\n",
		"-ERR 'no responders requires headers support'\r\n", true},
	{"account", `CONNECT {"account":"A"}` + "\r\n", "-ERR 'Authorization Violation'\r\n", true},
	{"invalid subject", quiet + "SUB a..b 1\r\nSUB a.> 2\r\nPUB a.b 0\r\n\r\n",
		"-ERR 'Invalid Subject'\r\nMSG a.b 2 0\r\n\r\n", false},
	{"duplicate sid", quiet + "SUB a 1\r\nSUB b 1\r\nPUB b 0\r\n\r\nPUB a 0\r\n\r\n",
		"MSG a 1 0\r\n\r\n", false},
	{"two sids", quiet + "SUB a 1\r\nSUB a 2\r\nPUB a 0\r\n\r\nUNSUB 1\r\nPUB a 0\r\n\r\n",
		"MSG a 1 0\r\n\r\nMSG a 2 0\r\n\r\nMSG a 2 0\r\n\r\n", false},
	{"malformed subject matches nothing", quiet + "SUB > 1\r\nPUB a..b 0\r\n\r\nPUB .a 0\r\n\r\nPUB a. 0\r\n\r\n",
		"", false},
	{"size verbatim", quiet + "SUB a 1\r\nPUB a 002\r\nhi\r\nPUB\ta  r\t002 \r\nhi\r\n",
		"MSG a 1 002\r\nhi\r\nMSG a 1 r 002\r\nhi\r\n", false},
	{"headers", quiet + "SUB a 1\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHPUB a 0 2\r\nhi\r\n",
		"HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nMSG a 1 2\r\nhi\r\n", false},
	{"no responders", quiet + "SUB i 1\r\nPUB nobody i 2\r\nhi\r\n",
		"HMSG i 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n", false},
	{"no responders needs a plain subscription", quiet + "SUB i q 1\r\nPUB nobody i 2\r\nhi\r\n", "", false},
	{"no echo", `CONNECT {"verbose":false,"echo":false}` + "\r\nSUB a 1\r\nSUB a q 2\r\nPUB a 0\r\n\r\n", "", false},
	{"limit", quiet + "SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\nSUB a 1\r\nPUB a 1\r\n4\r\n",
		"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nMSG a 1 1\r\n4\r\n", false},
	{"limit counts from SUB", quiet + "SUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 2\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n",
		"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n", false},
	{"limit reached before", quiet + "SUB a 1\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nUNSUB 1 2\r\nPUB a 1\r\n3\r\n",
		"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n", false},
	{"second CONNECT drops subscriptions", quiet + "SUB a 1\r\n" + quiet + "PUB a 0\r\n\r\n", "", false},
	{"second INFO", `CONNECT {"verbose":false,"protocol":1}` + "\r\nSUB _ 1\r\n", "", false},
	{"reserved reply", quiet + "PUB a _R_.x 0\r\n\r\n",
		"-ERR 'Permissions Violation for Publish with Reply of \"_R_.x\"'\r\n", false},
}

func TestDialogues(t *testing.T) {
	for _, d := range dialogues {
		for _, pieces := range []bool{false, true} {
			name := d.name
			if pieces {
				name += " byte by byte"
			}
			t.Run(name, func(t *testing.T) {
				p := dial(t, startNode(t, Options{}), "")
				if pieces {
					for i := range len(d.send) {
						if _, err := p.nc.Write([]byte{d.send[i]}); err != nil {
							break // the node may have refused what came before
						}
					}
				} else {
					p.send(d.send)
				}
				if d.ends {
					p.wantEnd(d.want)
					return
				}
				p.want(d.want)
				p.send("PING\r\n")
				if line := p.line(); line != "PONG" {
					t.Fatalf("got %q behind what was expected", line)
				}
			})
		}
	}
}

func TestInfoAfterFirstPong(t *testing.T) {
	p := dial(t, startNode(t, Options{}), `CONNECT {"verbose":false,"protocol":1}`+"\r\nPING\r\nPING\r\n")
	p.want("PONG\r\n")
	if line := p.line(); !strings.HasPrefix(line, "INFO {") || !strings.Contains(line, `"connect_info":true`) {
		t.Fatalf("got %q, want the second INFO", line)
	}
	p.want("PONG\r\n")
	p.sync()
}

func TestAdvertiseReachesConnectedClients(t *testing.T) {
	n := startNode(t, Options{})
	told := dial(t, n, `CONNECT {"verbose":false,"protocol":1}`+"\r\nPING\r\n")
	told.want("PONG\r\n")
	told.line()
	tooOld := dial(t, n, quiet)
	tooOld.sync()
	tooEarly := dial(t, n, `CONNECT {"verbose":false,"protocol":1}`+"\r\n")
	if err := n.Advertise("broker.example:4333"); err != nil {
		t.Fatal(err)
	}
	if line := told.line(); !strings.Contains(line, `"host":"broker.example","port":4333`) {
		t.Errorf("got %q, want the new address", line)
	}
	tooOld.sync()
	tooEarly.send("PING\r\n")
	tooEarly.want("PONG\r\n")
}

func TestHeadersAreCutForOldClients(t *testing.T) {
	n := startNode(t, Options{})
	old := dial(t, n, `CONNECT {"verbose":false}`+"\r\nSUB a 7\r\n")
	old.sync()
	p := dial(t, n, quiet+"HPUB a rr 22 24\r\nNATS/1.0\r\nFoo: Bar\r\n\r\nhi\r\n")
	p.sync()
	old.want("MSG a 7 rr 2\r\nhi\r\n")
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name string
		opts Options
		send string
		want string
		ends bool
	}{
		{"connections", Options{MaxConnections: -1}, "", "-ERR 'maximum connections exceeded'\r\n", true},
		{"subscriptions", Options{MaxSubscriptions: 1},
			quiet + "SUB a 1\r\nSUB a 2\r\nUNSUB 1\r\nSUB a 3\r\nPUB a 0\r\n\r\n",
			"-ERR 'maximum subscriptions exceeded'\r\nMSG a 3 0\r\n\r\n", false},
		{"tokens", Options{MaxSubscriptionTokens: 2}, quiet + "SUB a.b 1\r\nSUB a.b.c 2\r\n",
			"-ERR 'Permissions Violation for Subscription to \"a.b.c\", too many tokens'\r\n", false},
		{"control line", Options{MaxControlLine: 16}, quiet, "-ERR 'maximum control line exceeded'\r\n", true},
		{"payload", Options{MaxPayload: 3}, quiet + "SUB a 1\r\nPUB a 3\r\n123\r\nPUB a 4\r\n",
			"MSG a 1 3\r\n123\r\n-ERR 'Maximum Payload Violation'\r\n", true},
		{"headers off", Options{NoHeaders: true}, `CONNECT {"headers":true}` + "\r\nHPUB a 12 12\r\n", "+OK\r\n", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := dial(t, startNode(t, test.opts), test.send)
			if test.ends {
				p.wantEnd(test.want)
				return
			}
			p.want(test.want)
			p.sync()
		})
	}
}

func TestStaleConnection(t *testing.T) {
	n := startNode(t, Options{PingInterval: 20 * time.Millisecond})
	p := dial(t, n, quiet)
	p.wantEnd("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n")
	eventually(t, "one stale connection is counted", func() bool { return n.Stats().StaleConnections == 1 })
}

func TestAnsweringPingKeepsConnection(t *testing.T) {
	// So many may be out that a test which has to wait for a processor is not stale.
	const out = 100
	p := dial(t, startNode(t, Options{PingInterval: 10 * time.Millisecond, MaxPingsOut: out}), quiet)
	for range out + 5 {
		p.want("PING\r\n")
		p.send("PONG\r\n")
	}
}
