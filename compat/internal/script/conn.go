package script

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// conn is a connection that records what it receives.
type conn struct {
	name   string
	target Target
	// route tells that it goes to the cluster port.
	route  bool
	socket net.Conn
	// writing keeps answers to PINGs out of what a step sends.
	writing sync.Mutex
	// changed is signalled, if need be, after ops has grown.
	changed chan<- struct{}
	// keepPings makes ops hold the PINGs that a server sends by its own clock.
	keepPings bool
	replies   *replies
	// divert may take ops that are to be kept elsewhere.
	divert func(op string) bool

	mutex sync.Mutex
	ops   []string
	// serverID is the ID in the first INFO of a route, nonce what a client may have to sign.
	serverID, nonce string
	// toHide is the number of PONGs to come that are not recorded, and hidden of those that were.
	toHide, hidden int

	// seen is the number of ops that steps have dealt with.
	seen int
	// lastSent is the number of the last step that sent something.
	lastSent int
	// closed tells that the client closed the connection.
	closed bool
}

func dial(name string, target Target, route, keepPings bool, r *replies, changed chan<- struct{}) (*conn, error) {
	addr := target.Client
	if route {
		addr = target.Cluster
	}
	connect := overTCP
	if target.WebSocket && !route {
		connect = overWebSocket
	}
	socket, err := connect(addr)
	if err != nil {
		return nil, err
	}
	c := &conn{name: name, target: target, route: route, socket: socket, keepPings: keepPings, replies: r, changed: changed}
	return c, nil
}

// dialTime bounds how long a connection may take to come about.
const dialTime = 10 * time.Second

func overTCP(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, dialTime) }

// overWebSocket returns a WebSocket connection as a stream.
func overWebSocket(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+addr, nil)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1)
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
}

// record reads until the end of the connection.
func (c *conn) record() {
	var pending []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.socket.Read(buffer)
		pending = append(pending, buffer[:n]...)
		for {
			op, rest, ok := nextOp(pending)
			if !ok {
				break
			}
			pending = rest
			c.add(op)
		}
		if err != nil {
			if len(pending) > 0 {
				c.add("incomplete " + string(pending))
			}
			c.add(ended)
			return
		}
	}
}

func (c *conn) add(op string) {
	if op == "PING" && !c.keepPings {
		if c.route {
			c.send([]byte("PONG\r\n"), Whole)
		}
		return
	}
	if op == "PONG" && c.takeHidden() {
		c.signal()
		return
	}
	switch {
	case c.route:
		if op = c.normaliseRoute(op); op == "" {
			return
		}
	case strings.HasPrefix(op, "INFO "):
		c.noteNonce(op)
		op = normaliseInfo(op, c.target)
	}
	op = hideRTT(c.replies.hide(op))
	if c.divert == nil || !c.divert(op) {
		c.mutex.Lock()
		c.ops = append(c.ops, op)
		c.mutex.Unlock()
	}
	c.signal()
}

// signal wakes the player.
func (c *conn) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// all returns everything received so far.
func (c *conn) all() []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.ops[:len(c.ops):len(c.ops)]
}

// fresh returns what was received since the last step that dealt with it.
func (c *conn) fresh() []string { return c.all()[c.seen:] }

// alive tells whether both sides hold the connection open, as far as is known.
func (c *conn) alive() bool {
	all := c.all()
	return !c.closed && (len(all) == 0 || all[len(all)-1] != ended)
}

// send writes data cut as told. Errors are ignored: a server that has had enough closes the
// connection, and that is recorded.
func (c *conn) send(data []byte, cut Cut) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for i, part := range cut.cut(data) {
		if i > 0 && cut.pause > 0 {
			time.Sleep(cut.pause)
		}
		if _, err := c.socket.Write(part); err != nil {
			return
		}
	}
}

// sendEOF closes the sending half.
func (c *conn) sendEOF() {
	if tcp, ok := c.socket.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

func (c *conn) close() {
	c.closed = true
	_ = c.socket.Close()
}
