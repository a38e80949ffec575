package command

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
)

// screen shows messages to a person, or with raw their bare payloads to a program.
type screen struct {
	w   *bufio.Writer
	raw bool
	n   int // messages shown
}

func newScreen(w io.Writer, raw bool) *screen {
	return &screen{w: bufio.NewWriterSize(w, 64<<10), raw: raw}
}

const (
	clock = "15:04:05.000"
	// margin is where text begins, below the subject: the clock, a blank, a number of up to
	// seven places, and two blanks.
	margin = len(clock) + 1 + 7 + 2
	// maxDump is as much of a binary payload as fits on a screen.
	maxDump = 256
)

// show writes a message:
//
//	14:03:22.123      #1  orders.new  (5 bytes, reply to _INBOX.x)
//	                      Trace-Id: 42
//
//	                      hello
//
// Without a subject the line tells only the size and the notes.
func (s *screen) show(at time.Time, msg *nats.Msg, subject string, notes ...string) {
	s.n++
	if s.raw {
		s.w.Write(msg.Data)
		s.w.WriteByte('\n')
		return
	}
	title := strings.Join(append([]string{counted(len(msg.Data), "byte")}, notes...), ", ")
	if subject != "" {
		title = clean(subject) + "  (" + title + ")"
	}
	fmt.Fprintf(s.w, "%s %7s  %s\n", at.Format(clock), "#"+strconv.Itoa(s.n), title)
	for _, key := range slices.Sorted(maps.Keys(msg.Header)) {
		for _, value := range msg.Header[key] {
			s.line(clean(key) + ": " + clean(value))
		}
	}
	if len(msg.Header) > 0 && len(msg.Data) > 0 {
		s.w.WriteByte('\n')
	}
	if len(msg.Data) == 0 {
		return
	}
	if isText(msg.Data) {
		text := strings.ReplaceAll(strings.TrimRight(string(msg.Data), "\r\n"), "\r\n", "\n")
		for line := range strings.SplitSeq(text, "\n") {
			s.line(line)
		}
		return
	}
	data := msg.Data[:min(len(msg.Data), maxDump)]
	for line := range strings.Lines(hex.Dump(data)) {
		s.line(strings.TrimSuffix(line, "\n"))
	}
	if rest := len(msg.Data) - len(data); rest > 0 {
		s.line(fmt.Sprintf("... and %s more, --raw writes them all", counted(rest, "byte")))
	}
}

func (s *screen) line(text string) {
	fmt.Fprintf(s.w, "%*s%s\n", margin, "", text)
}

// flush brings what was shown onto the screen.
func (s *screen) flush() error {
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	}
	return nil
}

// isText reports whether data can be shown as it is: UTF-8 that neither moves the cursor nor
// changes the direction of what follows.
func isText(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for i, r := range string(data) {
		switch {
		case r == '\n' || r == '\t':
		case r == '\r' && i+1 < len(data) && data[i+1] == '\n':
		case r == '\r' && i+1 == len(data):
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return false
		}
	}
	return true
}

// clean returns text with everything escaped that is not text.
func clean(text string) string {
	if isText([]byte(text)) && !strings.ContainsAny(text, "\r\n\t") {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
