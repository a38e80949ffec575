package node

import (
	"bytes"

	"shoal/wire"
)

// A stream of JetStream that lives on a nats-server pushes its messages to the subject of a consumer.
// When such a message crosses a route, the subject under which it was published is packed behind the
// reply subject, and the last server of its way shows clients both as they were:
//
//	RMSG $G deliver.x $JS.ACK.S.C.1.1.1.1795486438255934071.4@ev.0 1
//	MSG ev.0 1 $JS.ACK.S.C.1.1.1.1795486438255934071.4 1

// ackDots is the number of dots in the reply subject of a pushed message.
const ackDots = 8

// unpackPush takes apart the reply of a pushed message. It reports whether it is one.
func unpackPush(packed []byte) (reply, subject []byte, ok bool) {
	if !hasPrefix(packed, "$JS.ACK.") {
		return nil, nil, false
	}
	reply, subject, ok = bytes.Cut(packed, []byte("@"))
	ok = ok && len(subject) > 0 && bytes.Count(reply, []byte(".")) == ackDots
	return reply, subject, ok
}

// deliverPushed is deliver for a message that is shown to clients under another subject.
func (w *work) deliverPushed(e *entry, op *wire.Op, reply, subject []byte) {
	pushed := *op
	pushed.Reply, pushed.Tail = reply, nil
	w.shown = subject
	w.deliver(e, &pushed)
	w.shown = nil
}

// showing returns g with the subject that clients are to see.
func (w *work) showing(g *group, op *wire.Op) *group {
	const verb = "HMSG "
	shown := *g
	shown.rendered = 0
	shown.prefix = append([]byte(verb), w.shown...)
	shown.prefix = append(shown.prefix, g.prefix[len(verb)+len(op.Subject):]...)
	shown.bare = shown.prefix[1:]
	return &shown
}
