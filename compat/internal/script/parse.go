// Package script plays conversations between clients and a broker, written down as text, and
// compares what different brokers answer.
//
// A file holds scripts that each begin with a line "=== name". The lines of a script are:
//
//	# text              a comment
//	server key=value    settings of the server, see the broker package
//	| text              a line of its configuration file, in which @nkey(alice) is the public key of
//	                    alice
//	config FILE         has the configuration file begin with another, beside the script
//	option word...      unordered: the order of messages in a row on one connection is open
//	                    anysid: so is the subscription ID that a message comes with
//	                    pings: PINGs that the server sends by its own clock are recorded
//	                    timed: the server is to act by its own clock, so wait for longer
//	                    manual: -update leaves the script as it is
//	                    torn: nats-server itself answers otherwise if the input is cut
//	                    free: anything may arrive while connections are synchronised
//	                    settled: only the second PONG of a synchronisation is recorded, so that
//	                    nothing that comes can be on either side of one
//	pool A B ...        the messages these connections get count together, as one sorted list
//	differs reason      shoal is meant to differ here: "A<shoal" lines tell how
//
//	open A              connects; any other line that names a new connection does so too
//	socket R            connects to the cluster port, for a server that has a cluster_name; there,
//	                    @ID in what is sent is the server's own ID
//	peer R key=value    does so too and joins as another server, called R, whose INFO has these
//	                    keys in addition; what it joins with is taken for granted
//	A> bytes            sends, with the escapes of [unescape]; @nkey(alice) is the public key of
//	                    alice, @sig(alice) the nonce of the first INFO, signed with the other one,
//	                    @reply(1) the first subject to which the server has a service answer
//	every 10ms 5x A> bytes   sends five times at that pace
//	eof A               closes the sending half
//	close A             closes
//	sync                has all open connections exchange PING and PONG twice, so that nothing else
//	                    can be under way; this also happens at the end of a script
//	A< op               waits for this to arrive next; "A< 3x op" waits for three of them,
//	                    whose number is \# in the op
//	pool< 5             waits until the pool has got five more messages
//
// An op is a line or message that the server sent, less its final CRLF, or <EOF> for the end of
// the connection. INFO is shown with its unusual fields only, and the first one of a connection is
// taken for granted.
package script

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"shoal/compat/internal/broker"
)

// Script is one conversation.
type Script struct {
	// Name is the title, and File and Line where it is written.
	Name, File string
	Line       int
	// Settings are those of the server to play it against.
	Settings broker.Settings
	// Differs is why shoal is meant to answer differently, or empty.
	Differs string

	options map[string]bool
	pool    []string
	routes  []string
	steps   []step
	lines   []string
}

// String is the text of the script.
func (s *Script) String() string { return strings.Join(s.lines, "\n") + "\n" }

// Torn tells whether nats-server would not pass the script if its input were cut, so that it can
// only be the oracle.
func (s *Script) Torn() bool { return s.options["torn"] }

// Timed tells whether the script is about timers, and so takes its time.
func (s *Script) Timed() bool { return s.options["timed"] }

// HalfCloses reports whether a connection closes its sending half and goes on to read, for which WebSocket
// has nothing.
func (s *Script) HalfCloses() bool {
	return slices.ContainsFunc(s.steps, func(s step) bool { return s.verb == sendEOF })
}

// Routed tells whether other servers take part.
func (s *Script) Routed() bool { return len(s.routes) > 0 }

type verb int

const (
	open verb = iota
	send
	sendEOF
	closing
	joinRoute
	expect
	expectPool
	syncAll
)

// step is one thing to do. Consecutive expectations for one connection are one step.
type step struct {
	verb verb
	line int
	conn string
	// only names the one kind of server that an expectation is for.
	only string
	data []byte
	ops  []string
	// count is how often to send, or how many messages the pool is to get.
	count int
	pace  time.Duration
}

var knownOptions = map[string]bool{"unordered": true, "anysid": true, "pings": true, "timed": true, "manual": true, "torn": true, "free": true, "settled": true}

var (
	sendForm   = regexp.MustCompile(`^(?:every (\S+) (\d+)x )?(\w+)> ?(.*)$`)
	expectForm = regexp.MustCompile(`^(\w+)<([\w-]*) ?(?:(\d+)x )?(.*)$`)
	simpleForm = regexp.MustCompile(`^(open|eof|close) (\w+)$`)
)

