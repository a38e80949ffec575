package node

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"shoal/wire"
)

// requestInfoHeader names the header that tells a service who asks. Services trust it, so one that a
// client has sent itself does not get there.
const requestInfoHeader = "Nats-Request-Info"

// requestInfo is what a service is told of a request that comes from another account.
type requestInfo struct {
	Account string        `json:"acc"`
	Through string        `json:"svc,omitempty"` // the account that has handed it on, if that is another
	RTT     time.Duration `json:"rtt,omitempty"`
}

// introduce gives a request that is about to leave the current account the header that tells of it.
func (w *work) introduce(request *wire.Op) {
	c, ok := w.cache.self.handler.(*client)
	if !ok || c.node.options().NoHeaders {
		return
	}
	info := requestInfo{Account: c.home.Load().name, RTT: c.liveness.roundTrip()}
	if name := w.cache.account.name; name != info.Account {
		info.Through = name
	}
	value, err := json.Marshal(info)
	if err != nil {
		panic(err) // strings and a number always are JSON
	}
	block, body := []byte(nil), request.Payload
	if request.HasHeaders() {
		block, body = body[:request.HeaderLen], body[request.HeaderLen:]
	}
	payload := appendWithout(make([]byte, 0, len(request.Payload)+len(value)+64), block, requestInfoHeader)
	payload = append(payload, requestInfoHeader+": "...)
	payload = append(payload, value...)
	payload = append(payload, "\r\n\r\n"...)
	request.Verb, request.HeaderLen = wire.HPub, len(payload)
	request.HeaderText = strconv.AppendInt(nil, int64(len(payload)), 10)
	request.Payload = append(payload, body...)
	request.SizeText = strconv.AppendInt(nil, int64(len(request.Payload)), 10)
}

// appendWithout appends the lines of a header block, less those of one header and the empty line at
// the end. Without a block it begins one.
func appendWithout(b, block []byte, name string) []byte {
	block = bytes.TrimSuffix(block, []byte(wire.CRLF))
	if len(block) == 0 {
		return append(b, "NATS/1.0\r\n"...)
	}
	for line := range bytes.Lines(block) {
		if key, _, ok := bytes.Cut(line, []byte(":")); !ok || !bytes.EqualFold(bytes.TrimSpace(key), []byte(name)) {
			b = append(b, line...)
		}
	}
	if !bytes.HasSuffix(b, []byte(wire.CRLF)) {
		b = append(b, wire.CRLF...)
	}
	return b
}
