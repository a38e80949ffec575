package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// dialTime bounds one attempt to connect to a peer.
const dialTime = 5 * time.Second

// dialAll keeps dialling the peers that have no route until ctx ends. It looks at the whole state
// again whenever something happens, so that no event can be missed.
func (n *Node) dialAll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.dialWake:
		case <-timer.C:
		}
		now := time.Now()
		list, next := n.targets.due(now)
		more, nextPooled := n.routes.due(now)
		for _, a := range append(list, more...) {
			n.wg.Go(func() { n.dial(ctx, a) })
		}
		if next = earlier(next, nextPooled); !next.IsZero() {
			timer.Reset(next.Sub(now))
		}
	}
}

// wakeDialer has dialAll look again. It never blocks.
func (n *Node) wakeDialer() {
	select {
	case n.dialWake <- struct{}{}:
	default:
	}
}

// dial makes one attempt to connect to a peer.
func (n *Node) dial(ctx context.Context, a attempt) {
	nc, sole, err := n.connect(ctx, &a)
	if err != nil {
		switch {
		case ctx.Err() != nil:
		case a.pooled:
			n.routes.poolDialed(a.id, a.poolIndex, false)
			n.wakeDialer()
		default:
			n.attemptFailed(a.of, err)
		}
		return
	}
	r := n.newRoute(nc, &a)
	r.sole = sole
	if !n.routes.add(r) {
		nc.Close()
		return
	}
	r.begin()
}

// connect opens the connection for an attempt, and reports whether the address has only one server.
func (n *Node) connect(ctx context.Context, a *attempt) (nc net.Conn, sole bool, err error) {
	if !a.pooled {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		n.targets.dials(a.of, stop)
		defer n.targets.dials(a.of, nil)
	}
	addr, sole, err := resolve(ctx, a.addr, a.tries)
	if err != nil {
		return nil, sole, err
	}
	d := net.Dialer{Timeout: dialTime}
	nc, err = d.DialContext(ctx, "tcp", addr)
	return nc, sole, err
}

// PeerInfo describes a server that the node wants a route to.
type PeerInfo struct {
	// Addr is its host:port for routes.
	Addr string
	// ID is that of the server that answered there last, or is said to be there; empty if unknown.
	ID string
	// Configured says that the node was told of it, rather than having heard of it.
	Configured bool
	// State is waiting (for the next attempt), dialing, connected, or self.
	State string
	// Attempts is the number of attempts that have failed since the last success.
	Attempts int
}

// Peers describes the servers that the node wants a route to, by address.
func (n *Node) Peers() []PeerInfo {
	var infos []PeerInfo
	for _, t := range n.targets.all() {
		infos = append(infos, PeerInfo{t.addr, t.id, t.configured, string(t.state), t.attempts})
	}
	return infos
}

// resolve returns the address to dial in place of addr, whose name may stand for several servers:
// each attempt takes another one of them. It reports whether there is only one.
func resolve(ctx context.Context, addr string, try int) (one string, sole bool, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || net.ParseIP(host) != nil {
		return addr, true, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return "", true, err
	}
	local := true // the loopback addresses of both families are one server
	for _, ip := range ips {
		local = local && ip.IP.IsLoopback()
	}
	if local || len(ips) == 1 {
		return addr, true, nil
	}
	return net.JoinHostPort(ips[try%len(ips)].String(), port), false, nil
}

// errNotChosen is the usual end of a connection when two servers dial each other at the same moment.
var errNotChosen = errors.New("the peer has closed the connection, perhaps in favour of another")

// errNoInfo is how a server that wants TLS ends a connection without.
var errNoInfo = errors.New("it has closed the connection without INFO; if its cluster has TLS, this one needs it as well")

// attemptEnded notes the end of a connection that was dialled and has not become a route.
func (n *Node) attemptEnded(r *route) {
	e := r.ending.Load()
	switch {
	case e.reason == reasonSelfRoute:
		n.targets.isSelf(r.attempt.of, r.sole, time.Now())
		n.readiness.check()
	case e.reason == reasonDuplicateRoute:
	case e.reason == reasonServerShutdown:
	case e.reason == reasonClientClosed && e.err == nil && r.remote.Load() != nil:
		n.attemptFailed(r.attempt.of, errNotChosen)
	case e.reason == reasonClientClosed && e.err == nil && n.options().Cluster.TLS == nil:
		n.attemptFailed(r.attempt.of, errNoInfo)
	default:
		err := errors.New(string(e.reason))
		if e.err != nil {
			err = fmt.Errorf("%s: %w", e.reason, e.err)
		}
		n.attemptFailed(r.attempt.of, err)
	}
}

// attemptFailed notes that a peer could not be reached, and logs it less and less often.
func (n *Node) attemptFailed(t *target, err error) {
	passedOver := errors.Is(err, errNotChosen)
	attempts := n.targets.failed(t, passedOver, time.Now())
	level := slog.LevelError
	if passedOver {
		level = slog.LevelDebug
	}
	if attempts > 0 && attempts&(attempts-1) == 0 || attempts%1000 == 999 {
		n.log.Log(context.Background(), level, "Error trying to connect to route: "+err.Error(),
			slog.String("route", t.addr), slog.Int("attempts", attempts))
	}
	n.readiness.check()
}
