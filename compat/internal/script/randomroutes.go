package script

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// GenerateRoutes makes up a conversation between two clients of a server and two other servers. It
// has no expectations, but is as deterministic as a server can be: a queue group has members in one
// place only.
func GenerateRoutes(seed uint64) (*Script, error) {
	g := routeGenerator{generator{random: rand.New(rand.NewPCG(seed, 4)), sids: map[string]int{}}}
	var text strings.Builder
	fmt.Fprintf(&text, "=== random conversation of servers %d\noption unordered anysid free settled\nserver cluster_name=C\n", seed)
	fmt.Fprintf(&text, "peer R%s\npeer S%s\n", g.pick("", "", " headers=false"), g.pick("", "", " gossip_mode=1"))
	text.WriteString("A> CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\\r\\n\n")
	fmt.Fprintf(&text, "B> CONNECT {\"verbose\":false%s}\\r\\n\n", g.pick("", `,"echo":false`))
	for range 10 + g.random.IntN(20) {
		conn := g.pick("A", "A", "B", "R", "R", "S")
		fmt.Fprintf(&text, "%s> %s\nsync\n", conn, escape([]byte(g.step(conn))))
	}
	scripts, err := Parse("generated", text.String())
	if err != nil {
		return nil, err
	}
	return scripts[0], nil
}

// routeGenerator makes up what clients and servers send.
type routeGenerator struct{ generator }

// step is either one change of interest or a few messages: what is done between two synchronisations
// must not depend on how a server orders the two.
func (g *routeGenerator) step(conn string) string {
	peer := conn == "R" || conn == "S"
	if g.chance(2) {
		if peer {
			return g.remoteInterest(conn)
		}
		return g.interest(conn)
	}
	var out strings.Builder
	for range 1 + g.random.IntN(4) {
		if peer {
			out.WriteString(g.routed())
		} else {
			out.WriteString(g.publish(conn))
		}
	}
	return out.String()
}

func (g *routeGenerator) interest(conn string) string {
	if g.chance(3) {
		return g.line("UNSUB", g.sid())
	}
	// A subscription ID is used again now and then, which a server has to ignore.
	return g.line("SUB", g.pattern(), g.pick("", "", "q."+conn), g.sid())
}

func (g *routeGenerator) remoteInterest(conn string) string {
	queue, weight := g.pick("", "", "q."+conn, "r."+conn), ""
	verb, origin := g.pick("RS+", "RS+", "RS-"), ""
	if g.chance(4) {
		verb, origin = "L"+verb[1:], g.pick("LC", "LD")
	}
	if queue != "" && strings.HasSuffix(verb, "+") {
		weight = g.pick("1", "2", "7")
	}
	return plain(verb, origin, g.pick("$G", "$G", "$G", "$G", "$SYS"), g.pattern(), queue, weight)
}

func (g *routeGenerator) publish(conn string) string {
	payload := strings.Repeat("x", g.random.IntN(12))
	if conn == "A" && g.chance(3) {
		const header = "NATS/1.0\r\nA: b\r\n\r\n"
		return g.line("HPUB", g.literal(), g.pick("", "r.1"), fmt.Sprint(len(header)), fmt.Sprint(len(header)+len(payload))) +
			header + payload + "\r\n"
	}
	return g.line("PUB", g.literal(), g.pick("", "r.1"), fmt.Sprint(len(payload))) + payload + "\r\n"
}

// routed is a message that another server sends.
func (g *routeGenerator) routed() string {
	payload, header := strings.Repeat("y", g.random.IntN(12)), ""
	verb, origin := "RMSG", ""
	switch g.random.IntN(4) {
	case 0:
		verb, header = "HMSG", "NATS/1.0\r\nA: b\r\n\r\n"
	case 1:
		verb, origin, header = "LMSG", "LC", g.pick("", "NATS/1.0\r\n\r\n")
	}
	reply, mark, queues := g.pick("", "", "r.1"), "", ""
	if g.chance(2) {
		mark, queues = "|", g.pick("q.A", "q.B", "q.A q.B", "nobody", "q.A nobody", "q.R", "q.S", "q.B q.S")
		if reply != "" {
			mark = "+"
		}
	}
	before := reply
	if mark != "" {
		before = strings.TrimSuffix(mark+" "+reply, " ")
	}
	sizes := fmt.Sprint(len(header) + len(payload))
	if verb != "RMSG" {
		sizes = fmt.Sprintf("%d %s", len(header), sizes)
	}
	return plain(verb, origin, "$G", g.literal(), before, queues, sizes) + header + payload + "\r\n"
}

// plain joins a line of a server. Other than with lines of clients, nats-server takes two blanks or
// a tab for a part of the name of an account or of interest.
func plain(words ...string) string {
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ") + "\r\n"
}

func (g *routeGenerator) pattern() string {
	return g.pick("a", "a", "a", "a.b", "a.b", "a.*", "a.>", "b", "*", ">", "*.b", "r.1")
}

func (g *routeGenerator) literal() string {
	return g.pick("a", "a", "a", "a.b", "a.b", "a.c", "b", "c")
}
