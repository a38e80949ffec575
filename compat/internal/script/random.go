package script

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Generate makes up a conversation of a few connections. It has no expectations, but is as
// deterministic as a server can be.
func Generate(seed uint64) (*Script, error) {
	g := generator{random: rand.New(rand.NewPCG(seed, 3)), sids: map[string]int{}}
	var text strings.Builder
	fmt.Fprintf(&text, "=== random conversation %d\noption unordered torn free\n", seed)
	for range 3 + g.random.IntN(8) {
		conn := g.pick("A", "A", "B", "C")
		fmt.Fprintf(&text, "%s> ", conn)
		for range 1 + g.random.IntN(8) {
			text.WriteString(escape([]byte(g.command(conn))))
		}
		if g.chance(25) {
			// What follows in the same write might be looked at or not, so this is the last one.
			text.WriteString(escape([]byte(g.wrong())))
		}
		text.WriteString("\nsync\n")
	}
	scripts, err := Parse("generated", text.String())
	if err != nil {
		return nil, err
	}
	return scripts[0], nil
}

// generator makes up commands.
type generator struct {
	random *rand.Rand
	// sids counts the queue groups of each connection: a group has one member, so that no server
	// has a choice.
	sids map[string]int
}

func (g *generator) pick(options ...string) string { return options[g.random.IntN(len(options))] }

// chance is true once in n times.
func (g *generator) chance(n int) bool { return g.random.IntN(n) == 0 }

func (g *generator) command(conn string) string {
	switch n := g.random.IntN(100); {
	case n < 28:
		return g.line("SUB", g.subject(), g.queue(conn), g.sid())
	case n < 38:
		return g.line("UNSUB", g.sid(), g.pick("", "", "1", "2", "3", "07", "0", "-1", "x"))
	case n < 70:
		payload := strings.Repeat("x", g.random.IntN(12))
		return g.line("PUB", g.subject(), g.reply(), g.zeros()+fmt.Sprint(len(payload))) + payload + "\r\n"
	case n < 83:
		header, payload := g.pick("NATS/1.0\r\n\r\n", "NATS/1.0\r\nA: b\r\n\r\n", "junk", ""), g.pick("", "hi", "\r\n")
		sizes := fmt.Sprintf("%s%d\t%s%d", g.zeros(), len(header), g.zeros(), len(header)+len(payload))
		return g.line("HPUB", g.subject(), g.reply(), sizes) + header + payload + "\r\n"
	case n < 95:
		return g.line("CONNECT", g.connect())
	}
	return g.line(g.pick("PONG", "+OK", "INFO {}"))
}

// line joins a command line, with an unusual form now and then.
func (g *generator) line(verb string, arguments ...string) string {
	if g.chance(4) {
		verb = strings.ToLower(verb)
	}
	for _, argument := range arguments {
		if argument != "" {
			verb += g.pick(" ", " ", " ", "\t", "  ") + argument
		}
	}
	return verb + g.pick("", "", "", " ") + g.pick("\r\n", "\r\n", "\r\n", "\n")
}

func (g *generator) subject() string {
	if g.chance(15) {
		return g.pick("a..b", ".a", "a.", ">.a", "a.>.b", "a*", "b>", "$SYS.x", "_R_.x", "\xff", "a\x00")
	}
	return g.pick("a", "a", "b", "a.b", "a.b", "a.c", "a.b.c", "b.b", "a.*", "a.>", "*", "*.b", ">", "*.>", "r", "r.1")
}

func (g *generator) reply() string {
	if g.chance(20) {
		return g.pick("_R_.x", "$JS.ACK.x", "_GR_.x", "r..x", "r.*")
	}
	return g.pick("", "", "r", "r.1", "a.b")
}

func (g *generator) sid() string { return g.pick("1", "2", "3", "4", "5", "six") }

func (g *generator) zeros() string { return g.pick("", "", "", "", "0", "00") }

func (g *generator) queue(conn string) string {
	if !g.chance(4) {
		return ""
	}
	g.sids[conn]++
	return fmt.Sprintf("q.%s.%d", conn, g.sids[conn])
}

func (g *generator) connect() string {
	var fields []string
	for _, key := range []string{"verbose", "pedantic", "echo", "headers", "headers"} {
		if g.chance(2) {
			fields = append(fields, fmt.Sprintf(`"%s":%v`, key, !g.chance(3) != (key == "verbose" || key == "pedantic")))
		}
	}
	if g.chance(3) {
		fields = append(fields, `"headers":true`, `"no_responders":true`)
	}
	if g.chance(4) {
		fields = append(fields, fmt.Sprintf(`"protocol":%d`, g.random.IntN(2)))
	}
	if g.chance(40) {
		fields = append(fields, g.pick(`"protocol":7`, `"verbose":1`, `"account":"x"`, `"no_responders":true`, `"x":[`))
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// wrong is a command that ends the connection.
func (g *generator) wrong() string {
	return g.pick("\r\n", " PING\r\n", "PUB a\r\n", "PUB a -1\r\n", "PUB a 9999999\r\n", "PUB a 1\r\nxx\r\n", "SUB a\r\n",
		"UNSUB \r\n", "HPUB a 2 1\r\n", "-ERR 'x'\r\n", "GET / HTTP/1.1\r\n", "CONNECT {\r\n", "MSG a 1 0\r\n\r\n",
		"PUB a 1\r\nx\n", "PUB "+strings.Repeat("s", 5000)+" 0\r\n\r\n")
}
