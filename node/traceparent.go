package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"shoal/wire"
)

// traceParentHeader has what programs that trace a request everywhere say of it, see
// https://www.w3.org/TR/trace-context. It is written in any case.
const traceParentHeader = "traceparent"

// parentTrace says what is to be told in an account of messages with that header.
type parentTrace struct {
	dest     string // the subject, empty if nothing is to be told
	sampling int    // of so many messages in a hundred; 0 is all
}

// validate returns what makes no sense.
func (p *parentTrace) validate() error {
	switch {
	case p.dest != "" && !literal([]byte(p.dest)):
		return fmt.Errorf("messages cannot be traced to %q, that is not a subject to publish to", p.dest)
	case p.sampling < 0 || p.sampling > 100:
		return fmt.Errorf("%d percent of the messages cannot be traced, use 1 to 100", p.sampling)
	}
	return nil
}

// sampled reports whether one of so many messages is chosen.
func (p *parentTrace) sampled() bool { return p.sampling == 0 || rand.IntN(100) < p.sampling }

// hasParent reports whether a header block has the header.
func hasParent(block []byte) bool {
	const n = len(traceParentHeader)
	for line := range bytes.Lines(block) {
		if len(line) > n && line[n] == ':' && bytes.EqualFold(line[:n], []byte(traceParentHeader)) {
			return true
		}
	}
	return false
}

// isTracedByOthers reports whether the header says so: the last bit of its last part.
func isTracedByOthers(headers map[string][]string) bool {
	for name, values := range headers {
		if !strings.EqualFold(name, traceParentHeader) {
			continue
		}
		for _, value := range values {
			parts := strings.Split(value, "-")
			flags, err := strconv.ParseUint(parts[len(parts)-1], 16, 8)
			if len(parts) == 4 && len(parts[3]) == 2 && err == nil && flags&1 == 1 {
				return true
			}
		}
	}
	return false
}

// parentDest returns the subject by which to tell of a message that others trace, empty if it is not to be
// told of. One that is left out here, where it comes from a client, is so at all servers.
func (a *account) parentDest(kind int, headers map[string][]string, op *wire.Op) string {
	p := &a.terms.Load().trace
	if p.dest == "" || !isTracedByOthers(headers) {
		return ""
	}
	if kind == traceClient && !p.sampled() {
		setHeader(op, traceDestHeader, traceDisabled)
		return ""
	}
	return p.dest
}
