package node

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"shoal/node/auth"
	"shoal/wire"
)

const (
	// firstRoutePing is when a route is pinged for the first time, up to a fifth more.
	firstRoutePing = time.Second
	// handshakeTime bounds how long the other side may take to introduce itself.
	handshakeTime = 5 * time.Second
	// maxRoutedPayload bounds a message that a peer sends. Its own limit for clients may be larger
	// than this node's, so that one does not count.
	maxRoutedPayload = 64 << 20
)

// route is a connection to another server of the cluster.
//
// Whoever accepts sends INFO at once. Whoever dials waits for it, so as to know the name of the
// cluster, and answers with CONNECT and INFO. Then both have introduced themselves, but when two
// servers dial each other at the same moment, only one of the two connections may become a route.
// One of the servers is the judge of that: nats-server always, and between shoal nodes the one with
// the lower ID. The judge registers the first connection that it knows the other side of, and closes
// any other. The other side sends PING behind its INFO, and learns from the PONG that it was
// accepted. Whoever registers writes all its interest before it sends another PONG, so each side
// knows at its first PONG also that it has seen all the interest of the other.
type route struct {
	conn
	attempt *attempt // by which the node has dialled, nil if it has accepted
	sole    bool     // no other server is behind the address that was dialled

	// The rest, unless it says otherwise, belongs to the reader.
	introducedBy  bool   // CONNECT came, or the node has dialled
	slot          string // of the connection among those to the peer
	account       string // the only one that the connection is for, empty if there may be several
	carriesGlobal bool   // interest in subjects of the global account is announced here
	compression   string // mode that both sides agreed on
	awaitsInfo    bool   // compression has begun here, but not yet at the other side
	isShoal       bool
	owed          int // PONGs that wait for registration

	remote     atomic.Pointer[wire.ServerInfo] // the last INFO of the other side, nil before the first
	registered atomic.Bool
	synced     atomic.Bool // all interest of the other side is known
	leaving    atomic.Bool // the other side has said that it goes

	ping         alarm
	handshake    alarm
	probing      alarm
	pongs        atomic.Uint64
	pongsAtProbe atomic.Uint64 // pongs when the probe began, plus one; 0 without a probe
	liveness     liveness
}

// newRoute makes the connection over nc a route: one that was dialled, or accepted if a is nil.
func (n *Node) newRoute(nc net.Conn, a *attempt) *route {
	r := &route{attempt: a, introducedBy: a != nil}
	r.conn.id = n.lastID.Add(1)
	r.conn.init(n, nc, r)
	r.conn.isRoute = true
	r.log(slog.LevelDebug, "Route connection created")
	return r
}

// begin sends what an accepting side begins with, and starts the goroutine of a route.
func (r *route) begin() {
	n := r.node
	if r.attempt == nil {
		r.sendLine(n.routeInfo(nil).Append(nil))
	}
	r.handshake.fire = r.checkHandshake
	patience := handshakeTime
	if r.attempt == nil && n.opts.Cluster.User != "" {
		patience = n.opts.AuthTimeout
	}
	n.alarms.set(&r.handshake, r.start.Add(patience))
	r.ping.fire = r.checkPing
	r.probing.fire = r.checkProbe
	go func() {
		defer n.wg.Done() // routes.add has counted it
		r.conn.serve()
	}()
}

// peer returns what the other side has said of itself, or nil.
func (r *route) peer() *wire.ServerInfo { return r.remote.Load() }

// kind implements handler.
func (r *route) kind() string { return "Router" }

// configure implements handler.
func (r *route) configure(p *wire.Parser) {
	p.Role = wire.FromRoute
	p.Headers = true
	p.DedicatedAccount = r.dedicated()
	p.MaxControlLine = 0
	p.MaxPayload = maxRoutedPayload
}

// admit implements handler. Nothing that comes before CONNECT is worth parsing.
func (r *route) admit(b []byte) error {
	if !r.introducedBy && r.peer() == nil && b[0]|0x20 != 'c' {
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	}
	return nil
}

// introduced implements handler.
func (r *route) introduced() bool { return false }

