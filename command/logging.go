package command

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"shoal/logtext"
)

// logging is where the server's log goes.
type logging struct {
	*slog.Logger
	file *logtext.File // nil for standard error
}

// openLog opens the log that s asks for.
func openLog(s *settings, stderr io.Writer) (*logging, error) {
	options := logtext.Options{
		Debug:  s.Log.Debug,
		Trace:  s.Log.Trace,
		PID:    os.Getpid(),
		NoTime: !s.Log.Time,
		UTC:    s.Log.UTC,
	}
	if s.Log.Format != "text" && s.Log.Format != "json" {
		return nil, fmt.Errorf("--log_format: %q is not a format, use text or json", s.Log.Format)
	}
	l, out := &logging{}, stderr
	if s.Log.File != "" {
		file, err := logtext.OpenFile(s.Log.File)
		if err != nil {
			return nil, fmt.Errorf("--log: cannot write %s: %w", s.Log.File, reason(err))
		}
		l.file, out = file, file
	}
	if s.Log.Format == "json" {
		l.Logger = slog.New(logtext.NewJSONHandler(out, options))
	} else {
		l.Logger = slog.New(logtext.NewHandler(out, options))
	}
	return l, nil
}

// reopen follows a rotation of the log file.
func (l *logging) reopen() {
	if l.file == nil {
		l.Warn("There is no log file to reopen, the log goes to standard error")
		return
	}
	if err := l.file.Reopen(); err != nil {
		l.Error("Cannot reopen the log file, the old one remains in use", "err", err)
		return
	}
	l.Info("Reopened the log file")
}

func (l *logging) close() {
	if l.file != nil {
		l.file.Close()
	}
}
