package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"shoal/wire"
)

// Shoal nodes ask each other things over their routes: how it is going, or to drain. A question is a
// message of the system account, addressed to the ID of one server, and so is the answer:
//
//	RMSG $SYS $SHOAL.<ID asked>.drain $SHOAL.<ID that asks>.re.7 53
//	{"number":7,"body":{"force":false},"proof":"…"}
//
// It goes over the route between the two and nowhere else: nothing of it is ever passed on, clients can
// neither send nor see it, and a nats-server, which would not know what to do with it, is never sent any.
// Whether the sender may ask for what changes something is told in proof.go.
const (
	askPrefix = "$SHOAL."
	// askReply is what a subject has in place of a verb if the message is an answer.
	askReply = "re"
	// askProto is the version of a peer's [wire.ShoalInfo.Proto] from which on it can be asked.
	askProto = 2
	// longestQuestion and longestAnswer bound the payloads.
	longestQuestion, longestAnswer = 64 << 10, 256 << 10
	// askTime is how long an answer is waited for unless the context says less, and answerTime how long
	// the other side may take to find it.
	askTime, answerTime = 5 * time.Second, 4 * time.Second
	// answersAtOnce is how many questions a node works on. Who asks more is told to come again.
	answersAtOnce = 8
	// mostAsked is how many answers a node waits for.
	mostAsked = 4096
)

// question is what is asked.
type question struct {
	Number uint64          `json:"number"` // ascending
	Body   json.RawMessage `json:"body,omitempty"`
	Proof  string          `json:"proof,omitempty"`
}

// answer is what is answered: a body, or why there is none.
type answer struct {
	Body  json.RawMessage `json:"body,omitempty"`
	Error string          `json:"error,omitempty"`
}

// verb is something that a node can be asked.
type verb struct {
	// changes says that it does more than tell something, so that the sender must have proved that it
	// belongs to the cluster.
	changes bool
	// answer finds the answer, which is encoded as JSON. from is the name of the server that asks.
	answer func(ctx context.Context, from string, body json.RawMessage) (any, error)
}

// asks is what is needed to ask and to answer.
type asks struct {
	node  *Node
	verbs map[string]verb
	slots chan struct{} // has a value for each question that is being worked on

	mu      sync.Mutex // guards the rest; held while a question is sent, so that numbers arrive in order
	ctx     context.Context
	number  uint64
	waiting map[uint64]waiting
	heard   map[string]uint64 // the highest number of a proved question, by ID of the sender
}

// waiting is who waits for an answer.
type waiting struct {
	id     string // of the server that was asked
	answer chan answer
}

func (a *asks) init(n *Node) {
	a.node = n
	a.verbs = n.verbs()
	a.slots = make(chan struct{}, answersAtOnce)
	a.waiting, a.heard = make(map[uint64]waiting), make(map[string]uint64)
}

// start lets the node answer until ctx ends.
func (a *asks) start(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctx = ctx
}

// AskError is what another server has answered, rather than what has happened on the way.
type AskError struct{ Name, Text string }

// Error implements error.
func (e *AskError) Error() string { return e.Name + ": " + e.Text }

// errNoRoute is why a server cannot be asked.
var errNoRoute = errors.New("there is no route to it")