// handle implements handler.
func (r *route) handle(w *work, op *wire.Op) error {
	if r.node.trace {
		r.traceIn(op)
	}
	w.active = true
	switch op.Verb {
	case wire.RMsg, wire.RHMsg, wire.LMsg:
		r.deliver(w, op)
		return nil
	case wire.Connect:
		return r.connect(op)
	case wire.Info:
		return r.info(w, op)
	}
	if !r.introducedBy {
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	}
	switch op.Verb {
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

// left implements handler.
func (r *route) left() {
	n := r.node
	n.alarms.cancel(&r.ping)
	n.alarms.cancel(&r.handshake)
	n.alarms.cancel(&r.probing)
	n.routes.remove(r)
}

// connect carries out CONNECT of a peer that has dialled.
func (r *route) connect(op *wire.Op) error {
	if r.attempt != nil || r.introducedBy {
		return &ending{reason: reasonProtocol, err: errors.New("CONNECT was not expected")}
	}
	var o wire.ConnectOptions
	if err := o.Merge(op.Arg); err != nil {
		return err
	}
	cluster := &r.node.opts.Cluster
	switch {
	case o.Lang != "":
		return &ending{reason: reasonWrongPort, text: wire.TextWrongPort}
	case o.Gateway != "":
		return &ending{reason: reasonWrongPort, text: fmt.Sprintf("%s%q on the Route port", wire.TextWrongGateway, o.Gateway)}
	}
	if cluster.User != "" || cluster.Password != "" {
		want := auth.Simple{User: cluster.User, Password: cluster.Password}
		if _, err := want.Authenticate(auth.Credentials{User: o.User, Password: o.Pass}); err != nil {
			return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization, err: err}
		}
	}
	// A shoal node has read the name in our INFO, and says here under which name it joins.
	if err := r.meet(o.Cluster, !o.ClusterDynamic, o.Shoal > 0); err != nil {
		return err
	}
	r.introducedBy = true
	r.conn.headers.Store(o.Headers)
	return nil
}

// meet compares the names of the clusters. If the node takes over the name of its peer, that is
// announced to the others.
func (r *route) meet(name string, fixed, yields bool) error {
	adopted, err := r.node.cluster.meet(name, fixed, yields)
	if adopted {
		r.node.log.Info("The cluster is called " + strconv.Quote(name))
		r.node.routes.renamed(r)
	}
	return err
}

// info carries out INFO: the first one introduces the other side, later ones are news of it or of
// others.
func (r *route) info(w *work, op *wire.Op) error {
	info, err := wire.ParseInfo(op.Arg)
	if err != nil {
		return err
	}
	switch {
	case !r.introducedBy:
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	case info.RouteAccReqID != "":
		if r.node.opts.Cluster.PoolSize > 0 {
			r.acknowledge(info)
		}
		return nil
	case info.Gateway != "":
		return nil
	case r.peer() == nil:
		return r.introduce(w, info)
	case info.ID == r.peer().ID && r.awaitsInfo:
		return r.introduceAgain(w, info)
	case info.ID == r.peer().ID:
		return r.update(info)
	default:
		r.node.hear(info)
		return nil
	}
}

// introduce notes who is at the other side.
func (r *route) introduce(w *work, info *wire.ServerInfo) error {
	n := r.node
	switch {
	case info.ID == "":
		return &ending{reason: reasonProtocol, err: errors.New("INFO has no server_id")}
	case info.ID == n.id:
		return &ending{reason: reasonSelfRoute}
	case info.Name == n.name:
		err := fmt.Errorf("a server at %s has the name of this one, %q", r.conn.remote, n.name)
		r.log(slog.LevelError, "Remote server has a duplicate name: "+strconv.Quote(n.name))
		return &ending{reason: reasonDuplicateName, text: "Duplicate server name " + strconv.Quote(n.name), err: err}
	}
	r.isShoal = isShoal(info)
	r.remote.Store(info)
	r.conn.headers.Store(info.Headers)
	label := info.Name
	r.conn.label.Store(&label)
	if info.Cluster != "" {
		fixed := !info.ClusterDynamic
		if r.isShoal {
			fixed = info.Shoal.FixedName
		}
		// A server that was dialled has yet to see the name of this node.
		err := r.meet(info.Cluster, fixed, r.isShoal || r.attempt != nil)
		if err != nil && r.attempt != nil {
			r.log(slog.LevelError, err.(*ending).text)
			r.sendLine(n.routeConnect(r).Append(nil))
			return nil // it will refuse, so that both sides log why
		}
		if err != nil {
			return err
		}
	}
	mode, err := negotiateCompression(n.opts.Cluster.Compression, info.Compression)
	if err != nil {
		return refusal(err.Error())
	}
	r.compression = mode
	if r.attempt != nil {
		if !r.attempt.pooled && n.targets.identified(r.attempt.of, info.ID) {
			if old := n.routes.inSlot(info.ID, soleSlot); old != nil {
				old.probe(probeTime)
			}
			return &ending{reason: reasonDuplicateRoute}
		}
		r.sendLine(n.routeConnect(r).Append(nil))
		r.sendLine(n.routeInfo(r).Append(nil))
	}
	if wantsCompression(mode) {
		// The rest of what was read is compressed, so the reader has to come back first.
		w.interrupt = r.switchOver
		return nil
	}
	return r.acquainted(w)
}

// switchOver goes on when both sides have agreed to compress. A compressed stream begins with another
// INFO, which replaces the first. Whoever has dialled sends it only after that of the other side:
// nats-server can switch only between two reads, so it must not be sent anything compressed together
// with what is not.
func (r *route) switchOver() error {
	if err := r.compress(encoderOptions(r.compression, time.Since(r.start))); err != nil {
		return err
	}
	r.awaitsInfo = true
	if r.attempt == nil {
		r.sendLine(r.node.routeInfo(r).Append(nil))
	}
	return nil
}

// introduceAgain carries out the INFO at the start of a compressed stream.
func (r *route) introduceAgain(w *work, info *wire.ServerInfo) error {
	r.awaitsInfo = false
	r.remote.Store(info)
	if r.attempt != nil {
		r.sendLine(r.node.routeInfo(r).Append(nil))
	}
	return r.acquainted(w)
}

// acquainted goes on when both sides have introduced themselves and agreed on what is to follow.
func (r *route) acquainted(w *work) error {
	if err := r.place(); err != nil {
		return err
	}
	w.parser.DedicatedAccount = r.dedicated()
	if r.isShoal && r.node.id < r.peer().ID { // this node is the judge
		if err := r.register(); err != nil {
			return err
		}
	}
	r.sendLine(pingLine)
	return nil
}

// register makes the connection a route to its peer.
func (r *route) register() error {
	n := r.node
	first, old := n.routes.register(r)
	if old != nil {
		// It may be the one that died; if it does, the next attempt succeeds.
		old.probe(probeTime)
		return &ending{reason: reasonDuplicateRoute}
	}
	r.registered.Store(true)
	n.alarms.cancel(&r.handshake)
	n.alarms.set(&r.ping, time.Now().Add(firstRoutePing+rand.N(firstRoutePing/5)))
	r.log(slog.LevelInfo, "Route registered")
	if r.attempt != nil && r.attempt.pooled {
		n.routes.poolDialed(r.peer().ID, r.attempt.poolIndex, true)
	}
	if first {
		n.registered(r)
	}
	if r.carriesGlobal {
		n.interest.snapshot(r)
	}
	for ; r.owed > 0; r.owed-- {
		r.sendLine(pongLine)
	}
	return nil
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
	if r.peer() == nil {
		return
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
	if info.LameDuck || info.Shoal != nil && info.Shoal.Leaving {
		r.leaving.Store(true)
		r.avoid.Store(true)
		r.node.urls.changed()
		return nil
	}
	if !r.isShoal || info.Shoal == nil {
		return nil
	}
	// nats-server fixes the rest at the handshake; between shoal nodes it may change.
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
	opts := &r.node.opts
	if r.liveness.tick(now, false, opts.MaxPingsOut) == livenessStale {
		if r.end(&ending{reason: reasonStale, text: wire.TextStale}) {
			r.node.staleConnections.Add(1)
		}
		return time.Time{}
	}
	r.sendLine(pingLine)
	return now.Add(opts.Cluster.PingInterval)
}

// probeTime is how long a route that is under suspicion may take to answer.
const probeTime = 2 * time.Second

// probe closes the route unless it answers a PING within the given time.
func (r *route) probe(within time.Duration) {
	if r.pongsAtProbe.CompareAndSwap(0, r.pongs.Load()+1) {
		r.sendLine(pingLine)
		r.node.alarms.set(&r.probing, time.Now().Add(within))
	}
}

func (r *route) checkProbe(time.Time) time.Time {
	if r.pongs.Load()+1 == r.pongsAtProbe.Swap(0) {
		if r.end(&ending{reason: reasonStale, text: wire.TextStale}) {
			r.node.staleConnections.Add(1)
		}
	}
	return time.Time{}
}
