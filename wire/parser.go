package wire

import "bytes"

// Role says who wrote the bytes that a [Parser] reads, and thereby which verbs are legal.
type Role uint8

const (
	// FromClient is what a client sends to its server.
	FromClient Role = iota
	// FromRoute is what a server sends to another server of its cluster.
	FromRoute
	// FromServer is what a server sends to a client.
	FromServer
)

// DefaultMaxControlLine is the limit of a line's arguments, in bytes, for what clients send if none
// is set.
const DefaultMaxControlLine = 4096

// defaultControlLine is that limit for each role. What a route or a server sends is longer than
// the client's line that it stems from, by an account, queue groups or a subscription ID, and the
// INFO of a large cluster is longer than any of them.
var defaultControlLine = [...]int{
	FromClient: DefaultMaxControlLine,
	FromRoute:  16 * DefaultMaxControlLine,
	FromServer: 256 * DefaultMaxControlLine,
}

// maxIdleLine bounds the parts of a line that no limit of the protocol counts: the blanks between
// a verb and its arguments, and whatever follows PING, PONG and +OK.
const maxIdleLine = 64 << 10

// Parser splits a stream of bytes into operations. It keeps no bytes: the caller holds them in a
// buffer, and hands the unread part to [Parser.Next] again when more has arrived. The zero value
// parses what clients send, without headers.
type Parser struct {
	// Role is fixed for the life of a connection.
	Role Role
	// Headers permits HPUB. What is not permitted is an error before its payload is read.
	Headers bool
	// DedicatedAccount is set on a route that carries a single account, whose operations then
	// do not name it.
	DedicatedAccount []byte
	// MaxControlLine limits the arguments of a line in bytes; 0 is [DefaultMaxControlLine] for
	// clients, 16 times as much for routes, and 256 times as much for servers.
	MaxControlLine int
	// MaxPayload limits the size of a message in bytes, headers included; 0 is no limit.
	MaxPayload int

	// Op is the operation that the last call of Next found.
	Op Op

	verb    Verb     // verb of the incomplete operation at the start of the buffer, if known
	start   int      // how much of that operation is known to be the verb and blanks behind it
	scanned int      // how much of that operation is known to hold no line end
	want    int      // length of that operation in bytes, if known
	args    [][]byte // scratch for the tokens of a line
}

// Next reads the operation at the start of b into p.Op and returns its length in bytes. It returns
// 0 if b holds no complete operation: then the next call must begin with the same bytes, followed
// by more. An error, which is always an [*Error], is final.
func (p *Parser) Next(b []byte) (int, error) {
	// The last payload byte but one decides: if it is not CR, waiting for more is pointless.
	if len(b) < p.want-1 || len(b) == 0 {
		return 0, nil
	}
	switch {
	case p.verb != None:
		// The line was incomplete before; next knows how far it has been read.
	case len(b) > 4 && b[0] == 'P' && b[1] == 'U' && b[2] == 'B' && b[3] == ' ' && p.Role == FromClient:
		if n := p.fastPub(b, 4, Pub); n != 0 {
			return n, nil
		}
	case len(b) > 5 && b[0] == 'R' && b[1] == 'M' && b[2] == 'S' && b[3] == 'G' && b[4] == ' ' &&
		p.Role == FromRoute && p.DedicatedAccount == nil:
		if n := p.fastPub(b, 5, RMsg); n != 0 {
			return n, nil
		}
	}
	n, err := p.next(b)
	if n != 0 || err != nil {
		p.verb, p.start, p.scanned, p.want = None, 0, 0, 0
	}
	return n, err
}

// Reset forgets an incomplete operation, so that the parser can serve another stream. What it
// forgets is found again when the same bytes are read anew.
func (p *Parser) Reset() { p.verb, p.scanned, p.want = None, 0, 0 }

// Want returns the length in bytes of the operation that the last call of Next found incomplete,
// its payload and line ends included, or 0 if that is not known yet.
func (p *Parser) Want() int { return p.want }

