package wire

import "strconv"

// CRLF ends every line and every payload.
const CRLF = "\r\n"

// Lines that never change.
const (
	PingLine = "PING\r\n"
	PongLine = "PONG\r\n"
	OKLine   = "+OK\r\n"
)

// Append appends the operation in its canonical form to b. The sizes of a message are written as
// HeaderText and SizeText have them, or, if those are nil, as HeaderLen and the length of Payload. Arg is what Info, Connect, Err
// and Account carry; the other verbs ignore it, and all ignore Tail. On a route that is dedicated
// to an account, Account must be empty.
func (o *Op) Append(b []byte) []byte {
	b = append(b, verbNames[o.Verb]...)
	switch o.Verb {
	case Ping, Pong, OK:
	case Info, Connect, Err:
		b = append(b, ' ')
		b = append(b, o.Arg...)
		if o.Verb == Info {
			b = append(b, ' ') // nats-server writes it, and somebody may rely on it
		}
	case Account:
		b = append(b, o.Arg...)
	case Sub:
		b = appendToken(b, o.Subject)
		b = appendToken(b, o.Queue)
		b = appendToken(b, o.SID)
	case Unsub:
		b = appendToken(b, o.SID)
		if o.Max > 0 {
			b = appendNumber(b, o.Max)
		}
	case RSub, RUnsub, LSub, LUnsub:
		b = appendToken(b, o.Origin)
		b = appendToken(b, o.Account)
		b = appendToken(b, o.Subject)
		b = appendToken(b, o.Queue)
		if len(o.Queue) > 0 && (o.Verb == RSub || o.Verb == LSub) {
			b = appendNumber(b, max(o.Max, 1))
		}
	default:
		b = o.appendMessage(b)
	}
	return append(b, CRLF...)
}

func (o *Op) appendMessage(b []byte) []byte {
	b = appendToken(b, o.Origin)
	b = appendToken(b, o.Account)
	b = appendToken(b, o.Subject)
	b = appendToken(b, o.SID)
	if len(o.Queues) > 0 {
		if len(o.Reply) > 0 {
			b = append(b, " +"...)
		} else {
			b = append(b, " |"...)
		}
	}
	b = appendToken(b, o.Reply)
	for _, q := range o.Queues {
		b = appendToken(b, q)
	}
	if o.HasHeaders() {
		if o.HeaderText != nil {
			b = appendToken(b, o.HeaderText)
		} else {
			b = appendNumber(b, o.HeaderLen)
		}
	}
	if o.SizeText != nil {
		b = appendToken(b, o.SizeText)
	} else {
		b = appendNumber(b, len(o.Payload))
	}
	b = append(b, CRLF...)
	return append(b, o.Payload...)
}

// AppendErr appends the line that reports an error.
func AppendErr(b []byte, text string) []byte {
	b = append(b, "-ERR '"...)
	b = append(b, text...)
	return append(b, "'\r\n"...)
}

func appendToken(b, token []byte) []byte {
	if len(token) == 0 {
		return b
	}
	b = append(b, ' ')
	return append(b, token...)
}

func appendNumber(b []byte, n int) []byte {
	b = append(b, ' ')
	return strconv.AppendInt(b, int64(n), 10)
}
