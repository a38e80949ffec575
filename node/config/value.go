package config

import (
	"slices"
	"strings"
	"time"
)

// value is a value of a file, and where it is: for the value of a key, where the key is.
type value struct {
	data any // string, bool, int64, float64, time.Time, []value or []entry
	at   Position
}

// entry is a key with its value. Entries are in the order of the file.
type entry struct {
	key string
	value
	variable bool // other places refer to it, so it need not mean anything itself
}

// token is how the parser wraps a value.
type token interface {
	Value() any
	Line() int
	Position() int
	SourceFile() string
	IsUsedVariable() bool
}

// unwrap makes what the parser returns into a value. What comes from the environment has no position of
// its own, and gets that of what it is in.
func unwrap(data any, at Position) value {
	if t, ok := data.(token); ok {
		column := t.Position()
		if t.Line() == 1 {
			column++ // the parser counts from the end of the line before
		}
		return unwrap(t.Value(), Position{t.SourceFile(), t.Line(), column})
	}
	switch d := data.(type) {
	case []any:
		list := make([]value, len(d))
		for i := range d {
			list[i] = unwrap(d[i], at)
			if in, ok := list[i].data.([]entry); ok && len(in) > 0 {
				list[i].at = in[0].at // the parser has the end of a block that has no key
			}
		}
		return value{list, at}
	case map[string]any:
		entries := make([]entry, 0, len(d))
		for key, v := range d {
			t, ok := v.(token)
			entries = append(entries, entry{key, unwrap(v, at), ok && t.IsUsedVariable()})
		}
		slices.SortFunc(entries, func(a, b entry) int {
			if c := a.at.compare(b.at); c != 0 {
				return c
			}
			return strings.Compare(a.key, b.key)
		})
		return value{entries, at}
	}
	return value{data, at}
}

// kind says what a value is. It does not show it, since it may be a secret.
func (v *value) kind() string {
	switch v.data.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case time.Time:
		return "a date"
	case []value:
		return "a list"
	case []entry:
		return "a block"
	}
	return "nothing"
}

// list returns the values of a list; anything else is a list of itself.
func (v *value) list() []value {
	if list, ok := v.data.([]value); ok {
		return list
	}
	return []value{*v}
}
