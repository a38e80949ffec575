package logtext

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// Switch passes records on to a [slog.Handler] that may be replaced while loggers use it. It needs one
// before the first record.
type Switch struct{ to atomic.Pointer[slog.Handler] }

// Set has all records go to handler from now on.
func (s *Switch) Set(handler slog.Handler) { s.to.Store(&handler) }

// Handler returns what loggers write to.
func (s *Switch) Handler() slog.Handler { return &switched{from: s} }

// switched is a handler of a [Switch], or one derived from it.
type switched struct {
	from   *Switch
	derive func(slog.Handler) slog.Handler // nil is the handler itself
	last   atomic.Pointer[derived]
}

// derived is what derive has made of a handler.
type derived struct {
	of      *slog.Handler
	handler slog.Handler
}

// now returns what records go to at this moment.
func (h *switched) now() slog.Handler {
	to := h.from.to.Load()
	if h.derive == nil {
		return *to
	}
	d := h.last.Load()
	if d == nil || d.of != to {
		d = &derived{to, h.derive(*to)}
		h.last.Store(d)
	}
	return d.handler
}

func (h *switched) then(derive func(slog.Handler) slog.Handler) slog.Handler {
	first := h.derive
	if first == nil {
		return &switched{from: h.from, derive: derive}
	}
	return &switched{from: h.from, derive: func(to slog.Handler) slog.Handler { return derive(first(to)) }}
}

// Enabled implements [slog.Handler].
func (h *switched) Enabled(ctx context.Context, level slog.Level) bool {
	return h.now().Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *switched) Handle(ctx context.Context, r slog.Record) error { return h.now().Handle(ctx, r) }

// WithAttrs implements [slog.Handler].
func (h *switched) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.then(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h *switched) WithGroup(name string) slog.Handler {
	return h.then(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}
