package node

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"shoal/wire"
)

// TestTraceAtPeers sends messages that are traced to servers of which some do not know how to.
func TestTraceAtPeers(t *testing.T) {
	const block = "NATS/1.0\r\nNats-Trace-Dest: to\r\n"
	with := func(more string) string {
		headers := block + more + "\r\n"
		return fmt.Sprintf("%d %d\r\n%shi\r\n", len(headers), len(headers)+2, headers)
	}
	for _, tt := range []struct {
		name     string
		old, new string // a change to what the peer says of itself
		more     string // headers
		sent     string // to the peer
		why      string // in the trace
	}{
		{"", "", "", "", "HMSG $G x " + with("Nats-Trace-Hop: 1\r\n"), ""},
		{"only", "", "", "Nats-Trace-Only: 1\r\n", "HMSG $G x " + with("Nats-Trace-Only: 1\r\nNats-Trace-Hop: 1\r\n"), ""},
		{"old", `"proto":3`, `"proto":2`, "", "HMSG $G x " + with("Nats-Trace-Hop: 1\r\n"), traceUnknown},
		{"old, only", `"proto":3`, `"proto":2`, "Nats-Trace-Only: 1\r\n", "", traceOnlyUnknown},
		{"no headers", `"headers":true`, `"headers":false`, "", "RMSG $G x 2\r\nhi\r\n", traceUnknown},
		{"no headers, only", `"headers":true`, `"headers":false`, "Nats-Trace-Only: 1\r\n", "", traceOnlyUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := new(parrot)
			n := startLone(t, withParrot(e))
			e.ready(t)
			p := dialRoute(t, n, strings.ReplaceAll(aRoute("X"), tt.old, tt.new))
			p.send("PONG\r\nRS+ $G x\r\n")
			eventually(t, "the interest is known", func() bool { return n.accounts.global.index.Len() == 1 })
			for p.line() != "PING" {
			}
			c := dial(t, n, quiet+"HPUB x "+with(tt.more))
			c.sync()
			p.send("PING\r\n")
			var got strings.Builder
			for line := ""; line != "PONG"; line = p.line() {
				if line != "" && !strings.HasPrefix(line, "RS+ ") {
					got.WriteString(line + "\r\n")
				}
			}
			if want := strings.ReplaceAll(tt.sent, "\r\n\r\n", "\r\n"); got.String() != want {
				t.Errorf("the peer is sent %q, want %q", got.String(), want)
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			if len(e.traced) != 1 || len(e.traced[0].Events) != 2 || e.traced[0].Hops != 1 {
				text, err := json.Marshal(e.traced)
				t.Fatalf("the trace is %s, %v", text, err)
			}
			if eg := e.traced[0].Events[1].(*traceEgress); eg.Error != tt.why || eg.Name != "X" || eg.Hop != "1" {
				t.Errorf("the trace tells %+v", eg)
			}
		})
	}
}

// TestTraceDests has a peer and a client ask for traces, at subjects that other peers may not take.
func TestTraceDests(t *testing.T) {
	e := new(parrot)
	n := startLone(t, withParrot(e))
	e.ready(t)
	p := dialRoute(t, n, aRoute("X"))
	p.send("PONG\r\n")
	for p.line() != "PING" {
	}
	c := dial(t, n, quiet)
	longest := n.options().MaxControlLine
	for _, dest := range []string{strings.Repeat("a", longest+1), strings.Repeat("a", 1<<19), "a.*", strings.Repeat("a", longest)} {
		headers := "NATS/1.0\r\nNats-Trace-Dest: " + dest + "\r\n\r\n"
		size := fmt.Sprintf("x %[1]d %[1]d\r\n", len(headers))
		c.send("HPUB " + size + headers + "\r\n")
		p.send("HMSG $G " + size + headers + "\r\n")
	}
	c.sync()
	p.send("PING\r\n")
	for p.line() != "PONG" {
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.traced) != 2 {
		t.Errorf("%d messages are traced, want the last of the client and of the peer", len(e.traced))
	}
}

// TestTraceBeforeInfo has a peer send and be sent messages that are traced before it has said who it is.
func TestTraceBeforeInfo(t *testing.T) {
	e := new(parrot)
	n := startLone(t, withParrot(e))
	e.ready(t)
	const message = "x 33 33\r\nNATS/1.0\r\nNats-Trace-Dest: to\r\n\r\n\r\n"
	p := dialRoute(t, n, `CONNECT {"headers":true,"name":"X","cluster":"C"}`+"\r\nRS+ $G x\r\nHMSG $G "+message)
	defer p.nc.Close()
	eventually(t, "it is traced", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.traced) == 1
	})
	dial(t, n, quiet+"HPUB "+message).sync()
}

