package node

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"shoal/node/auth"
	"shoal/wire"
)

// handler is what a connection is for.
type handler interface {
	// configure prepares the parser for what the other side may send.
	configure(p *wire.Parser)
	// admit is called with the first bytes of every read, before they are parsed.
	admit(b []byte) error
	// handle carries out an operation. An error ends the connection, see endingOf.
	handle(w *work, op *wire.Op) error
	// introduced reports, once, that the handshake is over.
	introduced() bool
	// left is called when the connection has ended, with how and with the number of its subscriptions.
	left(e *ending, subscriptions int)
	// kind names what the connection is, for the log.
	kind() string
}

// conn is one connection: reading, queueing, flushing and closing are the same for all of them.
type conn struct {
	node     *Node
	id       uint64
	handler  handler
	sock     socket
	in       inbound
	out      outbound
	subs     subscriptions
	visitors visitors
	start    time.Time
	remote   string                 // address of the other side, see farEnd
	proxied  atomic.Pointer[string] // what a proxy says instead of that, nil if there is none
	isRoute  bool                   // the other side is a server of the cluster
	isSystem bool                   // the other side is in this process, see [SystemClient]
	// carriage is what a route is for. It is set before there is any interest.
	carriage

	// home is the account of the client, that of a route is the global one. It is set before there are
	// subscriptions.
	home atomic.Pointer[account]
	// rules are what the client may do, nil if that is everything.
	rules atomic.Pointer[auth.Rules]
	// owes are the replies that the client may send because it was asked, nil if that makes no difference.
	owes atomic.Pointer[auth.Responses]

	// headers says that the other side understands messages with headers.
	headers atomic.Bool
	// noEcho keeps the connection's own messages from it. It belongs to the reader.
	noEcho bool
	// hearing says that what comes is still carried out although the connection ends. It belongs to
	// the reader.
	hearing bool
	// early says that something was read before the reader began. It belongs to the reader.
	early bool
	// encryption says how the connection is encrypted, nil if it is not.
	encryption atomic.Pointer[tls.ConnectionState]
	// avoid says why queue groups should prefer other members, if they should.
	avoid reluctance
	// queued says that a message was sent to a member of a queue group there, see vigil.
	queued atomic.Bool

	// idle is what the reader leaves behind while it waits: its cache, if there is something in it.
	// Whoever takes it owns it.
	idle    atomic.Pointer[work]
	current *work // the reader's, while it is not waiting

	restedAt int64 // value of lastIn at the last rest; belongs to the ping alarm

	ending atomic.Pointer[ending]
	label  atomic.Pointer[string] // what the client calls itself, for the log

	inMsgs, inBytes atomic.Uint64
	lastIn          atomic.Int64 // when the last operation came, in Unix nanoseconds
	heard           atomic.Int64 // when something that had come was carried out last, likewise
	doubted         atomic.Int64 // when the other side was first taken for gone, likewise; 0 if it is not
	stalls          atomic.Uint64
	tally           atomic.Pointer[tally] // nil before the first message
}

func (c *conn) init(n *Node, nc net.Conn, h handler) {
	c.node, c.handler = n, h
	c.home.Store(n.accounts.global)
	c.start = time.Now()
	c.sock.init(nc)
	c.in.init(&c.sock, &n.buffers, c.pause)
	c.remote = nc.RemoteAddr().String()
	if f := c.sock.frames; f != nil {
		f.init(c)
	}
}

// writeDeadline is how long a blocked write may take.
func (c *conn) writeDeadline() time.Duration {
	o := c.node.options()
	if d := o.Cluster.WriteDeadline; d > 0 && c.isRoute {
		return d
	}
	return o.WriteDeadline
}

// endSubscription takes a subscription out of everything. It may be called more than once.
func (c *conn) endSubscription(s *subscription) {
	changing := &c.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	if c.subs.remove(s) {
		s.takeOut()
	}
}

func (c *conn) unsubscribeAll() {
	changing := &c.node.accounts.changing
	changing.RLock()
	c.takeOutAll()
	changing.RUnlock()
	if !c.isRoute {
		c.node.interest.announce(&c.node.buffers)
	}
}

// takeOutAll is unsubscribeAll for a caller that holds changing of the accounts, and tells the peers.
func (c *conn) takeOutAll() {
	for _, s := range c.subs.removeAll() {
		s.takeOut()
	}
}

// farEnd returns the address of the other side.
func (c *conn) farEnd() string {
	if addr := c.proxied.Load(); addr != nil {
		return *addr
	}
	return c.remote
}

// LogValue implements [slog.LogValuer]: the attributes by which the log tells connections apart.
func (c *conn) LogValue() slog.Value {
	number := "cid"
	if c.isRoute {
		number = "rid"
	}
	addr := c.farEnd()
	if client, ok := c.handler.(*client); ok && client.web != nil {
		addr = client.web.forwarded + addr
	}
	attrs := []slog.Attr{slog.String("addr", addr), slog.Uint64(number, c.id)}
	if label := c.label.Load(); label != nil {
		attrs = append(attrs, slog.String("client", *label))
	}
	return slog.GroupValue(attrs...)
}

// log logs something about the connection. What a client can cause as often as it likes is limited.
func (c *conn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	l := c.node.log
	ctx := context.Background()
	if !l.Enabled(ctx, level) {
		return
	}
	if level >= slog.LevelWarn {
		ok, suppressed := c.node.warnings.allow(time.Now(), maxWarnings)
		if suppressed > 0 {
			l.LogAttrs(ctx, slog.LevelWarn, "Warnings and errors of clients were not logged, there were too many",
				slog.Int("number", suppressed))
		}
		if !ok {
			return
		}
	}
	l.LogAttrs(ctx, level, msg, append(attrs, slog.Any("conn", c))...)
}
