package script

import (
	"fmt"
	"slices"
	"strings"
)

// Transcript is what a replay's connections received.
type Transcript struct {
	conns []string
	ops   map[string][]string
}

// Mismatch tells that something else arrived than the script expects.
type Mismatch struct {
	file     string
	line     int
	conn     string
	expected string
	got      []string
}

func (m *Mismatch) Error() string {
	got := "nothing more"
	if len(m.got) > 0 {
		got = strings.Join(describe(m.got), "\n  ")
	}
	where := fmt.Sprintf("%s:%d", m.file, m.line)
	if m.line == 0 {
		where = m.file
	}
	return fmt.Sprintf("%s: %s expected\n  %s\nbut got\n  %s", where, m.conn, m.expected, got)
}

// mismatch makes an error of what a connection, or without one the pool, has got since the last
// step, including what comes in a moment.
func (p *player) mismatch(line int, c *conn, expected string) error {
	p.wait(surpriseTime, func() bool { return false })
	m := &Mismatch{file: p.script.File, line: line, conn: "pool", expected: expected}
	if c != nil {
		m.conn, m.got = c.name, c.fresh()
	}
	return m
}

// transcript collects what arrived, in the order in which the script allows to compare it.
func (p *player) transcript() Transcript {
	t := Transcript{ops: map[string][]string{}}
	for _, c := range p.conns {
		ops := c.all()
		if c.closed {
			ops = ops[:c.seen]
		}
		t.conns = append(t.conns, c.name)
		t.ops[c.name] = p.script.arrange(ops)
	}
	if p.pool != nil {
		p.poolMutex.Lock()
		t.ops["pool"] = slices.Sorted(slices.Values(p.pool))
		p.poolMutex.Unlock()
		t.conns = append(t.conns, "pool")
	}
	return t
}

// invalidPublish is a complaint that nats-server repeats if it happens to read the payload later
// than the line, which is not the case in all runs. In free scripts it counts once.
const invalidPublish = "-ERR 'Invalid Publish Subject'"

// noResponders marks a message that goes to any one of several subscriptions to the reply.
const noResponders = "\r\nNATS/1.0 503\r\n"

// arrange brings ops in the order in which the script allows to compare them.
func (s *Script) arrange(ops []string) []string {
	if !s.options["unordered"] && !s.options["anysid"] {
		return ops
	}
	ops = slices.Clone(ops)
	if s.options["free"] {
		ops = slices.CompactFunc(ops, func(a, b string) bool { return a == b && a == invalidPublish })
		for i, op := range ops {
			if isMessage(op) && strings.Contains(op, noResponders) {
				ops[i] = anySID(op)
			}
		}
	}
	for i := 0; i < len(ops); {
		end := i
		for ; end < len(ops) && (isMessage(ops[end]) || isInterest(ops[end])); end++ {
			if s.options["anysid"] && isMessage(ops[end]) {
				ops[end] = anySID(ops[end])
			}
		}
		if s.options["unordered"] {
			slices.Sort(ops[i:end])
		}
		i = max(end, i+1)
	}
	return ops
}

// Diff describes how another transcript differs; it is empty if it does not.
func (t Transcript) Diff(other Transcript) string {
	var out strings.Builder
	for _, name := range t.conns {
		if !slices.Equal(t.ops[name], other.ops[name]) {
			fmt.Fprintf(&out, "%s received\n  %s\ninstead of\n  %s\n", name,
				strings.Join(describe(other.ops[name]), "\n  "), strings.Join(describe(t.ops[name]), "\n  "))
		}
	}
	return out.String()
}

// String shows all of the transcript.
func (t Transcript) String() string {
	var out strings.Builder
	for _, name := range t.conns {
		for _, op := range describe(t.ops[name]) {
			fmt.Fprintf(&out, "%s< %s\n", name, op)
		}
	}
	return out.String()
}

// describe writes ops as the lines of a script do, several equal ones in a row as one line.
func describe(ops []string) []string {
	var lines []string
	for i := 0; i < len(ops); {
		end := i + 1
		for end < len(ops) && ops[end] == ops[i] {
			end++
		}
		op := ops[i]
		if strings.HasPrefix(op, "INFO ") {
			op = shortInfo(op)
		}
		line := escape([]byte(op))
		if end-i > 1 {
			line = fmt.Sprintf("%dx %s", end-i, line)
		}
		lines = append(lines, line)
		i = end
	}
	return lines
}
