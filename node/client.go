package node

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"shoal/node/auth"
	"shoal/subjects"
	"shoal/wire"
)

// firstPing is when a client that has connected is pinged for the first time, up to a fifth more.
// It comes early to measure the round trip, and reaches busy clients too.
const firstPing = 2 * time.Second

// restAfter is how long a client must have been silent for its reader's memory to be given back.
const restAfter = time.Second

// staleRTT is the age from which a measured round trip is taken again although the client is busy.
const staleRTT = time.Hour

// client is the connection of a client.
type client struct {
	conn
	web       *webRequest // nil if it is no WebSocket client
	options   wire.ConnectOptions
	connected bool   // CONNECT was accepted
	started   bool   // the first byte was seen
	settled   bool   // introduced has reported it
	ponged    bool   // a PING that followed CONNECT was answered
	nonce     string // that the client may have to sign

	identity atomic.Pointer[auth.Identity] // nil if everybody is let in
	said     atomic.Pointer[introduction]

	// secureFirst says that the handshake of TLS comes, or has come, before INFO.
	secureFirst bool
	// awaitsProxy says that a proxy may yet tell where the client is.
	awaitsProxy atomic.Bool

	// begun says that encryption is agreed on, and the alarms are set.
	begun atomic.Bool
	// informed says that the first PONG was sent, after which the client expects INFO at any time.
	informed atomic.Bool

	ping     alarm
	login    alarm // ends a client that does not authenticate in time
	liveness liveness

	// What follows is guarded by changing of the accounts: the reader holds it for reading, others for writing.

	admitted bool // no credentials are needed, or they were good
	// presumed says that the client has done nothing yet, so who it is may yet become another.
	presumed bool
}

// kind implements handler.
func (c *client) kind() string {
	if c.web != nil {
		return "WebSocket client"
	}
	return "Client"
}

// configure implements handler.
func (c *client) configure(p *wire.Parser) {
	p.Role = wire.FromClient
	p.DedicatedAccount = nil
	p.Headers = c.conn.headers.Load()
	p.MaxControlLine = c.node.options().MaxControlLine
	p.MaxPayload = c.maxPayload()
}

// maxPayload returns the size of the largest message that the client may send.
func (c *client) maxPayload() int {
	size := c.node.options().MaxPayload
	if limit := c.home.Load().terms.Load().limits.MaxPayload; limit > 0 {
		size = min(size, limit)
	}
	return size
}

// admit implements handler. A client that must authenticate has to begin with CONNECT: nothing else
// it sends is worth parsing.
func (c *client) admit(b []byte) error {
	if c.started {
		return nil
	}
	c.started = true
	if b[0]|0x20 == 'c' {
		return nil
	}
	changing := &c.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	if !c.admitted {
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	}
	c.presumed = false
	return nil
}

// handle implements handler.
func (c *client) handle(w *work, op *wire.Op) error {
	if c.node.trace.Load() {
		c.traceIn(op)
	}
	if op.Verb != wire.Pong {
		w.active = true
	}
	switch op.Verb {
	case wire.Pub, wire.HPub:
		if op.HeaderLen > 0 && c.home.Load().wantsTrace(op) {
			c.publishTraced(w, op)
			break
		}
		c.publish(w, op)
	case wire.Sub:
		c.subscribe(w, op)
	case wire.Unsub:
		c.unsubscribe(w, op)
	case wire.Ping:
		c.pinged(w)
	case wire.Pong:
		c.liveness.pong(time.Now())
	case wire.Connect:
		return c.connect(w, op)
	case wire.Info:
		_, err := wire.ParseInfo(op.Arg)
		return err
	case wire.Err:
		return &ending{reason: reasonClientClosed, err: fmt.Errorf("client sent %q", op.Arg)}
	}
	return nil
}

// introduced implements handler.
func (c *client) introduced() bool {
	once := c.connected && !c.settled
	c.settled = c.connected
	return once
}

// left implements handler.
func (c *client) left(e *ending, subscriptions int) {
	v := c.epitaph(e, subscriptions)
	c.node.closed.add(v, c.node.options().MaxClosedClients)
	c.node.alarms.cancel(&c.ping)
	c.node.alarms.cancel(&c.login)
	c.tellEnd(e, &v)
	c.node.clients.remove(c)
	changing := &c.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	c.presumed = false // or it might yet be counted elsewhere
	c.home.Load().clients.Add(-1)
}

// connect carries out CONNECT, which may come more than once.
func (c *client) connect(w *work, op *wire.Op) error {
	if err := c.options.Merge(op.Arg); err != nil {
		return err
	}
	c.introduce()
	o := &c.options
	if o.Account != "" || o.NewAccount {
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	}
	c.count(w) // for the account that it may leave
	if err := c.logIn(w); err != nil {
		return err
	}
	if o.Protocol < 0 || o.Protocol > 1 {
		return &ending{reason: reasonBadClientProto, text: wire.TextInvalidClientProtocol}
	}
	headers := o.Headers && !c.node.options().NoHeaders
	if o.NoResponders && !headers {
		return &ending{reason: reasonMissingHeaders, text: wire.TextNoRespondersHeaders}
	}
	c.noEcho = !o.Echo
	w.parser.Headers = headers
	c.conn.headers.Store(headers)
	c.resetSubscriptions(w)
	c.setLabel()
	if !c.connected {
		c.connected = true
		c.tellStart()
		c.liveness.connected(time.Since(c.start))
		first := min(c.node.firstPing, c.pingInterval(c.node.options()))
		c.node.alarms.set(&c.ping, time.Now().Add(first+rand.N(first/5+1)))
	}
	c.ok(w)
	return nil
}

