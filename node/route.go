package node

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"shoal/wire"
)

const (
	// firstRoutePing is when a route is pinged for the first time, up to a fifth more.
	firstRoutePing = time.Second
	// handshakeTime bounds how long the other side may take to introduce itself.
	handshakeTime = 5 * time.Second
	// maxRoutedPayload bounds a message that a peer sends, unless this node's own clients may send larger
	// ones. The peer's limit for clients may be larger than this node's.
	maxRoutedPayload = 64 << 20
	// spareHeaders is how many bytes servers may add to a message of a client.
	spareHeaders = 1 << 20

	// spareControlLine is how much longer a line of a peer may be, in bytes, than one that a client sends:
	// the account and all the queue groups in which somebody is to get the message are added to that.
	spareControlLine = 16 << 20
)

// route is a connection to another server of the cluster. How it becomes one is told in handshake.go.
type route struct {
	conn
	attempt *attempt // by which the node has dialled, nil if it has accepted
	sole    bool     // no other server is behind the address that was dialled

	// The rest, unless it says otherwise, belongs to the reader.
	admitted    bool // the other side may be a peer: what it has shown of itself is enough
	proof       challenge
	slot        string   // of the connection among those to the peer
	lastAccount *account // that an operation was about
	compression string   // mode that both sides agreed on
	awaitsInfo  bool     // compression has begun here, but not yet at the other side
	isShoal     bool
	owed        int // PONGs that wait for registration

	remote     atomic.Pointer[wire.ServerInfo] // the last INFO of the other side, nil before the first
	registered atomic.Bool
	synced     atomic.Bool // all interest of the other side is known
	leaving    atomic.Bool // the other side has said that it goes
	sendsAway  atomic.Bool // gossip says that the other side sends its clients elsewhere

	tried time.Time // when quietRoutes has tried it, which this belongs to

	ping      alarm
	handshake alarm
	pongs     atomic.Uint64
	probing   probe
	liveness  liveness
	vigil     vigil
}

// newRoute makes the connection over nc a route: one that was dialled, or accepted if a is nil.
func (n *Node) newRoute(nc net.Conn, a *attempt) *route {
	r := &route{attempt: a}
	r.conn.id = n.lastID.Add(1)
	r.conn.init(n, nc, r)
	r.conn.isRoute = true
	r.log(slog.LevelDebug, "Route connection created")
	return r
}

// begin starts the goroutine of a route.
func (r *route) begin() {
	go func() {
		defer r.node.wg.Done() // routes.add has counted it
		if err := r.encrypt(); err != nil {
			r.conclude(err)
			return
		}
		r.greet()
		r.conn.serve()
	}()
}

// greet sends what an accepting side begins with, and starts the alarms.
func (r *route) greet() {
	n := r.node
	if r.attempt == nil {
		info := n.routeInfo(nil)
		info.Shoal.Nonce = r.challenge()
		r.sendLine(info.Append(nil))
	}
	r.handshake.fire = r.checkHandshake
	patience := handshakeTime
	if r.attempt == nil && n.options().Cluster.User != "" {
		patience = n.options().AuthTimeout
	}
	n.alarms.set(&r.handshake, time.Now().Add(patience))
	r.ping.fire = r.checkPing
	r.probing.alarm.fire = r.checkProbe
	r.vigil.init(r)
}

// peer returns what the other side has said of itself, or nil.
func (r *route) peer() *wire.ServerInfo { return r.remote.Load() }

// kind implements handler.
func (r *route) kind() string { return "Router" }

// configure implements handler.
func (r *route) configure(p *wire.Parser) {
	p.Role = wire.FromRoute
	p.Headers = true
	p.DedicatedAccount = r.dedicatedAccount()
	p.MaxControlLine = 0
	if r.attempt != nil || r.admitted {
		p.MaxControlLine = spareControlLine + r.node.options().MaxControlLine
	}
	// Headers that servers add come on top of what a client may send.
	p.MaxPayload = max(maxRoutedPayload, r.node.options().MaxPayload+spareHeaders)
}

// admit implements handler. Nothing that comes before CONNECT is worth parsing.
func (r *route) admit(b []byte) error {
	if r.attempt != nil || r.admitted {
		return nil
	}
	if beginsGossip(b) {
		return errHandedOver
	}
	if beginsTLS(b) {
		return &ending{reason: reasonProtocol, err: errors.New("it wants TLS, which --cluster does not have here")}
	}
	if b[0]|0x20 != 'c' {
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	}
	return nil
}

// introduced implements handler.
func (r *route) introduced() bool { return false }

