package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

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
	destination
	file     *logtext.File // nil if the log goes elsewhere
	rotation logtext.Rotation
	syslog   *logtext.Syslog // likewise
}

// destination is where a log goes: to a file, to a syslog or, if it is empty, to standard error.
type destination struct {
	path   string
	syslog bool
	remote string // address of the syslog, empty for that of this machine
}

// destinationOf returns where s has the log go. A file counts more than a syslog, as for nats-server.
func destinationOf(s *settings) destination {
	if s.Log.File != "" {
		return destination{path: s.Log.File}
	}
	return destination{syslog: s.Log.Syslog || s.Log.RemoteSyslog != "", remote: s.Log.RemoteSyslog}
}

// checkLog reports what no log can be opened with.
func (s *settings) checkLog() error {
	switch {
	case s.Log.Format != "text" && s.Log.Format != "json":
		return fmt.Errorf("--log_format: %q is not a format, use text or json", s.Log.Format)
	case s.Log.Format == "json" && destinationOf(s).syslog:
		return s.place(errors.New("--log_format: a syslog takes no JSON, use text"))
	}
	return nil
}

// openLog opens the log that s asks for.
func openLog(s *settings, stderr io.Writer) (*logging, error) {
	l := &logging{stderr: stderr}
	o, err := l.open(s)
	if err != nil {
		return nil, err
	}
	l.change(o)
	l.Logger = slog.New(l.to.Handler())
	return l, nil
}

// open opens an output as s says, which has the file or syslog of l if it is the same one.
func (l *logging) open(s *settings) (output, error) {
	options := logtext.Options{
		Debug:  s.Log.Debug,
		Trace:  s.Log.Trace,
		PID:    os.Getpid(),
		NoTime: !s.Log.Time,
		UTC:    s.Log.UTC,
	}
	if err := s.checkLog(); err != nil {
		return output{}, err
	}
	o := output{destination: destinationOf(s)}
	if o.destination == l.destination {
		o.file, o.syslog = l.file, l.output.syslog
	}
	handlerTo := func(w io.Writer) slog.Handler {
		if s.Log.Format == "json" {
			return logtext.NewJSONHandler(w, options)
		}
		return logtext.NewHandler(w, options)
	}
	var err error
	switch {
	case o.path != "":
		if o.file == nil {
			if o.file, err = logtext.OpenFile(o.path); err != nil {
				return output{}, s.place(fmt.Errorf("--log: cannot write %s: %w", o.path, reason(err)))
			}
		}
		o.handler = handlerTo(o.file)
		o.rotation = logtext.Rotation{Limit: s.Log.SizeLimit, Files: s.Log.MaxFiles, Note: func(level slog.Level, text string) []byte {
			var line bytes.Buffer
			_ = handlerTo(&line).Handle(context.Background(), slog.NewRecord(time.Now(), level, text, 0))
			return line.Bytes()
		}}
	case !o.destination.syslog:
		o.handler = handlerTo(l.stderr)
	default:
		if o.syslog == nil {
			if o.syslog, err = logtext.OpenSyslog(o.remote); err != nil {
				name := "--syslog"
				if o.remote != "" {
					name = "--remote_syslog"
				}
				return output{}, s.place(fmt.Errorf("%s: cannot be reached: %w", name, reason(err)))
			}
		}
		o.handler = logtext.NewSyslogHandler(o.syslog, options)
	}
	return o, nil
}

// change has the log go to another output. It returns the one before, which is still open.
func (l *logging) change(to output) (before output) {
	before, l.output = l.output, to
	if to.file != nil {
		to.file.Rotate(to.rotation)
	}
	l.to.Set(to.handler)
	return before
}

// closeBut closes an output unless it has the file or the syslog of kept.
func (o *output) closeBut(kept output) {
	if o.file != nil && o.file != kept.file {
		o.file.Close()
	}
	if o.syslog != nil && o.syslog != kept.syslog {
		o.syslog.Close()
	}
}

// onStandardError reports whether the log goes there.
func (o *output) onStandardError() bool { return o.destination == destination{} }

// reopen follows a rotation of the log file.
func (l *logging) reopen() {
	if l.file == nil {
		l.Warn("There is no log file to reopen, the log goes elsewhere")
		return
	}
	if err := l.file.Reopen(); err != nil {
		l.Error("Cannot reopen the log file, the old one remains in use", "err", err)
		return
	}
	l.Info("Reopened the log file")
}

func (l *logging) close() { l.closeBut(output{}) }
