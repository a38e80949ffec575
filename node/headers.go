package node

import (
	"bytes"

	"shoal/wire"
)

// headersBegin is the line with which a header block begins, if it has no status.
const headersBegin = "NATS/1.0\r\n"

// setHeader gives a message of a client or a peer a header in place of others with that name, which may be
// written in any case. The bytes of the message stay as they are.
func setHeader(op *wire.Op, name, value string) {
	block, body := []byte(nil), op.Payload
	if op.HasHeaders() {
		block, body = body[:op.HeaderLen], body[op.HeaderLen:]
	} else {
		op.Verb = wire.HPub
	}
	payload := appendWithout(make([]byte, 0, len(op.Payload)+len(name)+len(value)+32), block, name)
	payload = append(payload, name+": "+value+"\r\n\r\n"...)
	op.HeaderLen = len(payload)
	op.HeaderText = sizeText(len(payload))
	op.Payload = append(payload, body...)
	op.SizeText, op.Tail = sizeText(len(op.Payload)), nil
}

// appendWithout appends the lines of a header block, less those of one header and the empty line at
// the end. Without a block it begins one.
func appendWithout(b, block []byte, name string) []byte {
	block = bytes.TrimSuffix(block, []byte(wire.CRLF))
	if len(block) == 0 {
		return append(b, headersBegin...)
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

// headersOf returns the headers of a block, with their names as they are written and without those that are
// empty; nil if there are none, or if the block has a status.
func headersOf(block []byte) map[string][]string {
	lines, ok := bytes.CutPrefix(block, []byte(headersBegin))
	if !ok {
		return nil
	}
	headers := make(map[string][]string)
	for line := range bytes.SplitSeq(lines, []byte(wire.CRLF)) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		if value = bytes.Trim(value, " \t"); len(key) > 0 && len(value) > 0 {
			headers[string(key)] = append(headers[string(key)], string(value))
		}
	}
	return headers
}
