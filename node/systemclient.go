package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"shoal/subjects"
	"shoal/wire"
)

// SystemService answers requests in the account of the system, and tells there what happens on a node. All
// methods but Serve are called by goroutines that serve clients, so they must not wait for anything.
type SystemService interface {
	// Serve does so until ctx ends. By then the last client has gone, but peers can still be told
	// something.
	Serve(ctx context.Context)
	// UserInfo returns what a client learns that asks who it is.
	UserInfo(Asker) []byte
	// Connected and Disconnected tell of a client of an account that has logged in, and that has gone
	// after it had. Refused tells of one that was not let in.
	Connected(account string, describe func() Connection)
	Disconnected(account string, describe func() Connection)
	Refused(describe func() Connection)
	// Traced tells in an account what has become of a message, by a subject.
	Traced(account, subject string, t *MessageTrace)
	// LeavesSoon tells that the node is a lame duck, and Leaves that it ends the connections of clients
	// and then itself.
	LeavesSoon()
	Leaves()
}

// Attach has s work on the node, which must not have been started, by the client that it returns. There can
// be one service.
func (n *Node) Attach(s SystemService) *SystemClient {
	n.system = newSystemClient(n, s)
	return n.system
}

// SystemClient publishes and subscribes in the account of the system from within the process. It uses no
// socket, logs in nowhere, and is not counted among the clients. Its methods are safe for concurrent use.
//
// Whoever sends it a message is never held up: what it cannot take in time is dropped.
type SystemClient struct {
	conn
	service SystemService
	inbox   systemInbox
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the service has ended

	mu     sync.Mutex // guards the rest; held while something is published
	closed bool
	lastID int
}

// systemPending is the number of bytes that may wait for the client before messages to it are dropped.
const systemPending = 4 << 20

// SystemMessage is a message to the client, or from it. Its bytes are the receiver's to keep.
type SystemMessage struct {
	Subject, Reply string
	// Header is a header block from its version line to the empty line, nil if there is none.
	Header  []byte
	Payload []byte
}

func newSystemClient(n *Node, s SystemService) *SystemClient {
	c := &SystemClient{service: s, ended: make(chan struct{})}
	c.inbox.handlers = make(map[string]func(*SystemMessage))
	c.inbox.parser = wire.Parser{Role: wire.FromServer, Headers: true}
	c.conn.init(n, &c.inbox, c)
	c.conn.isSystem = true
	c.conn.noEcho = true
	c.conn.headers.Store(true)
	c.home.Store(n.accounts.system)
	return c
}

// start runs the service, if there is one.
func (c *SystemClient) start(ctx context.Context) {
	if c == nil {
		return
	}
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.node.wg.Go(func() {
		defer close(c.ended)
		c.service.Serve(ctx)
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.out.discard(&c.node.budget)
	})
}

// stop ends the service. Afterwards nothing is published any more.
func (c *SystemClient) stop() {
	if c != nil {
		c.cancel()
		<-c.ended
	}
}

// Subscribe has handle called with the messages to a subject, which may have wildcards, one after the
// other. handle must not take long, or others wait. If local, no other server is told of the interest.
func (c *SystemClient) Subscribe(subject string, local bool, handle func(*SystemMessage)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	s := &subscription{conn: &c.conn, account: c.node.accounts.system, subject: subject, sid: strconv.Itoa(c.lastID)}
	c.inbox.handle(s.sid, handle)
	c.subs.add(s)
	if local {
		s.account.index.Insert(s.subject, "", s)
		return
	}
	s.account.put(s)
	c.node.interest.announce(&c.node.buffers)
}

// Publish sends a message to everybody who is interested, but for the client itself. make is called for the
// payload if there is anybody, and no other message overtakes this one from there on. It reports whether
// the message was sent.
func (c *SystemClient) Publish(subject string, header []byte, make func() []byte) bool {
	return c.publish(c.node.accounts.system, subject, "", header, make)
}

// PublishIn is Publish in an account, which there must be. The message is made also if nobody gets it.
func (c *SystemClient) PublishIn(account, subject string, header []byte, make func() []byte) bool {
	return c.publish(c.node.accounts.get(account), subject, "", header, make)
}

// Request is Publish for a message that is replied to.
func (c *SystemClient) Request(subject, reply string, make func() []byte) bool {
	return c.publish(c.node.accounts.system, subject, reply, nil, make)
}

