package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"shoal/wire"
)

// The cluster port serves routes and, if the node is a member of a gossiping cluster, the streams of
// gossip. Whoever accepts sends INFO in any case; the first line of the other side tells them apart:
// CONNECT for a route, and for gossip this one.
const gossipLine = "GOSSIP\r\n"

// errHandedOver is what a reader returns whose connection goes on as something else.
var errHandedOver = errors.New("node: the connection is a stream of gossip")

// beginsGossip reports whether a connection that was accepted begins as a stream of gossip.
func beginsGossip(b []byte) bool { return bytes.HasPrefix(b, []byte(gossipLine)) }

// handOver gives the connection to the gossip of the node.
func (r *route) handOver() {
	rest := bytes.Clone(r.in.unread()[len(gossipLine):])
	r.pause()
	r.in.release()
	nc := r.sock.stream()
	r.node.alarms.cancel(&r.handshake)
	r.node.routes.forget(r)
	r.node.members.stream(&prefixedConn{Conn: nc, r: io.MultiReader(bytes.NewReader(rest), nc)})
}

// prefixedConn is a connection of which some bytes have been read already.
type prefixedConn struct {
	net.Conn
	r io.Reader
}

func (c *prefixedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// dialGossip opens a stream of gossip to the cluster port of another node. The deadline of ctx bounds
// the handshake. A server that is no shoal node is reported as a [NotShoalError], and if somebody has named
// its address, it becomes a configured route.
func (n *Node) dialGossip(ctx context.Context, addr string, named bool) (_ net.Conn, err error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			nc.Close()
		}
	}()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(handshakeTime)
	}
	stream, err := n.encryptGossip(nc, addr, deadline)
	if err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(deadline); err != nil {
		return nil, err
	}
	const maxInfo = 256 << 10
	r := bufio.NewReaderSize(io.LimitReader(stream, maxInfo), 4<<10)
	line, err := r.ReadString('\n')
	if errors.Is(err, io.EOF) && n.options().Cluster.TLS == nil {
		err = errNoInfo
	}
	if err != nil {
		return nil, fmt.Errorf("read INFO from %s: %w", addr, err)
	}
	arg, ok := strings.CutPrefix(line, "INFO ")
	if !ok {
		return nil, fmt.Errorf("%s is not the cluster port of a server: it says %.40q", addr, line)
	}
	info, err := wire.ParseInfo([]byte(arg))
	if err != nil {
		return nil, fmt.Errorf("INFO from %s: %w", addr, err)
	}
	if !isShoal(info) {
		if named {
			n.joinRoute(addr)
		}
		return nil, &NotShoalError{Addr: addr, Name: info.Name}
	}
	if _, err := io.WriteString(stream, gossipLine); err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	rest, err := r.Peek(r.Buffered())
	if err != nil {
		return nil, err
	}
	return &prefixedConn{Conn: stream, r: io.MultiReader(bytes.NewReader(bytes.Clone(rest)), stream)}, nil
}

// joinRoute takes the address of a server that does not gossip as that of a route.
func (n *Node) joinRoute(addr string) {
	u := &url.URL{Scheme: "nats", Host: addr}
	if c := &n.options().Cluster; c.User != "" {
		u.User = url.UserPassword(c.User, c.Password)
	}
	n.targets.find(u, time.Now())
	n.wakeDialer()
}

// NotShoalError says that a cluster port belongs to a server that does not gossip.
type NotShoalError struct{ Addr, Name string }

// Error implements error.
func (e *NotShoalError) Error() string {
	return fmt.Sprintf("%s (%s) is no shoal node, and does not gossip", e.Addr, e.Name)
}