// fastPub reads a PUB or RMSG that is complete and written canonically, as client libraries do, and
// returns 0 for everything else. It serves the common case in a few searches that the standard
// library does with vector instructions; next holds the rules.
func (p *Parser) fastPub(b []byte, start int, verb Verb) int {
	rest := b[start:]
	lf := bytes.IndexByte(rest, '\n')
	if lf < 2 || lf-1 > p.maxControlLine() || rest[lf-1] != '\r' {
		return 0
	}
	args := rest[:lf-1]
	tail := args
	var account []byte
	if verb == RMsg {
		sp := bytes.IndexByte(tail, ' ')
		if sp <= 0 {
			return 0
		}
		account, tail = tail[:sp], tail[sp+1:]
	}
	sp := bytes.IndexByte(tail, ' ')
	if sp <= 0 {
		return 0
	}
	subject, sizeText := tail[:sp], tail[sp+1:]
	var reply []byte
	if last := bytes.LastIndexByte(sizeText, ' '); last >= 0 {
		reply, sizeText = sizeText[:last], sizeText[last+1:]
		if len(reply) == 0 || bytes.IndexByte(reply, ' ') >= 0 {
			return 0
		}
	}
	size, ok := parseSize(sizeText)
	end := lf + 1 + size
	if !ok || end+2 > len(rest) || rest[end] != '\r' || rest[end+1] != '\n' ||
		p.MaxPayload > 0 && size > p.MaxPayload || bytes.IndexByte(args, '\t') >= 0 ||
		verb == Pub && bytes.IndexByte(args, '\r') >= 0 {
		return 0
	}
	op := &p.Op
	op.Verb = verb
	op.Arg = args
	op.Origin = nil
	op.Account = account
	op.Subject = subject
	op.Reply = reply
	op.SID = nil
	op.Queue = nil
	op.Queues = nil
	op.Max = 0
	op.SizeText = sizeText
	op.HeaderText = nil
	op.HeaderLen = 0
	op.Payload = rest[lf+1 : end]
	op.Tail = rest[len(args)-len(tail)+sp+1 : end+2]
	return start + end + 2
}

func (p *Parser) next(b []byte) (int, error) {
	if p.verb == None {
		verb, n, ok := p.matchVerb(b)
		if !ok {
			return 0, errUnknownOp
		}
		if verb == None {
			return 0, nil
		}
		p.verb, p.start, p.scanned = verb, n, n
	}
	switch p.verb {
	case Ping, Pong, OK:
		return p.idleLine(b)
	}
	start := p.start
	for start < len(b) && isBlank(b[start]) {
		start++
	}
	p.start = start
	if start-len(verbNames[p.verb]) > maxIdleLine {
		return 0, errControlLine
	}
	// The first byte behind the blanks belongs to the arguments whatever it is, even a line end.
	p.scanned = max(p.scanned, start+1)
	if p.scanned >= len(b) {
		return 0, nil
	}
	lf := bytes.IndexByte(b[p.scanned:], '\n')
	if lf < 0 {
		p.scanned = len(b)
		if len(b)-start > p.maxControlLine()+1 || // the last byte may be the CR of the line end
			len(b)-start > p.maxControlLine() && b[len(b)-1] != '\r' {
			return 0, errControlLine
		}
		return 0, nil
	}
	lf += p.scanned
	args := b[start:lf]
	crlf := args[len(args)-1] == '\r'
	if crlf {
		args = args[:len(args)-1]
	}
	if len(args) > p.maxControlLine() {
		return 0, errControlLine
	}
	p.Op = Op{Verb: p.verb, Arg: args}
	if isMessage(p.verb) {
		return p.message(b, args, lf+1, crlf)
	}
	if err := p.line(args); err != nil {
		return 0, err
	}
	return lf + 1, nil
}

// idleLine reads PING, PONG and +OK, which may be followed by anything.
func (p *Parser) idleLine(b []byte) (int, error) {
	lf := bytes.IndexByte(b[p.scanned:], '\n')
	end := len(b)
	if lf >= 0 {
		end = p.scanned + lf
	}
	if end-p.start > maxIdleLine {
		return 0, errControlLine
	}
	if lf < 0 {
		p.scanned = end
		return 0, nil
	}
	p.Op = Op{Verb: p.verb}
	return end + 1, nil
}

// message reads the arguments of an operation with a payload, which begins at b[body].
func (p *Parser) message(b, args []byte, body int, crlf bool) (int, error) {
	op := &p.Op
	if op.Verb == HPub && !p.Headers {
		return 0, badArguments(op.Verb, args, "headers are not supported on this connection")
	}
	size, err := p.messageArgs(args, crlf)
	if err != nil {
		return 0, err
	}
	if p.MaxPayload > 0 && size > p.MaxPayload {
		return 0, errMaxPayload
	}
	end := body + size
	p.want = end + 2
	if len(b) > end && b[end] != '\r' || len(b) > end+1 && b[end+1] != '\n' {
		return 0, errTerminator
	}
	if len(b) < end+2 {
		return 0, nil
	}
	op.Payload = b[body:end]
	if op.Tail != nil {
		// messageArgs left the start of the tail; it ends behind the payload's CRLF.
		tail := body - len("\r\n") - len(op.Tail)
		op.Tail = b[tail : end+2]
	}
	return end + 2, nil
}

func (p *Parser) maxControlLine() int {
	if p.MaxControlLine > 0 {
		return p.MaxControlLine
	}
	return defaultControlLine[p.Role]
}