func (c *SystemClient) publish(in *account, subject, reply string, header []byte, make func() []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || in == c.node.accounts.system && !c.Wanted(subject) {
		return false
	}
	op := wire.Op{Verb: wire.Pub, Subject: []byte(subject), Reply: []byte(reply)}
	if op.Payload = make(); len(header) > 0 {
		op.Verb, op.HeaderLen = wire.HPub, len(header)
		op.HeaderText = sizeText(len(header))
		op.Payload = append(header[:len(header):len(header)], op.Payload...)
	}
	if len(op.Payload) > maxRoutedPayload {
		// Peers would end the route. A client can have it grow, by subscriptions that it tells of.
		c.log(slog.LevelWarn, fmt.Sprintf("A message of %d bytes to %.128q is too long to be sent", len(op.Payload), subject))
		return false
	}
	op.SizeText = sizeText(len(op.Payload))
	w := c.node.newWork(&c.conn)
	w.msgs, w.bytes = 1, uint64(len(op.Payload))
	w.cache.enter(in)
	delivered := w.deliverAll(w.lookup(&op), &op, longestChain)
	c.finish(w)
	w.cache.forget()
	c.node.works.Put(w)
	return delivered
}

// sizeText writes a size as messages have it.
func sizeText(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

// Wanted reports whether anybody would get a message to subject. A reply to a request that came from
// another account counts as wanted.
func (c *SystemClient) Wanted(subject string) bool {
	a := c.node.accounts.system
	if hasPrefix([]byte(subject), a.replies.prefix) {
		return true
	}
	var r subjects.Result[*subscription]
	a.index.Match([]byte(subject), &r)
	for _, s := range r.Plain {
		if s.conn != &c.conn {
			return true
		}
	}
	return len(r.Queues) > 0
}

// systemInbox is the far end of the connection of a SystemClient. It is written to by one goroutine at a
// time.
type systemInbox struct {
	parser wire.Parser
	rest   []byte // of an operation that has not arrived as a whole

	mu       sync.Mutex // guards handlers
	handlers map[string]func(*SystemMessage)
}

func (i *systemInbox) handle(sid string, f func(*SystemMessage)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers[sid] = f
}

// Write implements [net.Conn].
func (i *systemInbox) Write(b []byte) (int, error) {
	i.rest = append(i.rest, b...)
	left := i.rest
	for {
		n, err := i.parser.Next(left)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		i.receive(&i.parser.Op)
		left = left[n:]
	}
	i.rest = append(i.rest[:0], left...)
	return len(b), nil
}

func (i *systemInbox) receive(op *wire.Op) {
	if op.Verb != wire.Msg && op.Verb != wire.HMsg {
		return
	}
	i.mu.Lock()
	handle := i.handlers[string(op.SID)]
	i.mu.Unlock()
	m := &SystemMessage{Subject: string(op.Subject), Reply: string(op.Reply)}
	if op.HeaderLen > 0 {
		m.Header = append(m.Header, op.Payload[:op.HeaderLen]...)
	}
	m.Payload = append(m.Payload, op.Payload[op.HeaderLen:]...)
	handle(m)
}

// The rest of [net.Conn] does nothing: nobody reads, and writing does not wait.

func (i *systemInbox) Read([]byte) (int, error)         { return 0, errors.ErrUnsupported }
func (i *systemInbox) Close() error                     { return nil }
func (i *systemInbox) LocalAddr() net.Addr              { return systemAddr{} }
func (i *systemInbox) RemoteAddr() net.Addr             { return systemAddr{} }
func (i *systemInbox) SetDeadline(time.Time) error      { return nil }
func (i *systemInbox) SetReadDeadline(time.Time) error  { return nil }
func (i *systemInbox) SetWriteDeadline(time.Time) error { return nil }

// systemAddr is the address of a connection that goes nowhere.
type systemAddr struct{}

func (systemAddr) Network() string { return "system" }
func (systemAddr) String() string  { return "system" }

// The methods of handler are about what is read, which nothing is here.

func (c *SystemClient) configure(*wire.Parser)       {}
func (c *SystemClient) admit([]byte) error           { return nil }
func (c *SystemClient) handle(*work, *wire.Op) error { return nil }
func (c *SystemClient) introduced() bool             { return false }
func (c *SystemClient) left(*ending, int)            {}
func (c *SystemClient) kind() string                 { return "System" }
