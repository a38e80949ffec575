package loadtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Mode is who talks to whom.
type Mode string

const (
	// PubSub gives every message to every subscriber.
	PubSub Mode = "pubsub"
	// Queue makes the subscribers one queue group: each message goes to one of them.
	Queue Mode = "queue"
	// Request has publishers ask, and subscribers, again as one queue group, answer.
	Request Mode = "request"
)

// Target is a server to connect to.
type Target struct {
	// URL names the server towards people; it has no credentials.
	URL string
	// Address is its host:port.
	Address string
	// User and Password, or Token, are the credentials.
	User, Password, Token string
	// TLS is set for a server that wants TLS.
	TLS *tls.Config
	// TLSFirst has the handshake come before INFO.
	TLSFirst bool
}

// Config says what to measure.
type Config struct {
	// Targets are the servers. Clients are spread over them in turn, publishers first.
	Targets []Target
	Mode    Mode
	// Pubs and Subs are the numbers of clients. Without subscribers, PubSub measures publishing
	// alone, and Request asks somebody else's service.
	Pubs, Subs int
	// Size is the length of a payload in bytes, at least [MinSize] unless the Mode is Request.
	Size int
	// Subject is where messages go, or what their subjects begin with if there are several.
	Subject string
	// Subjects is the number of different subjects, which each publisher uses in turn.
	Subjects int
	// Group is the name of the queue group.
	Group string
	// Rate paces all publishers together, in messages per second; 0 is full speed.
	Rate int
	// Msgs ends the run after so many messages, all publishers together. If it is 0, Duration does.
	Msgs     int
	Duration time.Duration
	// Warmup comes before all that and does not count.
	Warmup time.Duration
	// InFlight bounds what each publisher has under way at full speed; 0 is a sensible default.
	InFlight int
	// Timeout bounds the wait for a server when connecting, and for the next message that is due.
	Timeout time.Duration
}

// MinSize is the shortest payload that has room for what the receivers check.
const MinSize = stampSize

// maxPairs bounds the memory for the checks: every subscriber keeps books about every publisher.
const maxPairs = 1_000_000

// Validate reports what cannot be measured, beginning with the name of the field in lower case. It
// needs no targets.
func (c *Config) Validate() error {
	switch {
	case c.Mode != Request && c.Size < MinSize:
		return fmt.Errorf("size: %d is too little, a message carries its number and time in %d bytes", c.Size, MinSize)
	case c.Mode == Queue && c.Subs == 0:
		return errors.New("subs: a queue group needs subscribers")
	case c.Msgs > 0 && c.Msgs < c.Pubs:
		return fmt.Errorf("msgs: %d is too little for %d publishers", c.Msgs, c.Pubs)
	case c.Mode == PubSub && c.Pubs*c.Subs > maxPairs:
		return fmt.Errorf("subs: %d times %d publishers is too much, at most %d pairs can be checked", c.Subs, c.Pubs, maxPairs)
	}
	return nil
}

// window returns how many messages a publisher may have under way.
func (c *Config) window() int {
	switch {
	case c.InFlight > 0:
		return c.InFlight
	case c.Mode == Request:
		return 1
	}
	// Enough to keep everybody busy, and well below what a server holds for a receiver before it
	// gives up on it, which is 64 MB by default. More would not be faster, only longer under way.
	return max(1, min(max(windowBytes/(c.Size+perMessage), minWindow), maxWindow)/c.Pubs)
}

// The default window of all publishers together.
const (
	windowBytes = 1 << 20
	perMessage  = 64 // roughly what the protocol adds to a payload
	minWindow   = 8
	maxWindow   = 8 << 10
)

// subject returns the name of one of the subjects.
func (c *Config) subject(i int) string {
	if c.Subjects <= 1 {
		return c.Subject
	}
	return fmt.Sprintf("%s.%d", c.Subject, i)
}
