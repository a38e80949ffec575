package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"shoal/wire"
)

// echo is a verb for tests.
func echo(n *Node) {
	n.asks.verbs["echo"] = verb{answer: func(_ context.Context, from string, body json.RawMessage) (any, error) {
		var text string
		if err := json.Unmarshal(body, &text); err != nil {
			return nil, err
		}
		return from + ": " + text, nil
	}}
	n.asks.verbs["change"] = verb{changes: true, answer: func(context.Context, string, json.RawMessage) (any, error) {
		return "changed", nil
	}}
	n.asks.verbs["refuse"] = verb{answer: func(context.Context, string, json.RawMessage) (any, error) {
		return nil, errors.New("not today")
	}}
}

func TestAsk(t *testing.T) {
	nodes := startMesh(t, 3, echo)
	for _, from := range nodes {
		for _, to := range nodes {
			var got string
			if err := from.ask(t.Context(), to.ID(), "echo", "hi", &got); err != nil || got != from.Name()+": hi" {
				t.Errorf("%s asks %s: %q, %v", from.Name(), to.Name(), got, err)
			}
		}
	}
	a, b := nodes[0], nodes[1]
	var answered *AskError
	if err := a.ask(t.Context(), b.ID(), "refuse", nil, nil); !errors.As(err, &answered) || answered.Text != "not today" || answered.Name != "n1" {
		t.Errorf("refuse: %v", err)
	}
	if err := a.ask(t.Context(), b.ID(), "dance", nil, nil); !errors.As(err, &answered) || !strings.Contains(answered.Text, "dance") {
		t.Errorf("an unknown verb: %v", err)
	}
	if err := a.ask(t.Context(), b.ID(), "echo", strings.Repeat("x", longestQuestion), nil); err == nil {
		t.Error("a long question was sent")
	}
	if err := a.ask(t.Context(), "NOBODY", "echo", "hi", nil); !errors.Is(err, errNoRoute) {
		t.Errorf("nobody: %v", err)
	}
	if s, err := a.StatusOf(t.Context(), b.ID()); err != nil || s.Settings["limits"]["max_payload"] != "1048576" {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestAskBusy floods a node with questions that take long.
func TestAskBusy(t *testing.T) {
	release := make(chan struct{})
	slow := func(n *Node) {
		n.asks.verbs["slow"] = verb{answer: func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return "done", nil
		}}
	}
	nodes := startMesh(t, 2, slow)
	var wg sync.WaitGroup
	var mu sync.Mutex
	busy, done := 0, 0
	for range 3 * answersAtOnce {
		wg.Go(func() {
			err := nodes[0].ask(t.Context(), nodes[1].ID(), "slow", nil, nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if strings.Contains(err.Error(), "busy") {
				busy++
			} else {
				t.Error(err)
			}
		})
	}
	eventually(t, "the others are turned away", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return busy == 2*answersAtOnce
	})
	close(release)
	wg.Wait()
	if done != answersAtOnce {
		t.Errorf("%d were answered", done)
	}
}

// TestAskWithoutAnswer asks a node that has stopped to answer.
func TestAskWithoutAnswer(t *testing.T) {
	mute := func(n *Node) {
		n.asks.verbs["mute"] = verb{answer: func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	}
	nodes := startMesh(t, 2, mute)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := nodes[0].ask(ctx, nodes[1].ID(), "mute", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	nodes[0].asks.mu.Lock()
	defer nodes[0].asks.mu.Unlock()
	if n := len(nodes[0].asks.waiting); n != 0 {
		t.Errorf("%d answers are still waited for", n)
	}
}

// TestAskOnlyPeers has somebody ask who is no shoal node, and clients look on.
func TestAskOnlyPeers(t *testing.T) {
	n := startPeer(t, "n", ClusterOptions{}, nil, echo)
	spy := dial(t, n, quiet+"SUB > 1\r\n")
	spy.sync()
	for _, shoal := range []bool{false, true} {
		id := fmt.Sprintf("N%055d", len(t.Name()))
		r := dialRoute(t, n, "")
		info := wire.ServerInfo{ID: id, Name: "x" + fmt.Sprint(shoal), Headers: true, Cluster: "c", ClusterDynamic: true}
		connect := `CONNECT {"verbose":false,"headers":true,"cluster":"c","cluster_dynamic":true}` + "\r\n"
		if shoal {
			info.Shoal = &wire.ShoalInfo{Proto: askProto}
			connect = `CONNECT {"verbose":false,"headers":true,"cluster":"c","cluster_dynamic":true,"shoal":2}` + "\r\n"
		}
		question := string(askLine(n.ID(), "echo", askPrefix+id+".re.1", []byte(`{"number":1,"body":"hi"}`)))
		r.send(connect + string(info.Append(nil)))
		for r.line() != "PING" { // the lower ID is the judge, and so is nats-server
		}
		r.send("PONG\r\nPING\r\n")
		for r.line() != "PONG" { // before it comes the interest of the client
		}
		r.send(question + "PING\r\n")
		answer := askPrefix + id + ".re.1"
		seen := false
		for line := r.line(); line != "PONG"; line = r.line() {
			seen = seen || strings.HasPrefix(line, "RMSG $SYS "+answer)
		}
		if shoal && !seen {
			// The answer comes from another goroutine, and may be behind the PONG.
			seen = strings.HasPrefix(r.line(), "RMSG $SYS "+answer)
		}
		if seen != shoal {
			t.Errorf("shoal %v: answered %v", shoal, seen)
		}
		if err := n.ask(t.Context(), id, "echo", "hi", nil); !shoal && (err == nil || !strings.Contains(err.Error(), "no shoal node")) {
			t.Errorf("a server that is no shoal node is asked: %v", err)
		}
		r.nc.Close()
		eventually(t, "the route is gone", func() bool { return len(n.Routes()) == 0 })
	}
	spy.sync() // and has seen nothing
}

// TestProof has nodes with a password ask each other, whoever of the two has dialled.
func TestProof(t *testing.T) {
	secret := ClusterOptions{User: "u", Password: "p"}
	a := startPeer(t, "a", secret, nil, echo)
	to := routeURL(a)
	to.User = url.UserPassword("u", "p")
	secret.Routes = append(secret.Routes, to)
	b := startPeer(t, "b", secret, nil, echo)
	waitForMesh(t, []*Node{a, b})
	for _, pair := range [][2]*Node{{a, b}, {b, a}} {
		var got string
		if err := pair[0].ask(t.Context(), pair[1].ID(), "change", nil, &got); err != nil || got != "changed" {
			t.Errorf("%s asks %s: %q, %v", pair[0].Name(), pair[1].Name(), got, err)
		}
	}
	// b has dialled, so it does not take a's word.
	r := b.routes.to(a.ID())[0]
	q := &question{Number: 1000}
	if r.proves("change", q) {
		t.Error("no proof is one")
	}
	for _, wrong := range []string{"", "P"} {
		if q.Proof = hex.EncodeToString(questionCode(a.secrets.key("u", wrong), a.ID(), b.ID(), "change", q)); r.proves("change", q) {
			t.Errorf("the password %q is one", wrong)
		}
	}
	q.Proof = a.prove(b.ID(), "change", q)
	if r.proves("echo", q) {
		t.Error("a proof counts for another verb")
	}
	if !r.proves("change", q) || r.proves("change", q) {
		t.Error("a question does not count once")
	}
}

// TestMalformedQuestions sends what no node would.
func TestMalformedQuestions(t *testing.T) {
	nodes := startMesh(t, 2, echo)
	a, b := nodes[0], nodes[1]
	a.asks.number = 1000 // so that answers to what follows are for nobody
	r := a.routes.to(b.ID())[0]
	to, re := askPrefix+b.ID()+".", askPrefix+a.ID()+".re."
	long := []byte(`{"number":9,"body":"` + strings.Repeat("x", longestQuestion) + `"}`)
	for _, m := range []struct {
		subject, reply string
		payload        []byte
	}{
		{to + "echo", "", nil},
		{to + "echo", re + "1", nil},
		{to + "echo", re + "2", []byte("{")},
		{to + "echo", re + "3", []byte(`{"number":4,"body":"hi"}`)},
		{to + "echo", re + "5", []byte(`{"number":-5}`)},
		{to + "echo", re + "x", []byte(`{"number":6}`)},
		{to + "echo", askPrefix + "SOMEBODY.re.7", []byte(`{"number":7}`)},
		{to + "echo", "_INBOX.1", []byte(`{"number":8}`)},
		{to + "echo", re + "9", long},
		{to, re + "10", nil},
		{to + "re.1", "", []byte(`{"body":"unasked"}`)},
		{to + "re.x", "", nil},
		{to + "re.18446744073709551616", "", []byte("{}")},
		{askPrefix, "", nil},
		{askPrefix + "SOMEBODY.echo", re + "11", []byte(`{"number":11}`)},
	} {
		op := wire.Op{Verb: wire.RMsg, Account: []byte(SystemAccount), Subject: []byte(m.subject), Reply: []byte(m.reply), Payload: m.payload}
		r.sendLine(op.Append(nil))
	}
	var got string
	if err := a.ask(t.Context(), b.ID(), "echo", "still there", &got); err != nil || got != "n0: still there" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}
