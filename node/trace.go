package node

import (
	"encoding/json"
	"fmt"
	"math"

	"shoal/wire"
)

// traceIn logs an operation that was received.
func (c *conn) traceIn(op *wire.Op) { c.traceOp("<<-", op) }

// traceOut logs rendered lines that are about to be sent.
func (c *conn) traceOut(b []byte) {
	p := wire.Parser{Role: wire.FromServer, Headers: true, MaxControlLine: math.MaxInt - 1}
	if c.isRoute {
		p.Role = wire.FromRoute
	}
	for len(b) > 0 {
		n, err := p.Next(b)
		if err != nil || n == 0 {
			return
		}
		c.traceOp("->>", &p.Op)
		b = b[n:]
	}
}

func (c *conn) traceOp(direction string, op *wire.Op) {
	arg := op.Arg
	if op.Verb == wire.Connect {
		// Secrets must not reach a log, and what cannot be read may be one.
		o := wire.DefaultConnect
		arg = []byte("[REDACTED]")
		if o.Merge(op.Arg) == nil {
			if text, err := json.Marshal(o.Redacted()); err == nil {
				arg = text
			}
		}
	}
	line := op.Verb.String()
	if len(arg) > 0 {
		line += " " + string(arg)
	}
	c.log(LevelTrace, fmt.Sprintf("%s [%s]", direction, line))
	if op.SizeText != nil {
		payload := op.Payload
		ellipsis := ""
		if limit := c.node.options().MaxTracedPayload; limit > 0 && len(payload) > limit {
			payload, ellipsis = payload[:limit], "..."
		}
		c.log(LevelTrace, fmt.Sprintf("%s MSG_PAYLOAD: [%q]%s", direction, payload, ellipsis))
	}
}
