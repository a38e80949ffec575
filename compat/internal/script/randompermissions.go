package script

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// GeneratePermissions makes up users with permissions, and a conversation of theirs.
func GeneratePermissions(seed uint64) (*Script, error) {
	g := generator{random: rand.New(rand.NewPCG(seed, 5)), sids: map[string]int{}}
	var text strings.Builder
	fmt.Fprintf(&text, "=== random permissions %d\noption unordered torn free\n| authorization {\n", seed)
	if g.chance(4) {
		fmt.Fprintf(&text, "|   default_permissions: %s\n", g.permissions())
	}
	text.WriteString("|   users: [\n")
	conns := []string{"A", "B", "C"}
	for _, conn := range conns {
		fmt.Fprintf(&text, "|     { user: %s, password: p", conn)
		if !g.chance(5) {
			fmt.Fprintf(&text, ", permissions: %s", g.permissions())
		}
		text.WriteString(" }\n")
	}
	text.WriteString("|   ]\n| }\n")
	for _, conn := range conns {
		fmt.Fprintf(&text, "%s> %s\nsync\n", conn, escape([]byte(g.login(conn))))
	}
	for range 3 + g.random.IntN(8) {
		conn := g.pick(conns...)
		fmt.Fprintf(&text, "%s> ", conn)
		for range 1 + g.random.IntN(8) {
			text.WriteString(escape([]byte(g.permitted(conn))))
		}
		text.WriteString("\nsync\n")
	}
	scripts, err := Parse("generated", text.String())
	if err != nil {
		return nil, err
	}
	return scripts[0], nil
}

func (g *generator) login(conn string) string {
	return fmt.Sprintf(`CONNECT {"user":%q,"pass":"p","verbose":%v,"pedantic":false,"headers":true,"no_responders":%v}`+"\r\n",
		conn, g.chance(2), g.chance(2))
}

// permitted is a command that may need a permission.
func (g *generator) permitted(conn string) string {
	switch n := g.random.IntN(20); {
	case n < 8:
		return g.line("SUB", g.place(), g.group(conn), g.sid())
	case n < 10:
		return g.line("UNSUB", g.sid(), g.pick("", "1", "2"))
	case n < 11:
		return g.login(conn)
	}
	return g.line("PUB", g.place(), g.pick("", "", "a.b", "b"), "2") + "hi\r\n"
}

// place is a subject that rules may be about.
func (g *generator) place() string {
	if g.chance(25) {
		return g.pick("a..b", ".a", "a.", "a.>.b", "$SYS.a")
	}
	return g.subjectOf("a", "a", "a", "b", "b", "*", ">")
}

// subjectOf makes up a subject of such tokens.
func (g *generator) subjectOf(tokens ...string) string {
	subject := g.pick(tokens...)
	for subject != ">" && !strings.HasSuffix(subject, ".>") && strings.Count(subject, ".") < 2 && !g.chance(3) {
		subject += "." + g.pick(tokens...)
	}
	return subject
}

// group is a queue group, which nobody else is in.
func (g *generator) group(conn string) string {
	if !g.chance(3) {
		return ""
	}
	g.sids[conn]++
	return fmt.Sprintf("%s.%s.%d", g.pick("p", "q"), conn, g.sids[conn])
}

func (g *generator) permissions() string {
	var parts []string
	for _, kind := range []string{"publish", "subscribe"} {
		var lists []string
		for _, list := range []string{"allow", "deny"} {
			if g.chance(2) {
				lists = append(lists, fmt.Sprintf("%s: [%s]", list, g.rules(kind, list)))
			}
		}
		if len(lists) > 0 {
			parts = append(parts, fmt.Sprintf("%s: { %s }", kind, strings.Join(lists, ", ")))
		}
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// rules is a list of them. If subscriptions to a.* are allowed, nats-server allows a.> as well, so such are
// left out.
func (g *generator) rules(kind, list string) string {
	var rules []string
	for range 1 + g.random.IntN(3) {
		rule := g.subjectOf("a", "a", "a", "b", "b", "*", ">")
		for kind == "subscribe" && list == "allow" && strings.HasSuffix(rule, "*") {
			rule = g.subjectOf("a", "a", "a", "b", "b", "*", ">")
		}
		if kind == "subscribe" && g.chance(4) {
			rule += " " + g.pick("p.>", "q.A.*", "*.B.*", "q.C.1", ">")
		}
		rules = append(rules, fmt.Sprintf("%q", rule))
	}
	return strings.Join(rules, ", ")
}