// resetSubscriptions adapts the subscriptions to a new CONNECT: the first one may have changed how
// they are served, any later one drops them.
func (c *client) resetSubscriptions(w *work) {
	if c.connected {
		c.unsubscribeAll()
		w.batch.gaveUp = true
		return
	}
	for _, s := range c.subs.all() {
		s.invalidate()
	}
}

// setLabel describes the client for the log as version:language:name.
func (c *client) setLabel() {
	var label string
	for _, part := range []string{c.options.Version, c.options.Lang, c.options.Name} {
		if part != "" {
			label += ":" + part
		}
	}
	if label != "" {
		label = "v" + label[1:]
		c.label.Store(&label)
	}
}

// pinged answers PING. The first answer to a client that can take it is followed by a second INFO.
// That PONG must be on its way before others may send INFO too: libraries take nothing else for
// the answer to CONNECT.
func (c *client) pinged(w *work) {
	w.batch.reply(pongLine)
	first := c.connected && !c.ponged
	c.ponged = c.ponged || c.connected
	if first && c.options.Protocol >= 1 {
		c.count(w)
		w.batch.flush()
		c.node.urls.introduce(c)
	}
}

func (c *client) subscribe(w *work, op *wire.Op) {
	w.batch.settle()
	if refused := c.trySubscribe(op); refused != "" {
		c.refuse(w, refused)
		return
	}
	w.batch.changed = true
	c.ok(w)
}

// trySubscribe makes a subscription, or says why there is none. One that is there already keeps its first
// subject.
func (c *client) trySubscribe(op *wire.Op) (refused string) {
	changing := &c.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	opts := c.node.options()
	subject, queue := string(op.Subject), string(op.Queue)
	switch {
	case queue == reservedQueue || !c.maySubscribe(subject, queue):
		return refusedSubscription(subject, queue)
	case opts.MaxSubscriptionTokens > 0 && subjects.NumTokens(subject) > opts.MaxSubscriptionTokens:
		return fmt.Sprintf("%s%q, too many tokens", wire.TextPermissionSubscribe, subject)
	case c.isFull():
		return wire.TextMaxSubscriptions
	case c.subs.has(op.SID):
		return ""
	case !subjects.Valid(subject):
		return wire.TextInvalidSubject
	}
	s := &subscription{
		conn:    &c.conn,
		account: c.home.Load(),
		subject: subject,
		queue:   queue,
		sid:     string(op.SID),
	}
	s.filterBy(c.rules.Load())
	c.subs.add(s)
	s.account.insert(s)
	return ""
}

func (c *client) unsubscribe(w *work, op *wire.Op) {
	w.batch.settle()
	if s := c.subs.get(op.SID); s != nil {
		limit := int64(op.Max)
		s.limit.Store(limit)
		if limit == 0 || limit <= s.delivered.Load() {
			c.endSubscription(s)
			w.batch.changed = true
		} else {
			// Publishers that know the subscription as unlimited must look again.
			s.invalidate()
		}
		w.batch.gaveUp = true
	}
	c.ok(w)
}

// ok acknowledges an operation if the client wants that.
func (c *client) ok(w *work) {
	if c.options.Verbose {
		w.batch.reply(okLine)
	}
}

// refuse reports an error that does not end the connection.
func (c *client) refuse(w *work, text string) {
	c.log(slog.LevelError, text)
	w.batch.reply(wire.AppendErr(nil, text))
}

// checkPing is the client's ping alarm.
func (c *client) checkPing(now time.Time) time.Time {
	opts := c.node.options()
	interval := c.pingInterval(opts)
	silent := time.Duration(now.UnixNano() - c.lastIn.Load())
	if silent > restAfter {
		c.rest()
	}
	busy := silent < interval
	switch c.liveness.tick(now, busy, opts.MaxPingsOut) {
	case livenessStale:
		c.doubt(now, interval)
	case livenessPing:
		c.sendLine(pingLine)
	}
	return now.Add(interval)
}

// pingInterval returns, by those options, the time between two PINGs to the client if it is silent.
func (c *client) pingInterval(o *Options) time.Duration {
	if c.web != nil {
		return o.WebSocket.PingInterval
	}
	return o.PingInterval
}

// checkLogin is the alarm of a client that has not authenticated in time.
func (c *client) checkLogin(time.Time) time.Time {
	c.end(&ending{reason: reasonAuthTimeout, text: wire.TextAuthTimeout})
	return time.Time{}
}

var (
	okLine   = []byte(wire.OKLine)
	pingLine = []byte(wire.PingLine)
	pongLine = []byte(wire.PongLine)
)

// standardConnection is what [auth.User] calls a connection to the client port.
const standardConnection = "STANDARD"

// reservedQueue is a queue group name that the reference server keeps for itself.
const reservedQueue = "_sys_"

// reservedSubject reports whether clients may not publish to a subject: those belong to traffic
// between servers.
func reservedSubject(subject []byte) bool {
	return hasPrefix(subject, askPrefix) || hasPrefix(subject, "_GR_.") || hasPrefix(subject, "$GR.") || hasPrefix(subject, "$NRG.")
}

// reservedReply reports whether clients may not ask for replies to a subject.
func reservedReply(reply []byte) bool {
	return hasPrefix(reply, "_R_.") || hasPrefix(reply, "_GR_.") || hasPrefix(reply, "$GR.") ||
		hasPrefix(reply, "$JS.ACK.")
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
