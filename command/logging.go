package command

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"shoal/logtext"
)

// logging is where the server's log goes, which a reload may change.
type logging struct {
	*slog.Logger
	to     logtext.Switch
	stderr io.Writer
	output
}

// output is a log that is open.
type output struct {
	handler slog.Handler
	path    string        // empty for standard error
	file    *logtext.File // nil for standard error
}

// openLog opens the log that s asks for.
func openLog(s *settings, stderr io.Writer) (*logging, error) {
	l := &logging{stderr: stderr}
	var err error
	if l.output, err = l.open(s); err != nil {
		return nil, err
	}
	l.to.Set(l.handler)
	l.Logger = slog.New(l.to.Handler())
	return l, nil
}

// open opens an output as s says, which has the file of l if it is the same one.
func (l *logging) open(s *settings) (output, error) {
	options := logtext.Options{
		Debug:  s.Log.Debug,
		Trace:  s.Log.Trace,
		PID:    os.Getpid(),
		NoTime: !s.Log.Time,
		UTC:    s.Log.UTC,
	}
	if s.Log.Format != "text" && s.Log.Format != "json" {
		return output{}, fmt.Errorf("--log_format: %q is not a format, use text or json", s.Log.Format)
	}
	o, w := output{path: s.Log.File}, l.stderr
	if o.path != "" {
		if o.file = l.file; o.path != l.path {
			var err error
			if o.file, err = logtext.OpenFile(o.path); err != nil {
				return output{}, s.place(fmt.Errorf("--log: cannot write %s: %w", o.path, reason(err)))
			}
		}
		w = o.file
	}
	if s.Log.Format == "json" {
		o.handler = logtext.NewJSONHandler(w, options)
	} else {
		o.handler = logtext.NewHandler(w, options)
	}
	return o, nil
}

// change has the log go to another output. It returns the one before, which is still open.
func (l *logging) change(to output) (before output) {
	before, l.output = l.output, to
	l.to.Set(to.handler)
	return before
}

// closeBut closes an output unless it has the file of kept.
func (o *output) closeBut(kept output) {
	if o.file != nil && o.file != kept.file {
		o.file.Close()
	}
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

func (l *logging) close() { l.closeBut(output{}) }