// ReadFile reads the scripts of a file.
func ReadFile(path string) ([]*Script, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(content))
}

// Parse reads scripts; path is for reports.
func Parse(path, content string) ([]*Script, error) {
	var scripts []*Script
	for i, line := range strings.Split(strings.TrimSuffix(content, "\n"), "\n") {
		if name, ok := strings.CutPrefix(line, "=== "); ok {
			scripts = append(scripts, &Script{
				Name: name, File: path, Line: i + 1, Settings: broker.Settings{}, options: map[string]bool{},
			})
		}
		if len(scripts) == 0 {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			return nil, fmt.Errorf("%s:%d: no script has begun", path, i+1)
		}
		s := scripts[len(scripts)-1]
		s.lines = append(s.lines, line)
		if err := s.parseLine(line, i+1); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
	}
	return scripts, nil
}

func (s *Script) parseLine(line string, number int) error {
	keyword, rest, _ := strings.Cut(line, " ")
	switch keyword {
	case "", "#", "===":
		return nil
	case "server":
		settings, err := broker.Parse(rest)
		maps.Copy(s.Settings, settings)
		return err
	case "|":
		s.Settings.AddConfig(string(fillKeys([]byte(rest), "")) + "\n")
		return nil
	case "config":
		content, err := os.ReadFile(filepath.Join(filepath.Dir(s.File), rest))
		s.Settings.AddConfig(string(fillKeys(content, "")))
		return err
	case "option":
		for option := range strings.FieldsSeq(rest) {
			if !knownOptions[option] {
				return fmt.Errorf("option %q is not known", option)
			}
			s.options[option] = true
		}
		return nil
	case "sync":
		s.steps = append(s.steps, step{verb: syncAll, line: number})
		return nil
	case "pool":
		s.pool = strings.Fields(rest)
		return nil
	case "differs":
		s.Differs = rest
		return nil
	case "socket":
		s.routes = append(s.routes, rest)
		s.steps = append(s.steps, step{verb: open, line: number, conn: rest})
		return nil
	case "peer":
		name, fields, _ := strings.Cut(rest, " ")
		s.routes = append(s.routes, name)
		s.steps = append(s.steps, step{verb: joinRoute, line: number, conn: name, data: greeting(name, fields)})
		return nil
	}
	if match := simpleForm.FindStringSubmatch(line); match != nil {
		verbs := map[string]verb{"open": open, "eof": sendEOF, "close": closing}
		s.steps = append(s.steps, step{verb: verbs[match[1]], line: number, conn: match[2]})
		return nil
	}
	if match := sendForm.FindStringSubmatch(line); match != nil {
		return s.parseSend(match, number)
	}
	if match := expectForm.FindStringSubmatch(line); match != nil {
		return s.parseExpect(match, number)
	}
	return fmt.Errorf("%q is not understood", line)
}

func (s *Script) parseSend(match []string, number int) (err error) {
	next := step{verb: send, line: number, conn: match[3], count: 1}
	if match[1] != "" {
		if next.pace, err = time.ParseDuration(match[1]); err != nil {
			return err
		}
		if next.count, err = strconv.Atoi(match[2]); err != nil {
			return err
		}
	}
	if next.data, err = unescape(match[4], 0); err != nil {
		return err
	}
	s.steps = append(s.steps, next)
	return nil
}

func (s *Script) parseExpect(match []string, number int) error {
	if match[1] == "pool" {
		count, err := strconv.Atoi(match[4])
		if err != nil {
			return err
		}
		s.steps = append(s.steps, step{verb: expectPool, line: number, count: count})
		return nil
	}
	count, err := 1, error(nil)
	if match[3] != "" {
		if count, err = strconv.Atoi(match[3]); err != nil {
			return err
		}
	}
	last := len(s.steps) - 1
	if last < 0 || s.steps[last].verb != expect || s.steps[last].conn != match[1] || s.steps[last].only != match[2] {
		s.steps = append(s.steps, step{verb: expect, line: number, conn: match[1], only: match[2]})
		last++
	}
	for i := range count {
		op, err := unescape(match[4], i+1)
		if err != nil {
			return err
		}
		s.steps[last].ops = append(s.steps[last].ops, string(op))
	}
	return nil
}
