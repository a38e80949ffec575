package script

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// opTimeout bounds the wait for something that a server sends at once.
	opTimeout = 10 * time.Second
	// timedTimeout bounds it for what a server sends when some timer of a second or so fires.
	timedTimeout = 45 * time.Second
	// surpriseTime is how long to collect more for the report after something unexpected.
	surpriseTime = 300 * time.Millisecond
	// quietTime is how long nothing must happen for a recording to take a step as done.
	quietTime = 150 * time.Millisecond
)

// Target is a server to play a script against.
type Target struct {
	// Kind is the name of the kind of server, for expectations that are for one only.
	Kind string
	// Client and Cluster are the host:port for clients and, if any, for routes.
	Client, Cluster string
	// WebSocket has clients speak in WebSocket messages.
	WebSocket bool
}

// player is one replay of a script.
type player struct {
	script *Script
	target Target
	cut    Cut
	conns  []*conn
	// sent is the number of steps that have sent something.
	sent int
	// changed wakes the player after something has arrived.
	changed chan struct{}

	replies   replies
	poolMutex sync.Mutex
	pool      []string
	poolSeen  int

	// recorded is, while recording, what each step led to.
	recorded map[int][]string
}

// Play replays the script against a server and returns what its connections received. The error
// is of type [*Mismatch] if that is not what the script expects.
func (s *Script) Play(target Target, cut Cut) (Transcript, error) {
	p := &player{script: s, target: target, cut: cut, changed: make(chan struct{}, 1)}
	defer p.closeAll()
	err := p.run()
	return p.transcript(), err
}

// Record replays the script against a server and returns its text with the expectations replaced
// by what happened.
func (s *Script) Record(target Target) (string, error) {
	if s.options["manual"] || s.Differs != "" {
		return s.String(), nil
	}
	p := &player{script: s, target: target, cut: Whole, changed: make(chan struct{}, 1), recorded: map[int][]string{}}
	defer p.closeAll()
	if err := p.run(); err != nil {
		return "", err
	}
	var out strings.Builder
	for i, line := range s.lines {
		if match := expectForm.FindStringSubmatch(line); match != nil && !sendForm.MatchString(line) && !strings.HasPrefix(line, "#") {
			continue
		}
		fmt.Fprintln(&out, line)
		for _, expectation := range p.recorded[s.Line+i] {
			fmt.Fprintln(&out, expectation)
		}
	}
	return out.String(), nil
}

func (p *player) run() error {
	for _, step := range p.script.steps {
		var err error
		switch step.verb {
		case expect, expectPool:
			if p.recorded == nil {
				err = p.expect(step)
			}
		case syncAll:
			err = p.syncAll()
		default:
			if err = p.act(step); err == nil && p.recorded != nil {
				p.record(step)
			}
		}
		if err != nil {
			return err
		}
	}
	return p.syncAll()
}

