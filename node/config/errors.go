package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a configuration file. Line and Column count from 1; 0 is unknown.
type Position struct {
	File         string
	Line, Column int
}

// String writes the position as compilers do: file:line:column.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is something that is wrong in a file. It never shows a secret.
type Error struct {
	Position
	Text string
}

// Error implements error.
func (e *Error) Error() string { return e.String() + ": " + e.Text }

// Errors is all that is wrong in a configuration, in the order of the file.
type Errors []*Error

// Error implements error, with a line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Warning is something that is accepted, but that the operator should know about.
type Warning struct {
	Position
	Text string
}

// String writes the warning like an error.
func (w Warning) String() string { return w.Position.String() + ": " + w.Text }

// loader collects what is found while a file is read.
type loader struct {
	settings *Settings
	ignore   bool // what shoal does not have
	errors   Errors
	warnings []Warning
	users    map[string]Position // by name or nkey
}

func (l *loader) errorf(at Position, format string, args ...any) {
	l.errors = append(l.errors, &Error{at, fmt.Sprintf(format, args...)})
}

func (l *loader) warnf(at Position, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{at, fmt.Sprintf(format, args...)})
}

// refuse reports something that shoal cannot do, which is an error unless it is to be ignored.
func (l *loader) refuse(at Position, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.ignore {
		l.warnf(at, "%s: ignored", text)
		return
	}
	l.errorf(at, "%s; remove it, or start with --ignore_unsupported", text)
}

// result returns the warnings and the errors in the order of the file.
func (l *loader) result() ([]Warning, error) {
	slices.SortStableFunc(l.warnings, func(a, b Warning) int { return a.compare(b.Position) })
	if len(l.errors) == 0 {
		return l.warnings, nil
	}
	slices.SortStableFunc(l.errors, func(a, b *Error) int { return a.compare(b.Position) })
	return l.warnings, l.errors
}

func (p Position) compare(o Position) int {
	return cmp.Or(cmp.Compare(p.File, o.File), cmp.Compare(p.Line, o.Line), cmp.Compare(p.Column, o.Column))
}
