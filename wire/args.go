package wire

import (
	"bytes"
	"fmt"
)

// maxSizeDigits is the longest size, weight or limit that is read.
const maxSizeDigits = 9

// line reads the arguments of an operation without payload into p.Op.
func (p *Parser) line(args []byte) error {
	op := &p.Op
	switch op.Verb {
	case Sub:
		// Unlike those of the other verbs, these two take CR and LF for blanks.
		p.split(args, true)
		switch len(p.args) {
		case 2:
			op.Subject, op.SID = p.args[0], p.args[1]
		case 3:
			op.Subject, op.Queue, op.SID = p.args[0], p.args[1], p.args[2]
		default:
			return badArguments(op.Verb, args, "want subject, queue group (optional), subscription ID")
		}
	case Unsub:
		p.split(args, true)
		switch len(p.args) {
		case 1:
			op.SID = p.args[0]
		case 2:
			op.SID = p.args[0]
			op.Max, _ = parseSize(p.args[1]) // what is no number means at once
		default:
			return badArguments(op.Verb, args, "want subscription ID, limit (optional)")
		}
	case RSub, RUnsub, LSub, LUnsub:
		return p.interest(args)
	case Info, Connect:
		op.Arg = bytes.TrimRight(args, " \t") // servers write a blank behind the JSON of INFO
	}
	return nil
}

// interest reads the arguments of RS+, RS-, LS+ and LS-.
func (p *Parser) interest(args []byte) error {
	op := &p.Op
	p.split(args, true)
	rest := p.args
	if op.Verb == LSub || op.Verb == LUnsub {
		if len(rest) == 0 {
			return badArguments(op.Verb, args, "want origin, account, subject")
		}
		op.Origin, rest = rest[0], rest[1:]
	}
	if op.Account = p.DedicatedAccount; op.Account == nil {
		if len(rest) == 0 {
			return badArguments(op.Verb, args, "want account, subject")
		}
		op.Account, rest = rest[0], rest[1:]
	}
	adds := op.Verb == RSub || op.Verb == LSub
	switch {
	case len(rest) == 1:
		op.Subject = rest[0]
	case adds && len(rest) == 3:
		op.Subject, op.Queue = rest[0], rest[1]
		op.Max, _ = parseSize(rest[2])
		op.Max = max(op.Max, 1)
	case adds && len(rest) == 2 && bytes.HasSuffix(args, []byte(" ")):
		// A nats-server whose permissions have changed leaves the weight out, but not the blank before it.
		op.Subject, op.Queue, op.Max = rest[0], rest[1], 1
	case !adds && len(rest) == 2:
		op.Subject, op.Queue = rest[0], rest[1]
	default:
		return badArguments(op.Verb, args, "want account, subject, and queue group with weight or neither")
	}
	return nil
}

// messageArgs reads the arguments of an operation with payload into p.Op and returns the size of
// the payload. If the line may be repeated verbatim, it leaves what follows the subject in Tail.
func (p *Parser) messageArgs(args []byte, crlf bool) (size int, err error) {
	op := &p.Op
	if (op.Verb == Pub || op.Verb == HPub) &&
		(bytes.IndexByte(args, '\r') >= 0 || bytes.IndexByte(args, '\n') >= 0) {
		// Nobody means this. Passed on, it would break a line for subscribers, and nats-server
		// closes a route on which a subject begins with LF or a reply contains CR.
		return 0, badArguments(op.Verb, args, "line end in an argument")
	}
	canonical := p.split(args, false) && crlf
	rest := p.args

	// The numbers are at the end.
	numbers := 1
	if op.HasHeaders() {
		numbers = 2
	}
	// What is in front of the optional reply.
	fixed := 1
	switch op.Verb {
	case Msg, HMsg:
		fixed = 2
	case RMsg, RHMsg, LMsg:
		if op.Verb == LMsg {
			fixed++
		}
		if p.DedicatedAccount == nil {
			fixed++
		}
	}
	if len(rest) < fixed+numbers {
		return 0, badArguments(op.Verb, args, "too few")
	}
	tail := rest[fixed:]
	op.SizeText = rest[len(rest)-1]
	middle := rest[fixed : len(rest)-numbers]

	size, ok := parseSize(op.SizeText)
	if !ok {
		return 0, badArguments(op.Verb, args, "bad size")
	}
	if numbers == 2 {
		op.HeaderText = rest[len(rest)-2]
		if op.HeaderLen, ok = parseSize(op.HeaderText); !ok {
			return 0, badArguments(op.Verb, args, "bad header size")
		}
		if op.HeaderLen > size {
			return 0, badArguments(op.Verb, args, "headers longer than the message")
		}
	}

	switch op.Verb {
	case Msg, HMsg:
		op.Subject, op.SID = rest[0], rest[1]
	case RMsg, RHMsg, LMsg:
		if op.Verb == LMsg {
			op.Origin, rest = rest[0], rest[1:]
		}
		if op.Account = p.DedicatedAccount; op.Account == nil {
			op.Account, rest = rest[0], rest[1:]
		}
		op.Subject = rest[0]
	default:
		op.Subject = rest[0]
	}

	switch {
	case len(middle) == 0:
	case len(middle) == 1:
		op.Reply = middle[0]
	case op.Account == nil:
		return 0, badArguments(op.Verb, args, "too many")
	case len(middle[0]) == 1 && middle[0][0] == '|':
		op.Queues = middle[1:]
	case len(middle[0]) == 1 && middle[0][0] == '+':
		op.Reply = middle[1]
		if len(middle) > 2 {
			op.Queues = middle[2:]
		}
	default:
		return 0, badArguments(op.Verb, args, "want | or + before the queue groups")
	}
	if canonical && len(op.Queues) == 0 && len(middle) < 2 {
		at := cap(args) - cap(tail[0])
		op.Tail = args[at:]
	}
	return size, nil
}

// split cuts line into tokens, left in p.args, and reports whether they are separated by single
// spaces and by nothing else.
func (p *Parser) split(line []byte, crlfIsBlank bool) (single bool) {
	p.args = p.args[:0]
	single = true
	start := -1
	for i, c := range line {
		if c == ' ' || c == '\t' || crlfIsBlank && (c == '\r' || c == '\n') {
			if start < 0 || c != ' ' {
				single = false
			}
			if start >= 0 {
				p.args = append(p.args, line[start:i])
				start = -1
			}
		} else if start < 0 {
			start = i
		}
	}
	if start < 0 {
		return false
	}
	p.args = append(p.args, line[start:])
	return single
}

// parseSize reads 1 to 9 decimal digits.
func parseSize(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > maxSizeDigits {
		return 0, false
	}
	for _, c := range b {
		c -= '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

// badArguments says what is wrong with a line; the client is told nothing.
func badArguments(verb Verb, args []byte, why string) *Error {
	const shown = 64
	if i := bytes.IndexByte(args, '\n'); i >= 0 {
		args = args[:i]
	}
	if len(args) > shown {
		args = args[:shown]
	}
	return &Error{Reason: fmt.Sprintf("bad arguments of %s: %s: %q", verb, why, args)}
}