// syncAll synchronises all connections twice. The second time covers what the inputs of other
// connections led to. The connection that has sent last is the first, so that others get its
// messages before their PONG.
func (p *player) syncAll() error {
	for round := range 2 {
		ordered := slices.Clone(p.conns)
		slices.SortStableFunc(ordered, func(a, b *conn) int { return cmp.Compare(b.lastSent, a.lastSent) })
		for _, c := range ordered {
			sync := p.sync
			if round == 0 && p.script.options["settled"] {
				sync = p.syncHidden
			}
			if err := sync(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// act carries out a step that is not an expectation.
func (p *player) act(step step) error {
	c, err := p.conn(step.conn, step.line)
	if err != nil {
		return err
	}
	switch step.verb {
	case joinRoute:
		return p.join(c, step.data)
	case send:
		p.sent++
		c.lastSent = p.sent
		for i := range step.count {
			if i > 0 {
				time.Sleep(step.pace)
			}
			c.send(c.fill(step.data), p.cut)
		}
	case sendEOF:
		c.sendEOF()
	case closing:
		c.close()
	}
	return nil
}

// conn returns the connection of that name; a new one has got its INFO.
func (p *player) conn(name string, line int) (*conn, error) {
	for _, c := range p.conns {
		if c.name == name {
			return c, nil
		}
	}
	c, err := dial(name, p.target, slices.Contains(p.script.routes, name), p.script.options["pings"], &p.replies, p.changed)
	if err != nil {
		return nil, err
	}
	if slices.Contains(p.script.pool, name) {
		c.divert = p.addToPool
	}
	go c.record()
	p.conns = append(p.conns, c)
	if !p.wait(opTimeout, func() bool { return len(c.all()) > 0 }) || !strings.HasPrefix(c.all()[0], "INFO ") {
		return nil, p.mismatch(line, c, "an INFO")
	}
	c.seen = 1
	return c, nil
}

// join has a connection to the cluster port become a route.
func (p *player) join(c *conn, greeting []byte) error {
	c.send(greeting, p.cut)
	// What the server asks is answered when its answer to the first PING is there, so that after
	// the second one both sides hold the route for good.
	for range 2 {
		if err := p.syncHidden(c); err != nil {
			return err
		}
	}
	return nil
}

// syncHidden exchanges PING and PONG as if nothing had happened.
func (p *player) syncHidden(c *conn) error {
	before := c.hidePong()
	c.send([]byte("PING\r\n"), Whole)
	if !p.wait(opTimeout, func() bool { return c.hiddenPongs() > before || !c.alive() }) {
		return p.mismatch(0, c, "PONG")
	}
	return nil
}

func (p *player) addToPool(op string) bool {
	if !isMessage(op) {
		return false
	}
	p.poolMutex.Lock()
	defer p.poolMutex.Unlock()
	if p.script.options["anysid"] {
		op = anySID(op)
	}
	p.pool = append(p.pool, op)
	return true
}

func (p *player) pooled() int {
	p.poolMutex.Lock()
	defer p.poolMutex.Unlock()
	return len(p.pool)
}

// expect waits for what a step expects.
func (p *player) expect(step step) error {
	if step.only != "" && step.only != p.target.Kind {
		return nil
	}
	timeout := opTimeout
	if p.script.options["timed"] {
		timeout = timedTimeout
	}
	if step.verb == expectPool {
		p.wait(timeout, func() bool { return p.pooled() >= p.poolSeen+step.count })
		if got := p.pooled() - p.poolSeen; got != step.count {
			return p.mismatch(step.line, nil, fmt.Sprintf("%d messages in the pool, not %d", step.count, got))
		}
		p.poolSeen += step.count
		return nil
	}
	c, err := p.conn(step.conn, step.line)
	if err != nil {
		return err
	}
	p.wait(timeout, func() bool {
		got := c.fresh()
		return len(got) >= len(step.ops) || !c.alive() ||
			!p.script.options["unordered"] && !p.equal(step.ops[:len(got)], got)
	})
	got := c.fresh()
	if len(got) < len(step.ops) || !p.equal(step.ops, got[:len(step.ops)]) {
		return p.mismatch(step.line, c, strings.Join(describe(step.ops), "\n  "))
	}
	c.seen += len(step.ops)
	return nil
}

// equal compares ops with expected ones.
func (p *player) equal(expected, got []string) bool {
	expected, got = p.script.arrange(expected), p.script.arrange(got)
	return slices.EqualFunc(expected, got, matches)
}

// sync exchanges PING and PONG, before which nothing but a new INFO may arrive unless the script
// says so. A connection that has ended must have been expected to.
func (p *player) sync(c *conn) error {
	if !c.alive() {
		if !c.closed && len(c.fresh()) > 0 && !p.script.options["free"] {
			return p.mismatch(0, c, "nothing more")
		}
		return nil
	}
	c.send([]byte("PING\r\n"), Whole)
	for synced := false; !synced; c.seen++ {
		if !p.wait(opTimeout, func() bool { return len(c.fresh()) > 0 }) {
			return p.mismatch(0, c, "PONG at the end")
		}
		op := c.fresh()[0]
		synced = op == "PONG" || op == ended && p.script.options["free"]
		if !synced && !p.script.options["free"] && !strings.HasPrefix(op, "INFO ") {
			return p.mismatch(0, c, "nothing but PONG and INFO at the end")
		}
	}
	return nil
}

// wait waits until the condition holds.
func (p *player) wait(timeout time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for !condition() {
		select {
		case <-p.changed:
		case <-deadline.C:
			return condition()
		}
	}
	return true
}

// record notes what a step led to, once nothing more seems to come.
func (p *player) record(step step) {
	for before := p.received(); p.wait(quietTime, func() bool { return p.received() != before }); {
		before = p.received()
	}
	var lines []string
	for _, c := range p.conns {
		fresh := c.fresh()
		if c.closed {
			continue
		}
		c.seen += len(fresh)
		for _, op := range describe(p.script.arrange(fresh)) {
			lines = append(lines, c.name+"< "+op)
		}
	}
	if n := p.pooled() - p.poolSeen; n > 0 {
		lines = append(lines, fmt.Sprintf("pool< %d", n))
		p.poolSeen += n
	}
	p.recorded[step.line] = append(p.recorded[step.line], lines...)
}

// received is the number of ops that have arrived on all connections.
func (p *player) received() int {
	count := p.pooled()
	for _, c := range p.conns {
		count += len(c.all())
	}
	return count
}

func (p *player) closeAll() {
	for _, c := range p.conns {
		c.close()
	}
}