// TestTraceLeavesNothing has requests to another account traced, and checks that no answers are awaited for
// what nobody gets.
func TestTraceLeavesNothing(t *testing.T) {
	e := new(parrot)
	accounts := tenants()
	accounts[0].Exports[3].AllowTrace = true // of list.*
	n := startNode(t, Options{Authenticator: byName{}, Accounts: accounts}, withParrot(e))
	service := dial(t, n, as("A")+"SUB help 1\r\nSUB list.* 2\r\n")
	service.sync()
	c := dial(t, n, as("B"))
	for _, request := range []string{"a.help", "list.1", "list.2"} {
		c.send("HPUB " + request + " answer 56 56\r\nNATS/1.0\r\nNats-Trace-Dest: to\r\nNats-Trace-Only: true\r\n\r\n\r\n")
	}
	c.sync()
	service.sync()
	e.mu.Lock()
	defer e.mu.Unlock()
	var got []string
	for _, trace := range e.traced {
		var types string
		for _, event := range trace.Events {
			switch event := event.(type) {
			case *traceService:
				types += " " + event.Account
			case *traceEgress:
				types += " " + event.Account + ":" + event.Subscription
			}
		}
		got = append(got, types)
	}
	if want := []string{" A", " A A:list.*", " A A:list.*"}; !slices.Equal(got, want) {
		t.Errorf("the traces tell %q, want %q", got, want)
	}
	for name, a := range n.accounts.all() {
		a.replies.mu.Lock()
		if n := len(a.replies.owed); n > 0 {
			t.Errorf("%s awaits %d answers", name, n)
		}
		a.replies.mu.Unlock()
	}
}

// TestTraceSampling has some of the messages traced that others trace. Those that are left out say so.
func TestTraceSampling(t *testing.T) {
	const messages = 2_000
	e := new(parrot)
	n := startNode(t, Options{Authenticator: byName{}, Accounts: []AccountOptions{
		{Name: "A", TraceDest: "told", TraceSampling: 10}, {Name: "B", TraceDest: "told"},
	}}, withParrot(e))
	for account, most := range map[string]int{"A": messages / 5, "B": messages} {
		c := dial(t, n, as(account)+"SUB x 1\r\n")
		c.send(strings.Repeat("HPUB x 36 36\r\nNATS/1.0\r\nTraceparent: 00-a-b-01\r\n\r\n\r\n", messages) + "PING\r\n")
		disabled := 0
		for line := ""; line != "PONG"; line = c.line() {
			if line == traceDestHeader+": "+traceDisabled {
				disabled++
			}
		}
		e.mu.Lock()
		traced := len(e.traced)
		e.traced = nil
		e.mu.Unlock()
		if traced == 0 || traced > most || traced+disabled != messages {
			t.Errorf("of %d messages in %s %d are traced, and %d are not to be", messages, account, traced, disabled)
		}
	}
}

func TestHasParent(t *testing.T) {
	for block, want := range map[string]bool{
		"NATS/1.0\r\ntraceparent: x\r\n\r\n":                 true,
		"NATS/1.0\r\nA: b\r\nTRACEparent:x\r\n\r\n":          true,
		"NATS/1.0\r\nA: traceparent:\r\ntraceparent\r\n\r\n": false,
		"": false,
	} {
		if got := hasParent([]byte(block)); got != want {
			t.Errorf("%q: %v", block, got)
		}
	}
}

// TestTraceWithoutService checks that a node which cannot tell anything treats all messages alike.
func TestTraceWithoutService(t *testing.T) {
	n := startLone(t)
	if proto := n.routeInfo(nil).Proto; proto >= traceProto {
		t.Errorf("it tells peers that it speaks version %d", proto)
	}
	c := dial(t, n, quiet+"SUB x 1\r\n")
	const message = "x %s56 58\r\nNATS/1.0\r\nNats-Trace-Dest: to\r\nNats-Trace-Only: true\r\n\r\nhi\r\n"
	c.send("HPUB " + fmt.Sprintf(message, ""))
	c.want("HMSG " + fmt.Sprintf(message, "1 "))
	c.sync()
}

func TestSetHeader(t *testing.T) {
	for _, tt := range []struct{ block, want string }{
		{"", "NATS/1.0\r\nA: b\r\n\r\n"},
		{"NATS/1.0\r\n\r\n", "NATS/1.0\r\nA: b\r\n\r\n"},
		{"NATS/1.0 503\r\nX: y\r\n\r\n", "NATS/1.0 503\r\nX: y\r\nA: b\r\n\r\n"},
		{"NATS/1.0\r\nA: 1\r\nX: y\r\na: 2\r\n\r\n", "NATS/1.0\r\nX: y\r\nA: b\r\n\r\n"},
	} {
		op := wire.Op{Verb: wire.Pub, Payload: []byte(tt.block + "hi")}
		if tt.block != "" {
			op.Verb, op.HeaderLen = wire.RHMsg, len(tt.block)
		}
		setHeader(&op, "A", "b")
		if string(op.Payload) != tt.want+"hi" || op.HeaderLen != len(tt.want) || string(op.HeaderText) != fmt.Sprint(len(tt.want)) ||
			string(op.SizeText) != fmt.Sprint(len(tt.want)+2) || !op.HasHeaders() {
			t.Errorf("%q becomes %+v, want %q", tt.block, op, tt.want)
		}
	}
}

func TestHeadersOf(t *testing.T) {
	for _, tt := range []struct {
		block string
		want  map[string][]string
	}{
		{"NATS/1.0\r\nA: 1\r\na:2 \r\nA:\t3:4\r\nEmpty: \r\n: x\r\nnothing\r\n\r\n", map[string][]string{"A": {"1", "3:4"}, "a": {"2"}}},
		{"NATS/1.0 503\r\nA: 1\r\n\r\n", nil},
		{"A: 1\r\n\r\n", nil},
		{"", nil},
	} {
		got := headersOf([]byte(tt.block))
		if !maps.EqualFunc(got, tt.want, func(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Errorf("%q has %v, want %v", tt.block, got, tt.want)
		}
	}
}
