package node

import (
	"log/slog"
	"strings"
	"time"

	"shoal/wire"
)

// MessageTrace is what becomes of a message on one server, in the words by which tools of NATS know it.
type MessageTrace struct {
	Request TraceRequest `json:"request"`
	// Hops is the number of other servers that the message was to be sent to.
	Hops int `json:"hops,omitempty"`
	// Events begin with how the message has come. The others are in the order in which they happened.
	Events []any `json:"events"`
}

// TraceRequest is the message that is traced.
type TraceRequest struct {
	Header map[string][]string `json:"header,omitempty"`
	Size   int                 `json:"msgsize,omitempty"` // bytes, with the headers
}

// The kinds of connections in a trace.
const (
	traceClient = 0
	traceRoute  = 1
)

// traceEvent is how events of a trace begin.
type traceEvent struct {
	Type string    `json:"type"`
	Time time.Time `json:"ts"`
}

func newTraceEvent(kind string) traceEvent { return traceEvent{kind, time.Now().UTC()} }

// traceIngress is how a message has come.
type traceIngress struct {
	traceEvent
	Kind    int    `json:"kind"`
	ID      uint64 `json:"cid"`
	Name    string `json:"name,omitempty"` // of the client, or of the server
	Account string `json:"acc"`
	Subject string `json:"subj"`
	Error   string `json:"error,omitempty"`
}

// traceMapping is another subject that a mapping of the account gives the message.
type traceMapping struct {
	traceEvent
	To string `json:"to"`
}

// traceStream is another account that imports the message.
type traceStream struct {
	traceEvent
	Account string `json:"acc"`
	To      string `json:"to"` // the subject there
}

// traceService is another account that serves the request.
type traceService struct {
	traceEvent
	Account string `json:"acc"`
	From    string `json:"from"`
	To      string `json:"to"` // the subject there
}

// traceEgress is a connection that the message is for.
type traceEgress struct {
	traceEvent
	Kind         int    `json:"kind"`
	ID           uint64 `json:"cid"`
	Name         string `json:"name,omitempty"` // of the client, or of the server
	Hop          string `json:"hop,omitempty"`  // number of a server, behind that of this one
	Account      string `json:"acc,omitempty"`  // if it is not that of the message
	Subscription string `json:"sub,omitempty"`  // its subject, if it is of a client
	Queue        string `json:"queue,omitempty"`
	Error        string `json:"error,omitempty"` // why the message is not delivered, or what is amiss
}

// Why a message is not delivered to a connection, or not traced any further.
const (
	traceNoEcho      = "Not delivered because of no echo"
	traceDenied      = "Not delivered because subscription denies this subject"
	traceOnlyUnknown = "Not delivered because remote does not support message tracing"
	traceUnknown     = "Message delivered but remote does not support message tracing so no trace event generated from there"
)

// tracing is the trace of a message that is being delivered.
type tracing struct {
	MessageTrace
	ingress *traceIngress
	account *account // in which it is told, as that of the message
	// dests are the subjects by which it is told: here, and in the accounts that it has gone on to.
	dests  []traceDest
	hop    string // number of this server among those of the message, empty for the first one
	only   bool   // clients do not get the message
	parent bool   // the account has asked for the trace, and not who has sent the message
}

// traceDest is a subject by which servers tell of a message.
type traceDest struct {
	subject string
	hops    int // of the trace before
}

// add notes that something has become of the message.
func (t *tracing) add(event any) { t.Events = append(t.Events, event) }

// startTrace begins the trace of a message in an account, which the connection has sent under a name. It
// returns nil if the message is not to be traced, and whether it is only to be traced.
func (c *conn) startTrace(a *account, kind int, name string, op *wire.Op) (t *tracing, only bool) {
	headers := headersOf(op.Payload[:op.HeaderLen])
	dest := first(headers[traceDestHeader])
	if dest == traceDisabled {
		return nil, false
	}
	parent := dest == ""
	if parent {
		if dest = a.parentDest(kind, headers, op); dest == "" {
			return nil, false
		}
	} else {
		switch strings.ToLower(first(headers[traceOnlyHeader])) {
		case "1", "true", "on":
			only = true
		}
	}
	why := ""
	switch {
	case !literal([]byte(dest)):
		why = " is not a subject to publish to"
	case len(dest) > c.node.options().MaxControlLine:
		why = " is longer than max_control_line" // and than what peers take
	}
	if why != "" {
		c.log(slog.LevelError, "A message cannot be traced: "+traceDestHeader+why)
		return nil, only
	}
	ingress := &traceIngress{
		traceEvent: newTraceEvent("in"),
		Kind:       kind,
		ID:         c.id,
		Name:       name,
		Account:    a.name,
		Subject:    string(op.Subject),
	}
	t = &tracing{
		MessageTrace: MessageTrace{
			Request: TraceRequest{Header: headers, Size: len(op.Payload)},
			Events:  []any{ingress},
		},
		ingress: ingress,
		account: a,
		dests:   []traceDest{{dest, 0}},
		only:    only,
		parent:  parent,
	}
	if kind != traceClient {
		t.hop = first(headers[traceHopHeader])
	}
	return t, only
}

// first returns the first value of a header, empty if there is none.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// endTrace tells what has become of the message.
func (w *work) endTrace(t *tracing) {
	w.traced = nil
	t.account.node.system.service.Traced(t.account.name, t.dests[0].subject, &t.MessageTrace)
}
