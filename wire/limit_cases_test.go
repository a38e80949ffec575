package wire_test

import (
	"fmt"
	"strings"

	"shoal/wire"
)

const (
	lineMax = wire.DefaultMaxControlLine
	idleMax = 64 << 10
)

// limitTranscripts are lines just below, at and above a limit, whole and cut off.
func limitTranscripts() (all []transcript) {
	for _, p := range []wire.Parser{client, limit(client, 100, 0), route, limit(route, 4*lineMax, 0)} {
		all = append(all, controlLineTranscripts(p)...)
	}
	all = append(all, freeBlanks()...)
	all = append(all, idleTranscripts()...)
	return append(all, payloadTranscripts()...)
}

// controlLineTranscripts try the limit of p: it counts from the first byte that is no blank.
func controlLineTranscripts(p wire.Parser) (all []transcript) {
	maxLine, what, verb := p.MaxControlLine, "client", "PUB"
	switch {
	case p.Role == wire.FromRoute:
		what, verb = "route", "RMSG $G"
		if maxLine == 0 {
			maxLine = 16 * lineMax
		}
	case maxLine == 0:
		maxLine = lineMax
	}
	add := func(name, in string, ops []string, err string, left int) {
		name = fmt.Sprintf("%s with %d for arguments: %s", what, maxLine, name)
		all = append(all, transcript{name, p, in, ops, err, left})
	}
	// message returns a line with n bytes of arguments, and the operation that it makes.
	message := func(n int, verb, end string, tail bool) (in string, ops []string) {
		name, account, _ := strings.Cut(verb, " ")
		prefix, shown := "", strings.ToUpper(name)
		if account != "" {
			prefix = account + " "
			shown += fmt.Sprintf(" acct=%q", account)
		}
		subject := strings.Repeat("s", n-len(prefix)-len(" 1"))
		shown += fmt.Sprintf(` subj=%q size="1" pay="x"`, subject)
		if tail {
			shown += ` tail="1\r\nx\r\n"`
		}
		return name + " " + prefix + subject + " 1" + end, []string{shown}
	}
	for _, v := range []string{verb, strings.ToLower(verb[:1]) + verb[1:]} {
		for n := maxLine - 1; n <= maxLine+1; n++ {
			for _, end := range []string{"\r\n", "\n"} {
				in, ops := message(n, v, end, end == "\r\n")
				if n <= maxLine {
					add(fmt.Sprintf("%s %d%q", v, n, end), in+"x\r\n", ops, "", 0)
				} else {
					add(fmt.Sprintf("%s %d%q", v, n, end), in+"x\r\n", nil, wire.TextControlLine, 0)
				}
			}
		}
	}
	in, _ := message(maxLine, verb, "", false)
	add("no line end yet", in, nil, "", len(in))
	add("CR but no LF yet", in+"\r", nil, "", len(in)+1)
	add("CR and another byte", in+"\rx", nil, wire.TextControlLine, 0)
	add("two CR", in+"\r\r", nil, wire.TextControlLine, 0)
	add("one more and no line end", in+"1", nil, wire.TextControlLine, 0)
	add("one more and CR", in+"1\r", nil, wire.TextControlLine, 0)
	add("a trailing blank too many", in+" \r\n", nil, wire.TextControlLine, 0)
	add("a tab too many", in+"\t", nil, wire.TextControlLine, 0)

	info := strings.Repeat("x", maxLine)
	for _, v := range []string{"INFO", "CONNECT", "-ERR"} {
		add(v, v+" "+info+"\r\n", list(fmt.Sprintf("%s arg=%q", v, info)), "", 0)
		add(v+" too long", v+" "+info+"x\r\n", nil, wire.TextControlLine, 0)
	}
	return all
}