// handle implements handler.
func (r *route) handle(w *work, op *wire.Op) error {
	if r.node.trace.Load() {
		r.traceIn(op)
	}
	w.active = true
	if !r.admitted && !r.mayPrecede(op.Verb) {
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	}
	switch op.Verb {
	case wire.RMsg, wire.RHMsg, wire.LMsg:
		if isAsk(op) {
			r.asked(op)
			return nil
		}
		if op.HeaderLen > 0 {
			if a := r.accountOf(op); a != nil && a.wantsTrace(op) {
				r.deliverTraced(w, a, op)
				return nil
			}
		}
		r.deliver(w, op)
		return nil
	case wire.Connect:
		return r.connect(op)
	case wire.Info:
		return r.info(w, op)
	case wire.RSub, wire.LSub:
		r.addInterest(op)
	case wire.RUnsub, wire.LUnsub:
		r.removeInterest(op)
	case wire.Ping:
		r.pinged(w)
	case wire.Pong:
		r.ponged(w)
	case wire.Err:
		return r.refused(op)
	}
	return nil
}

// mayPrecede reports whether an operation may come before it is known that the other side belongs to the
// cluster.
func (r *route) mayPrecede(v wire.Verb) bool {
	switch v {
	case wire.Connect, wire.Info:
		return true
	case wire.Ping, wire.Pong, wire.Err:
		return r.attempt != nil
	}
	return false
}

// left implements handler.
func (r *route) left(*ending, int) {
	n := r.node
	n.alarms.cancel(&r.ping)
	n.alarms.cancel(&r.handshake)
	n.alarms.cancel(&r.probing.alarm)
	n.alarms.cancel(&r.vigil.alarm)
	n.routes.remove(r)
}

// pinged answers PING. The first answer tells the other side that it has seen all our interest.
func (r *route) pinged(w *work) {
	if r.peer() != nil && !r.registered.Load() {
		r.owed++
		return
	}
	w.batch.reply(pongLine)
}

func (r *route) ponged(w *work) {
	r.pongs.Add(1)
	r.liveness.pong(time.Now())
	if r.slot == "" {
		return // they are not acquainted yet
	}
	if !r.registered.Load() {
		// The judge has accepted this one, so an older one is dead.
		if old := r.node.routes.inSlot(r.peer().ID, r.slot); old != nil {
			old.end(&ending{reason: reasonDuplicateRoute})
			r.node.routes.unregister(old)
		}
		if err := r.register(); err != nil {
			r.end(endingOf(err))
			return
		}
	}
	if !r.synced.Swap(true) {
		r.node.readiness.check()
		r.node.routes.fillPool(r)
		r.node.wakeDialer()
	}
}

// update carries out a later INFO about the other side itself.
func (r *route) update(info *wire.ServerInfo) error {
	stops := info.Shoal != nil && info.Shoal.Leaving
	if stops {
		r.node.targets.stops(time.Now(), info.ID)
	}
	if info.LameDuck || stops {
		r.leaving.Store(true)
		r.avoid.set(endsSoon, true)
		r.node.urls.changed()
		return nil
	}
	r.permitted(info)
	if !r.isShoal || info.Shoal == nil {
		return nil
	}
	// nats-server fixes the rest at the handshake; between shoal nodes it may change.
	for _, c := range r.node.routes.to(info.ID) {
		c.avoid.set(drains, info.Shoal.Draining)
	}
	r.remote.Store(info)
	r.node.urls.changed()
	return r.meet(info.Cluster, info.Shoal.FixedName, true)
}

// refused carries out -ERR. Some are no fault: nats-server dials once more for its system account.
func (r *route) refused(op *wire.Op) error {
	level := slog.LevelError
	if r.attempt == nil && !r.registered.Load() {
		level = slog.LevelDebug
	}
	r.log(level, "Route Error "+string(op.Arg))
	return &ending{reason: reasonClientClosed, err: fmt.Errorf("peer sent %s", op.Arg)}
}

// checkHandshake is the alarm of a connection that is not a route in time.
func (r *route) checkHandshake(time.Time) time.Time {
	e := &ending{reason: reasonAuthTimeout}
	if r.attempt == nil && r.peer() == nil {
		e.text = wire.TextAuthTimeout
	}
	r.end(e)
	return time.Time{}
}

// checkPing is the alarm for the next PING, which traffic does not put off.
func (r *route) checkPing(now time.Time) time.Time {
	opts := r.node.options()
	if r.liveness.tick(now, false, cmp.Or(opts.Cluster.MaxPingsOut, opts.MaxPingsOut)) == livenessStale {
		r.doubt(now, opts.Cluster.PingInterval)
	} else {
		r.sendLine(pingLine)
	}
	return now.Add(opts.Cluster.PingInterval)
}
