package node

import (
	"bytes"
	"fmt"

	"shoal/wire"
)

// The headers by which messages are traced.
const (
	// traceDestHeader has the subject by which servers tell what becomes of the message.
	traceDestHeader = "Nats-Trace-Dest"
	// traceOnlyHeader says that clients do not get it.
	traceOnlyHeader = "Nats-Trace-Only"
	// traceHopHeader is added by servers: on its way from a to b and on to c, the message is 1 at b, 1.1 at c.
	traceHopHeader = "Nats-Trace-Hop"
	// traceDisabled is in place of a subject if the message is not to be traced any more.
	traceDisabled = "trace disabled"
	// traceProto is the version of the protocol of routes from which on servers trace messages.
	traceProto = 3
)

// traceMark is the end of traceDestHeader. Its first letter is a rare one, so that it is soon found missing.
var traceMark = []byte("Trace-Dest:")

// wantsTrace reports whether a message with headers may have to be traced. All of them pass here, so it does
// no more than look for some bytes.
func (a *account) wantsTrace(op *wire.Op) bool {
	block := op.Payload[:op.HeaderLen]
	return bytes.Contains(block, traceMark) || a.terms.Load().trace.dest != "" && hasParent(block)
}

// publishTraced is publish for a message whose sender wants to know what becomes of it.
func (c *client) publishTraced(w *work, op *wire.Op) {
	if c.node.system == nil {
		c.publish(w, op)
		return
	}
	t, only := c.startTrace(c.home.Load(), traceClient, c.introduction().name, op)
	switch {
	case t != nil && !t.parent && w.cache.denied([]byte(t.dests[0].subject)):
		c.refuse(w, fmt.Sprintf("%s%q", wire.TextPermissionPublish, t.dests[0].subject))
	case t != nil:
		w.traced = t
		c.publish(w, op)
		w.endTrace(t)
		return
	case !only:
		c.publish(w, op)
		return
	}
	w.msgs++
	w.bytes += uint64(len(op.Payload))
}

// refusePublish tells a client that it may not publish what it has sent.
func (c *client) refusePublish(w *work, text string) {
	c.refuse(w, text)
	if w.traced != nil {
		w.traced.ingress.Error = text
	}
}

// deliverTraced is deliver for a message whose sender wants to know what becomes of it.
func (r *route) deliverTraced(w *work, a *account, op *wire.Op) {
	if !a.configured.Load() || r.node.system == nil {
		r.deliver(w, op)
		return
	}
	t, only := r.startTrace(a, traceRoute, r.tracePeer().Name, op)
	if t != nil && reservedSubject([]byte(t.dests[0].subject)) {
		t, only = nil, true
	}
	switch {
	case t != nil:
		w.traced = t
		r.deliver(w, op)
		w.endTrace(t)
	case !only:
		r.deliver(w, op)
	}
}

// tracePeer returns what the peer says of itself, which is nothing before its INFO.
func (r *route) tracePeer() wire.ServerInfo {
	if peer := r.peer(); peer != nil {
		return *peer
	}
	return wire.ServerInfo{}
}