// freeBlanks are blanks between the verb and its arguments, which no limit of the protocol counts.
func freeBlanks() (all []transcript) {
	subject := strings.Repeat("s", lineMax-2)
	for _, n := range []int{1, 2, 10_000, idleMax - 1, idleMax, idleMax + 1} {
		blanks := strings.Repeat(" ", n)
		ok := transcript{name: fmt.Sprintf("%d blanks behind SUB", n), p: client,
			in:  "SUB " + blanks[1:] + subject + " 1\r\n",
			ops: list(fmt.Sprintf(`SUB subj=%q sid="1"`, subject))}
		pub := transcript{name: fmt.Sprintf("%d blanks behind PUB", n), p: client,
			in: "PUB " + blanks[1:] + "a 1\r\nx\r\n", ops: list(`PUB subj="a" size="1" pay="x" tail="1\r\nx\r\n"`)}
		tabs := transcript{name: fmt.Sprintf("%d tabs behind INFO", n), p: client,
			in: "INFO" + strings.Repeat("\t", n) + "{}\n", ops: list(`INFO arg="{}"`)}
		cut := transcript{name: fmt.Sprintf("%d blanks behind PUB and no more", n), p: client,
			in: "PUB " + blanks[1:], left: 3 + n}
		for _, c := range []transcript{ok, pub, tabs, cut} {
			if n > idleMax {
				c.ops, c.left, c.err = nil, 0, wire.TextControlLine
			}
			all = append(all, c)
		}
	}
	return all
}

// idleTranscripts are PING, PONG and +OK with junk behind them.
func idleTranscripts() (all []transcript) {
	for _, p := range []wire.Parser{client, route, server} {
		for _, verb := range []string{"PING", "PONG", "+OK"} {
			for _, n := range []int{4097, idleMax - 1, idleMax, idleMax + 1, 100_000} {
				junk := verb + strings.Repeat("x", n)
				name := fmt.Sprintf("%s and %d bytes to role %d", verb, n, p.Role)
				whole := transcript{name: name, p: p, in: "PING\r\n" + junk + "\nPONG\n", ops: list(`PING`, verb, `PONG`)}
				cut := transcript{name: name + " without LF", p: p, in: junk, left: len(junk)}
				if n > idleMax {
					whole.ops, whole.err = list(`PING`), wire.TextControlLine
					cut.left, cut.err = 0, wire.TextControlLine
				}
				all = append(all, whole, cut)
			}
		}
	}
	return all
}

func payloadTranscripts() []transcript {
	small := limit(client, 0, 10)
	plain := limit(wire.Parser{}, 0, 10)
	return []transcript{
		{name: "payload at the limit", p: small, in: "PUB a 10\r\n0123456789\r\n",
			ops: list(`PUB subj="a" size="10" pay="0123456789" tail="10\r\n0123456789\r\n"`)},
		{name: "payload above the limit", p: small, in: "PUB a 11\r\n", err: wire.TextMaxPayload},
		{name: "payload above the limit, all there", p: small, in: "PUB a 11\r\n0123456789a\r\n", err: wire.TextMaxPayload},
		{name: "payload above the limit, with zeros", p: small, in: "PUB a r 000000011\n", err: wire.TextMaxPayload},
		{name: "payload far above the limit", p: small, in: "PUB a 999999999\r\n", err: wire.TextMaxPayload},
		{name: "payload of ten digits", p: small, in: "PUB a 1000000000\r\n", err: "bad size"},
		{name: "HPUB at the limit", p: small, in: "HPUB a 4 10\r\n0123456789\r\n",
			ops: list(`HPUB subj="a" size="10" hdr=4 pay="0123456789" tail="4 10\r\n0123456789\r\n"`)},
		{name: "HPUB above the limit by its headers", p: small, in: "HPUB a 4 11\r\n", err: wire.TextMaxPayload},
		{name: "HPUB above the limit without headers", p: plain, in: "HPUB a 4 11\r\n", err: "headers"},
		{name: "RMSG above a limit", p: limit(route, 0, 10), in: "RMSG $G a 11\r\n", err: wire.TextMaxPayload},
		{name: "RMSG without limit", p: route, in: "RMSG $G a 999999999\r\nx", left: 22},
		{name: "PUB without limit", p: client, in: "PUB a 999999999\r\nx", left: 18},
	}
}
