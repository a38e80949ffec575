package logtext

import (
	"errors"
	"fmt"
	"log/slog"
	"log/syslog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// syslogBacklog is the number of lines that may wait for a collector that is slow or away.
	syslogBacklog = 4096
	// syslogDialTime bounds how long the first connection to it may take.
	syslogDialTime = 5 * time.Second
	// syslogPatience is how long they are waited for at the end.
	syslogPatience = time.Second
)

// Syslog sends lines to a collector. Nobody waits for it: lines that find no room are dropped, and their
// number is told later.
type Syslog struct {
	writer *syslog.Writer
	lines  chan syslogLine
	done   chan struct{}

	mu     sync.Mutex // guards the rest, and sending to lines
	closed bool
	lost   int
}

type syslogLine struct {
	level slog.Level
	text  string
}

// OpenSyslog connects to the collector at address, udp://host:port, tcp://host:port or unix:///path, or to
// that of this machine if it is empty.
func OpenSyslog(address string) (*Syslog, error) {
	var network, where string
	if address != "" {
		var err error
		if network, where, err = ParseSyslog(address); err != nil {
			return nil, err
		}
		// The writer would wait for as long as the system does, which is minutes.
		probe, err := net.DialTimeout(network, where, syslogDialTime)
		if err != nil {
			return nil, err
		}
		probe.Close()
	}
	writer, err := syslog.Dial(network, where, syslog.LOG_DAEMON|syslog.LOG_NOTICE, filepath.Base(os.Args[0]))
	if err != nil {
		return nil, err
	}
	s := &Syslog{writer: writer, lines: make(chan syslogLine, syslogBacklog), done: make(chan struct{})}
	go s.run() // ends with Close
	return s, nil
}

// ParseSyslog returns the network and the address in the URL of a collector.
func ParseSyslog(address string) (network, where string, err error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.User != nil:
	case slices.Contains([]string{"udp", "tcp"}, u.Scheme) && u.Hostname() != "" && u.Port() != "":
		return u.Scheme, u.Host, nil
	case slices.Contains([]string{"unix", "unixgram"}, u.Scheme) && u.Path != "":
		return u.Scheme, u.Path, nil
	}
	return "", "", errors.New("is not the address of a syslog, write it like udp://127.0.0.1:514, tcp://host:514 or unixgram:///dev/log")
}

// NewSyslogHandler returns a handler that sends lines to s, which adds time and process number.
func NewSyslogHandler(s *Syslog, options Options) *Handler {
	return &Handler{options: options, bare: true, out: &output{write: s.offer}}
}

// offer queues a line.
func (s *Syslog) offer(level slog.Level, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	select {
	case s.lines <- syslogLine{level, string(line)}:
	default:
		s.lost++
	}
}

// run sends lines until there are no more.
func (s *Syslog) run() {
	defer close(s.done)
	for l := range s.lines {
		if s.send(l) != nil {
			s.lose(1)
			continue
		}
		lost := s.lose(0)
		if lost > 0 && s.send(syslogLine{slog.LevelWarn, fmt.Sprintf("%d lines are missing here, the syslog was away or too slow", lost)}) == nil {
			s.lose(-lost)
		}
	}
	s.writer.Close()
}

// lose adds to the number of lines that are lost, and returns it.
func (s *Syslog) lose(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += n
	return s.lost
}

// send waits for the collector. Whom it cannot reach it tries to reach again by itself the next time.
func (s *Syslog) send(l syslogLine) error {
	to := s.writer.Notice
	switch levelName(l.level) {
	case "DBG":
		to = s.writer.Debug
	case "WRN":
		to = s.writer.Warning
	case "ERR":
		to = s.writer.Err
	case "FTL":
		to = s.writer.Crit
	}
	return to(l.text)
}

// Close sends what waits, unless the collector takes too long, and disconnects.
func (s *Syslog) Close() {
	s.mu.Lock()
	s.closed = true
	close(s.lines)
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(syslogPatience):
	}
}
