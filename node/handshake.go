package node

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"shoal/wire"
)

// The handshake of a route.
//
// Whoever accepts sends INFO at once. Whoever dials waits for it, so as to know the name of the
// cluster, and answers with CONNECT and INFO. Then both have introduced themselves, but when two
// servers dial each other at the same moment, only one of the two connections may become a route.
// One of the servers is the judge of that: nats-server always, and between shoal nodes the one with
// the lower ID. The judge registers the first connection that it knows the other side of, and closes
// any other. The other side sends PING behind its INFO, and learns from the PONG that it was
// accepted. Whoever registers writes all its interest before it sends another PONG, so each side
// knows at its first PONG also that it has seen all the interest of the other.
//
// How they prove to each other that they belong to the cluster is told in challenge.go.

// connect carries out CONNECT of a peer that has dialled.
func (r *route) connect(op *wire.Op) error {
	if r.attempt != nil || r.admitted {
		return &ending{reason: reasonProtocol, err: errors.New("CONNECT was not expected")}
	}
	var o wire.ConnectOptions
	if err := o.Merge(op.Arg); err != nil {
		return err
	}
	switch {
	case o.Lang != "":
		return &ending{reason: reasonWrongPort, text: wire.TextWrongPort}
	case o.Gateway != "":
		return &ending{reason: reasonWrongPort, text: fmt.Sprintf("%s%q on the Route port", wire.TextWrongGateway, o.Gateway)}
	}
	if err := r.authenticate(&o); err != nil {
		return err
	}
	// A shoal node has read the name in our INFO, and says here under which name it joins.
	if err := r.meet(o.Cluster, !o.ClusterDynamic, o.Shoal > 0); err != nil {
		return err
	}
	r.admitted = true
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
	case r.attempt == nil && !r.admitted:
		return &ending{reason: reasonAuthFailure, text: wire.TextAuthorization}
	case info.RouteAccReqID != "":
		if r.node.options().Cluster.PoolSize > 0 {
			r.acknowledge(info)
		}
		return nil
	case info.Gateway != "":
		return nil
	case r.peer() == nil:
		return r.introduce(w, info)
	case r.awaitsInfo:
		return r.introduceAgain(w, info)
	case !r.admitted:
		return nil
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
	case r.proof.dialler != "" && r.proof.dialler != info.ID:
		return refusedLogin(errors.New("it has proved itself under another ID"), 0)
	case info.Name == n.name:
		err := fmt.Errorf("a server at %s has the name of this one, %q", r.conn.remote, n.name)
		r.log(slog.LevelError, "Remote server has a duplicate name: "+strconv.Quote(n.name))
		e := &ending{reason: reasonDuplicateName, text: "Duplicate server name " + strconv.Quote(n.name), err: err}
		if r.attempt == nil {
			// A nats-server comes back at once.
			e.hold = n.peerFailures.Failed(r.ip(), time.Now())
		}
		return e
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
			// It will refuse, so that both sides log why.
			return r.sendConnect(info)
		}
		if err != nil {
			return err
		}
	}
	mode, err := negotiateCompression(n.options().Cluster.Compression, info.Compression)
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
		if err := r.sendConnect(info); err != nil {
			return err
		}
		r.sendLine(n.routeInfo(r).Append(nil))
	}
	if wantsCompression(mode) {
		// The rest of what was read is compressed, so the reader has to come back first.
		w.interrupt = r.switchOver
		return nil
	}
	switch {
	case r.proof.expected != nil:
		r.awaitsInfo = true
		return nil
	case r.proof.answer != "":
		r.sendInfoAgain()
	}
	return r.acquainted(w)
}

// sendConnect introduces the node to a server that it has dialled.
func (r *route) sendConnect(info *wire.ServerInfo) error {
	o := r.node.routeConnect()
	if err := r.credentials(o, info); err != nil {
		return err
	}
	r.sendLine(o.Append(nil))
	return nil
}

// sendInfoAgain sends what replaces the first INFO, with the proof that the node owes the other side.
func (r *route) sendInfoAgain() {
	info := r.node.routeInfo(r)
	info.Shoal.Proof, r.proof.answer = r.proof.answer, ""
	r.sendLine(info.Append(nil))
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
		r.sendInfoAgain()
	}
	return nil
}

// introduceAgain carries out the INFO at the start of a compressed stream, or with a proof.
func (r *route) introduceAgain(w *work, info *wire.ServerInfo) error {
	if info.ID != r.peer().ID || isShoal(info) != r.isShoal {
		return &ending{reason: reasonProtocol, err: errors.New("INFO is of another server than the first one")}
	}
	if err := r.verify(info); err != nil {
		return err
	}
	r.awaitsInfo = false
	r.remote.Store(info)
	if r.attempt != nil && wantsCompression(r.compression) {
		r.sendLine(r.node.routeInfo(r).Append(nil))
	}
	return r.acquainted(w)
}

// acquainted goes on when both sides have introduced themselves and agreed on what is to follow.
func (r *route) acquainted(w *work) error {
	r.admitted = true
	if err := r.place(); err != nil {
		return err
	}
	if _, fixed := r.node.cluster.get(); !fixed && !r.isShoal && r.attempt == nil && r.node.targets.pending(r.peer().ID) {
		// Servers of a cluster without a name drop routes to agree on one. When a nats-server then
		// dials this node again, it tells nobody of it; when it is dialled, it does.
		return &ending{reason: reasonDuplicateRoute}
	}
	w.parser.DedicatedAccount = r.dedicatedAccount()
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
	if n.targets.stopped(r.peer().ID) {
		// It has said so on another connection, and is about to close this one.
		return &ending{reason: reasonClientClosed}
	}
	first, old := n.routes.register(r)
	if old != nil {
		// It may be the one that died; if it does, the next attempt succeeds.
		old.probe(probeTime)
		return &ending{reason: reasonDuplicateRoute}
	}
	r.registered.Store(true)
	n.alarms.cancel(&r.handshake)
	n.alarms.set(&r.ping, time.Now().Add(n.firstRoutePing+rand.N(n.firstRoutePing/5)))
	r.log(slog.LevelInfo, "Route registered")
	if r.attempt != nil && r.attempt.pooled {
		n.routes.poolDialed(r.peer().ID, r.attempt.poolIndex, true)
	}
	if first {
		n.registered(r)
	}
	n.interest.snapshot(r)
	for ; r.owed > 0; r.owed-- {
		r.sendLine(pongLine)
	}
	return nil
}
