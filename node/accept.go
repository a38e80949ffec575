package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"shoal/wire"
)

// accept hands connections to serve until the listener is closed. When the process runs out of
// descriptors it waits a little: those connected need theirs back before another can come.
func (n *Node) accept(ctx context.Context, listener net.Listener, d *door, whom string, serve func(net.Conn)) {
	const maxPause = time.Second
	pause := time.Duration(0)
	for {
		nc, err := listener.Accept()
		if err == nil {
			pause = 0
			d.begin()
			serve(nc)
			d.end()
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		pause = min(max(2*pause, 10*time.Millisecond), maxPause)
		n.log.Error("Cannot accept a "+whom+", will try again", "error", err, "after", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// serve greets a new client and starts the goroutine that reads it. INFO is sent before anything
// can be refused: a client that never saw it would not understand the error.
func (n *Node) serve(nc net.Conn) {
	o := n.options()
	c := n.newClient(nc)
	c.awaitsProxy.Store(o.ProxyProtocol)
	n.greet(c, o.TLS)
}

// greet is serve for a client whose connection may yet have to be encrypted.
func (n *Node) greet(c *client, t *TLSOptions) {
	if t == nil || !t.HandshakeFirst {
		c.sendInfo()
	}
	if refused := n.clients.add(c); refused != nil {
		c.end(refused)
		n.wg.Go(c.conn.serve)
		return
	}
	go func() {
		defer n.wg.Done() // clients.add has counted it
		if c.awaitsProxy.Load() {
			if err := c.throughProxy(); err != nil {
				c.conclude(err)
				return
			}
			c.awaitsProxy.Store(false)
			c.early = t == nil && len(c.in.unread()) > 0
		}
		if t != nil {
			if err := c.agree(t); err != nil {
				c.conclude(err)
				return
			}
		}
		c.begin()
		c.conn.serve()
	}()
}

// sendInfo sends the first INFO.
func (c *client) sendInfo() {
	c.sendLine(c.node.clientInfo(c, c.node.urls.get(c.web != nil), false))
}

func (n *Node) newClient(nc net.Conn) *client { return n.newClientBy(nc, nil) }

// newClientBy is newClient for one that has come by web.
func (n *Node) newClientBy(nc net.Conn, web *webRequest) *client {
	c := &client{options: wire.DefaultConnect, web: web, presumed: true}
	c.conn.id = n.lastID.Add(1)
	c.conn.init(n, nc, c)
	c.begins()
	n.totalConnections.Add(1)
	c.log(slog.LevelDebug, c.kind()+" connection created")
	return c
}

// begin starts the alarms of a registered client, which is as good as connected.
func (c *client) begin() {
	n := c.node
	c.ping.fire, c.login.fire = c.checkPing, c.checkLogin
	changing := &n.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	opts := n.options()
	c.presume(opts)
	n.alarms.set(&c.ping, time.Now().Add(c.pingInterval(opts)))
	c.limitLogin(opts)
	c.begun.Store(true)
}

// InProcessConn returns the client side of a connection to the node that uses no socket. It
// satisfies the InProcessServer option of nats.go. The node must be running.
func (n *Node) InProcessConn() (net.Conn, error) {
	if n.Addr() == nil {
		return nil, errors.New("the node has not been started")
	}
	ours, theirs := net.Pipe()
	c := n.newClient(ours)
	if refused := n.clients.add(c); refused != nil {
		return nil, refused
	}
	c.sendInfo()
	c.begin()
	go func() {
		defer n.wg.Done() // clients.add has counted it
		c.conn.serve()
	}()
	return theirs, nil
}

// acceptRoutes accepts peers until the listener is closed.
func (n *Node) acceptRoutes(ctx context.Context) {
	n.accept(ctx, n.routeListener, &n.routeDoor, "peer", func(nc net.Conn) {
		r := n.newRoute(nc, nil)
		if !n.routes.add(r) {
			nc.Close()
			return
		}
		r.begin()
	})
}
