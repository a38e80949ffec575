package membership

import (
	"context"
	"log"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// libraryLog turns the lines that memberlist and serf write into records: with a level, on one line, and
// not the same thing more often than once in a while.
type libraryLog struct {
	log     *slog.Logger
	limit   *limiter
	refused atomic.Uint64     // lines about input that made no sense
	noUDP   func(name string) // a member answers over TCP but not over UDP
	missed  func(name string) // a member has not answered a probe in any way
}

// logger returns what the libraries write to.
func (l *libraryLog) logger() *log.Logger { return log.New(l, "", 0) }

// nonsense is what lines about input contain that no member has sent, or one that has another key.
var nonsense = []string{
	"Decrypt packet failed", "Decrypt message failed", "discarding packet", "discarding stream", "cannot decode label", "label header",
	"not supported", "Failed to decode", "Error decoding", "invalid checksum", "truncated", "failed to receive",
	"Received invalid msgType", "received invalid msgType", "Failed to read remote state", "Failed to decompress",
	"missing message type", "unknown type", "bad type prefix", "zero bytes", "Failed to receive", "protocol version(s) are wrong",
	"Got ping for unexpected node", "is not present", "decode remote state",
}

// quiet is what this package says better itself, or what says nothing.
var quiet = []string{
	"EventMember",               // the caller sees it in the list of members
	"Failed push/pull merge",    // admission has said which member and why
	"ignoring alive message",    // the same
	"Shutdown without a Leave",  // the caller has asked for it
	"Binding to public address", // whoever knows the flags warns better
	"reply for non-running",     // an answer that came late
	"query reply ID mismatch",
	"old query", "old event", "Refuting", "forgoing reconnect", "attempting reconnect",
	"Push/Pull with", "Marking", "Failed fallback", "Failed UDP ping",
}

var notAnswered = regexp.MustCompile(`memberlist: Suspect (\S+) has failed, no acks received`)

var udpBlocked = regexp.MustCompile(`Was able to connect to (\S+) over TCP but UDP probes failed`)

// Write implements io.Writer for one line.
func (l *libraryLog) Write(p []byte) (int, error) {
	line := strings.Join(strings.Fields(string(p)), " ")
	level := slog.LevelInfo
	if rest, ok := strings.CutPrefix(line, "["); ok {
		name, text, _ := strings.Cut(rest, "] ")
		line = text
		switch name {
		case "DEBUG", "TRACE":
			level = slog.LevelDebug
		case "WARN", "ERR", "ERROR":
			// Nothing that goes wrong in gossip is an error of this node: it is tried again.
			level = slog.LevelWarn
		}
	}
	if m := udpBlocked.FindStringSubmatch(line); m != nil {
		l.noUDP(m[1])
		return len(p), nil
	}
	if m := notAnswered.FindStringSubmatch(line); m != nil {
		l.missed(m[1])
		level = slog.LevelDebug
	}
	if level > slog.LevelDebug {
		if containsAny(line, nonsense) {
			l.refused.Add(1)
			if held, ok := l.limit.allow("nonsense", time.Now()); ok {
				l.log.Warn("Refused gossip that makes no sense here, or is sealed with another key", "detail", explain(line), "repeated", held)
			}
			return len(p), nil
		}
		if containsAny(line, quiet) {
			level = slog.LevelDebug
		}
	}
	if !l.log.Enabled(context.Background(), level) {
		return len(p), nil
	}
	if held, ok := l.limit.allow(lineKind(line), time.Now()); ok {
		l.log.Log(context.Background(), level, "Gossip: "+line, "repeated", held)
	}
	return len(p), nil
}

// lineKind returns what lines have in common that differ in names and numbers only.
func lineKind(line string) string {
	words := strings.Fields(line)
	return strings.Join(words[:min(4, len(words))], " ")
}

// explanations say in our words what memberlist means.
var explanations = []struct{ theirs, ours string }{
	{"remote error: no installed keys could decrypt", "the server there does not have our gossip key"},
	{"no installed keys could decrypt", "it uses another gossip key"},
	{"remote error: remote state is encrypted", "the server there has no gossip key, and we have one"},
	{"remote state is encrypted and encryption is not configured", "it has a gossip key, and this server has none"},
	{"remote error: encryption is configured", "the server there has a gossip key, and this server has none"},
	{"encryption is configured but remote state is not encrypted", "it has no gossip key, and this server has one"},
	{"unacceptable label", "it is gossip of another program"},
	{"EOF", "the connection was closed without an answer; is it a shoal server with the same gossip key?"},
}

// explain says what a message of memberlist means. It keeps the message, in which the addresses are.
func explain(text string) string {
	for _, e := range explanations {
		if strings.Contains(text, e.theirs) {
			return e.ours + " (" + text + ")"
		}
	}
	return text
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
