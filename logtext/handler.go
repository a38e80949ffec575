// Package logtext writes log records as the lines that operators of NATS servers know:
//
//	[4711] 2026/11/24 01:56:40.009156 [INF] Server is ready
//	[4711] 2026/11/24 01:56:41.731904 [DBG] 127.0.0.1:50312 - cid:7 - Client connection created
//
// A record stays on one line whatever its values contain, so that no client can forge a log line.
package logtext

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// ConnKey is the attribute that names the connection which a record is about. Its value is a group
// with "addr", the peer's address; "cid" or another kind of number; and, once they are known,
// "client" and "account". The handler writes it in front of the message.
const ConnKey = "conn"

// Options choose what is written, and what a line begins with. Records from [slog.LevelInfo] upwards
// are always written.
type Options struct {
	// Debug adds the records of [slog.LevelDebug].
	Debug bool
	// Trace adds the records below debug: the lines of the protocol. It does not imply Debug, since
	// who reads a protocol exchange seldom wants other lines between.
	Trace bool
	// PID is the process number in front of every line.
	PID int
	// NoTime leaves out date and time, for a log collector that adds its own.
	NoTime bool
	// UTC writes times in UTC rather than in the local time zone.
	UTC bool
}

func (o Options) zoned(t time.Time) time.Time {
	if o.UTC {
		return t.UTC()
	}
	return t
}

func (o Options) enabled(level slog.Level) bool {
	switch {
	case level < slog.LevelDebug:
		return o.Trace
	case level < slog.LevelInfo:
		return o.Debug
	default:
		return true
	}
}

// Handler is a [slog.Handler] that writes one line for a record, with one Write.
type Handler struct {
	options Options
	bare    bool // without process number, time and level, which others add
	out     *output
	conn    *slog.Value // the connection that WithAttrs fixed, nil without one
	attrs   []byte      // the attributes that WithAttrs fixed, as text
	group   string      // the prefix of keys that WithGroup fixed: "a.b."
}

// output is shared by a handler and those derived from it.
type output struct {
	mu    sync.Mutex // keeps the lines of concurrent records apart
	write func(level slog.Level, line []byte)
}

// NewHandler returns a handler that writes to w.
func NewHandler(w io.Writer, options Options) *Handler {
	return &Handler{options: options, out: &output{write: func(_ slog.Level, line []byte) { _, _ = w.Write(line) }}}
}

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.options.enabled(level)
}

// Handle implements [slog.Handler]. It reports no error: a log that cannot be written must not
// disturb whoever had something to say.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	buf := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxPooledBuffer {
			buffers.Put(buf)
		}
	}()
	line := (*buf)[:0]
	if !h.bare {
		line = h.appendHead(line, &r)
	}
	conn := h.conn
	if h.group == "" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == ConnKey {
				conn = &a.Value
			}
			return true
		})
	}
	if conn != nil {
		line = appendConn(line, *conn)
	}
	line = appendClean(line, r.Message)
	line = append(line, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != ConnKey || h.group != "" {
			line = appendAttr(line, h.group, a)
		}
		return true
	})
	line = append(line, '\n')
	*buf = line

	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.write(r.Level, line)
	return nil
}

// appendHead writes what a line begins with.
func (h *Handler) appendHead(line []byte, r *slog.Record) []byte {
	line = append(line, '[')
	line = strconv.AppendInt(line, int64(h.options.PID), 10)
	line = append(line, "] "...)
	if !h.options.NoTime && !r.Time.IsZero() {
		line = h.options.zoned(r.Time).AppendFormat(line, "2006/01/02 15:04:05.000000 ")
	}
	line = append(line, '[')
	line = append(line, levelName(r.Level)...)
	return append(line, "] "...)
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *h
	derived.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		if a.Key == ConnKey && h.group == "" {
			// Left unresolved: a connection learns its client's name later on.
			derived.conn = &a.Value
			continue
		}
		derived.attrs = appendAttr(derived.attrs, h.group, a)
	}
	return &derived
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	derived := *h
	derived.group += name + "."
	return &derived
}

// maxPooledBuffer keeps the memory of one long traced message from staying in the pool.
const maxPooledBuffer = 16 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 512)
	return &b
}}

// levelName returns the three letters of a level. Levels between the named ones count as the one
// below them, levels below debug as trace, and those above error as fatal.
func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelDebug:
		return "TRC"
	case level < slog.LevelInfo:
		return "DBG"
	case level < slog.LevelWarn:
		return "INF"
	case level < slog.LevelError:
		return "WRN"
	case level == slog.LevelError:
		return "ERR"
	default:
		return "FTL"
	}
}

// appendConn writes `addr - cid:7 - "client" - "account" - `.
func appendConn(line []byte, v slog.Value) []byte {
	v = v.Resolve()
	if v.Kind() != slog.KindGroup {
		line = appendClean(line, v.String())
		return append(line, " - "...)
	}
	for _, a := range v.Group() {
		text := a.Value.Resolve()
		switch a.Key {
		case "addr":
			line = appendClean(line, text.String())
		case "client", "account":
			if text.String() == "" {
				continue
			}
			line = strconv.AppendQuote(line, text.String())
		default:
			line = appendClean(line, a.Key)
			line = append(line, ':')
			line = appendValue(line, text)
		}
		line = append(line, " - "...)
	}
	return line
}

func appendAttr(line []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return line
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			line = appendAttr(line, prefix, member)
		}
		return line
	}
	line = append(line, ' ')
	line = appendQuoted(line, prefix+a.Key)
	line = append(line, '=')
	return appendValue(line, v)
}

func appendValue(line []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(line, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(line, v.Uint64(), 10)
	case slog.KindTime:
		return v.Time().AppendFormat(line, time.RFC3339Nano)
	default:
		return appendQuoted(line, v.String())
	}
}