// ask asks the server with that ID, or this node itself, and decodes the answer into reply unless that is
// nil.
func (n *Node) ask(ctx context.Context, id, name string, body, reply any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if len(text) > longestQuestion/2 {
		return fmt.Errorf("a question of %d bytes is too long", len(text))
	}
	var got answer
	if id == n.id {
		got = n.asks.find(ctx, n.asks.verbs[name], n.name, text)
	} else if got, err = n.asks.send(ctx, id, name, text); err != nil {
		return err
	}
	if got.Error != "" {
		return &AskError{n.nameOf(id), got.Error}
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(got.Body, reply)
}

// nameOf returns the name of a server, or its ID if it is unknown.
func (n *Node) nameOf(id string) string {
	if id == n.id {
		return n.name
	}
	for _, r := range n.routes.to(id) {
		return r.peer().Name
	}
	return id
}

// send asks another server.
func (a *asks) send(ctx context.Context, id, name string, body []byte) (answer, error) {
	r, err := a.routeTo(id)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	w := waiting{id, make(chan answer, 1)}
	a.mu.Lock()
	if len(a.waiting) >= mostAsked {
		a.mu.Unlock()
		return answer{}, errors.New("too many answers are waited for already")
	}
	a.number++
	q := question{Number: a.number, Body: body}
	q.Proof = a.node.prove(id, name, &q)
	text, err := json.Marshal(q)
	if err == nil {
		a.waiting[q.Number] = w
		r.sendLine(askLine(id, name, askPrefix+a.node.id+"."+askReply+"."+strconv.FormatUint(q.Number, 10), text))
	}
	a.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	defer func() {
		a.mu.Lock()
		delete(a.waiting, q.Number)
		a.mu.Unlock()
	}()
	select {
	case got := <-w.answer:
		return got, nil
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%s does not answer: %w", a.node.nameOf(id), ctx.Err())
	}
}

// routeTo returns the connection over which a server is asked.
func (a *asks) routeTo(id string) (*route, error) {
	for _, r := range a.node.routes.to(id) {
		switch peer := r.peer(); {
		case !isShoal(peer):
			return nil, fmt.Errorf("%s is no shoal node", peer.Name)
		case peer.Shoal.Proto < askProto:
			return nil, fmt.Errorf("%s runs a version of shoal that cannot be asked", peer.Name)
		case r.account == "" && r.registered.Load():
			return r, nil
		}
	}
	return nil, errNoRoute
}

// askLine returns the message with a question or an answer.
func askLine(id, rest, reply string, payload []byte) []byte {
	op := wire.Op{Verb: wire.RMsg, Account: []byte(SystemAccount), Subject: []byte(askPrefix + id + "." + rest), Payload: payload}
	if reply != "" {
		op.Reply = []byte(reply)
	}
	return op.Append(nil)
}

// isAsk reports whether a message that has come over a route is a question or an answer.
func isAsk(op *wire.Op) bool {
	return string(op.Account) == SystemAccount && hasPrefix(op.Subject, askPrefix)
}

// asked takes a question or an answer. It never waits.
func (r *route) asked(op *wire.Op) {
	a := &r.node.asks
	// The same peer may be behind another connection of the pool, but not somebody who is none yet.
	if !r.registered.Load() || !isShoal(r.peer()) {
		return
	}
	own, name, ok := strings.Cut(strings.TrimPrefix(string(op.Subject), askPrefix), ".")
	if !ok || own != r.node.id {
		return // for a server that was here before
	}
	if number, ok := strings.CutPrefix(name, askReply+"."); ok {
		a.answered(r, number, op.Payload)
		return
	}
	number, ok := strings.CutPrefix(string(op.Reply), askPrefix+r.peer().ID+"."+askReply+".")
	if !ok || strings.ContainsAny(number, ". ") {
		return
	}
	var q question
	reply := func(got answer) {
		text, err := json.Marshal(got)
		if err != nil || len(text) > longestAnswer {
			text = []byte(`{"error":"the answer is too long"}`)
		}
		r.sendLine(askLine(r.peer().ID, askReply+"."+number, "", text))
	}
	v, known := a.verbs[name]
	switch {
	case len(op.Payload) > longestQuestion:
		reply(answer{Error: "the question is too long"})
	case !known:
		reply(answer{Error: fmt.Sprintf("it does not know what %.40q is", name)})
	case json.Unmarshal(op.Payload, &q) != nil || strconv.FormatUint(q.Number, 10) != number:
		reply(answer{Error: "the question makes no sense"})
	case v.changes && !r.proves(name, &q):
		r.node.log.Warn("A server that has not proved to belong to the cluster was refused", "name", r.peer().Name,
			"asks", name, "addr", r.conn.remote)
		reply(answer{Error: "refused, the cluster's password does not prove that the question is genuine"})
	default:
		a.work(v, r.peer().Name, &q, reply)
	}
}

// work finds an answer in a goroutine of its own.
func (a *asks) work(v verb, from string, q *question, reply func(answer)) {
	a.mu.Lock()
	ctx := a.ctx
	a.mu.Unlock()
	select {
	case a.slots <- struct{}{}:
	default:
		reply(answer{Error: "it is busy answering others, ask again"})
		return
	}
	if ctx == nil {
		ctx = context.Background()
	}
	// The caller is the reader of a route, so the group is not empty.
	a.node.wg.Go(func() {
		defer func() { <-a.slots }()
		reply(a.find(ctx, v, from, q.Body))
	})
}

// find finds an answer.
func (a *asks) find(ctx context.Context, v verb, from string, body json.RawMessage) answer {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	got, err := v.answer(ctx, from, body)
	if err != nil {
		return answer{Error: err.Error()}
	}
	text, err := json.Marshal(got)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Body: text}
}

// answered hands an answer to who waits for it. Only the server that was asked can give it.
func (a *asks) answered(r *route, number string, payload []byte) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return
	}
	a.mu.Lock()
	w, ok := a.waiting[n]
	if ok && w.id == r.peer().ID {
		delete(a.waiting, n)
	} else {
		ok = false
	}
	a.mu.Unlock()
	if !ok {
		return
	}
	var got answer
	if len(payload) > longestAnswer || json.Unmarshal(payload, &got) != nil {
		got = answer{Error: "the answer makes no sense"}
	}
	w.answer <- got
}
