package logtext

import (
	"context"
	"io"
	"log/slog"
	"math"
)

// NewJSONHandler returns a handler that writes a record as one JSON object on a line, for machines.
// It honours the same options, and names the levels that [slog] only numbers.
func NewJSONHandler(w io.Writer, options Options) slog.Handler {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: slog.Level(math.MinInt), // jsonHandler decides
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.TimeKey:
				switch {
				case a.Value.Kind() != slog.KindTime:
				case options.NoTime:
					return slog.Attr{}
				default:
					return slog.Time(slog.TimeKey, options.zoned(a.Value.Time()))
				}
			case slog.LevelKey:
				if level, ok := a.Value.Any().(slog.Level); ok {
					return slog.String(slog.LevelKey, longLevelName(level))
				}
			}
			return a
		},
	})
	return jsonHandler{handler, options}.WithAttrs([]slog.Attr{slog.Int("pid", options.PID)})
}

// jsonHandler narrows the handler of the standard library to the levels of Options, which are not
// one threshold.
type jsonHandler struct {
	slog.Handler
	options Options
}

func (h jsonHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.options.enabled(level)
}

func (h jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return jsonHandler{h.Handler.WithAttrs(attrs), h.options}
}

func (h jsonHandler) WithGroup(name string) slog.Handler {
	return jsonHandler{h.Handler.WithGroup(name), h.options}
}

func longLevelName(level slog.Level) string {
	switch levelName(level) {
	case "TRC":
		return "TRACE"
	case "FTL":
		return "FATAL"
	case "ERR":
		return slog.LevelError.String()
	case "WRN":
		return slog.LevelWarn.String()
	case "DBG":
		return slog.LevelDebug.String()
	default:
		return slog.LevelInfo.String()
	}
}
