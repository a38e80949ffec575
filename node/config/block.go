package config

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"shoal/node"
)

// block is a part of a file in braces, or the whole file. Its keys are taken out one by one; what is left
// in the end is unknown.
type block struct {
	*loader
	path    string // what goes before its keys, as in "cluster."
	at      Position
	entries []entry
	taken   []bool
	names   []string // of keys that the block may have
}

// block returns v, which the file calls path, as a block. If it is none, that is reported, and the block
// is empty.
func (l *loader) block(v *value, path string) *block {
	b := &block{loader: l, path: path + ".", at: v.at}
	entries, ok := v.data.([]entry)
	if !ok {
		l.errorf(v.at, "%s: has to be a block in braces, not %s", path, v.kind())
	}
	b.entries, b.taken = entries, make([]bool, len(entries))
	return b
}

// take returns the value of a key that may go by any of the names, of which the first is its own; nil if
// it is not there.
func (b *block) take(names ...string) *value {
	b.names = append(b.names, names...)
	var found *value
	for i := range b.entries {
		e := &b.entries[i]
		if b.taken[i] || !slices.Contains(names, strings.ToLower(e.key)) {
			continue
		}
		b.taken[i] = true
		switch {
		case found == nil:
			found = &e.value
			b.settings.keys[b.path+names[0]] = e.at
		case e.variable:
		default:
			b.errorf(e.at, "%s: is the second value for %s, the first is in line %d", e.key, names[0], found.at.Line)
		}
	}
	return found
}

// has reports whether one of the keys is there, without taking it.
func (b *block) has(names ...string) bool {
	return slices.ContainsFunc(b.entries, func(e entry) bool { return slices.Contains(names, strings.ToLower(e.key)) })
}

// done reports the keys that nobody has taken.
func (b *block) done() {
	for i, e := range b.entries {
		if b.taken[i] || e.variable {
			continue
		}
		if !isWord(e.key) {
			// It may be a part of a secret.
			b.errorf(e.at, "what is here is no key; look before it for a slip in the syntax, such as a bracket or a quote too many or too few")
			continue
		}
		hint := ""
		if name := nearest(strings.ToLower(e.key), b.names); name != "" {
			hint = fmt.Sprintf(", did you mean %s?", name)
		}
		b.errorf(e.at, "unknown key %q%s", e.key, hint)
	}
}

// wrong reports that a value is not what it should be.
func (b *block) wrong(v *value, name, wanted string) {
	b.errorf(v.at, "%s%s: has to be %s, not %s", b.shownPath(), name, wanted, v.kind())
}

func (b *block) shownPath() string { return strings.TrimPrefix(b.path, ".") }

func (b *block) fail(at Position, name, format string, args ...any) {
	b.errorf(at, "%s%s: %s", b.shownPath(), name, fmt.Sprintf(format, args...))
}

// textOf returns v as a text.
func (b *block) textOf(v *value, name string) (string, bool) {
	text, ok := v.data.(string)
	if !ok {
		wanted := "a text"
		if _, isList := v.data.([]value); !isList {
			wanted = "a text, put it in quotes"
		}
		b.wrong(v, name, wanted)
	}
	return text, ok
}

func (b *block) text(to *string, names ...string) {
	if v := b.take(names...); v != nil {
		if text, ok := b.textOf(v, names[0]); ok {
			*to = text
		}
	}
}

func (b *block) flag(to *bool, names ...string) {
	if v := b.take(names...); v != nil {
		on, ok := v.data.(bool)
		if !ok {
			b.wrong(v, names[0], "true or false")
			return
		}
		*to = on
	}
}

// number stores a whole number from min to max.
func (b *block) number(to *int, min, max int, names ...string) {
	if v := b.take(names...); v != nil {
		n, ok := v.data.(int64)
		switch {
		case !ok:
			b.wrong(v, names[0], "a whole number, which may have a unit as in 64MB")
		case n < int64(min):
			b.fail(v.at, names[0], "%d is too little, use at least %d", n, min)
		case n > int64(max):
			b.fail(v.at, names[0], "%d is too much, use %d at most", n, max)
		default:
			*to = int(n)
		}
	}
}

// limit stores a number of something, for which -1 and 0 are no limit.
func (b *block) limit(to *int, names ...string) {
	n := *to
	b.number(&n, -1, math.MaxInt32, names...)
	*to = max(n, 0)
}

// port stores a port. 0 is allowed if it means that there is none.
func (b *block) port(to *int, zero bool, names ...string) {
	if v := b.take(names...); v != nil {
		n, ok := v.data.(int64)
		if !ok {
			b.wrong(v, names[0], "a port")
			return
		}
		b.storePort(to, v.at, names[0], n, zero)
	}
}

func (b *block) storePort(to *int, at Position, name string, n int64, zero bool) {
	if n != node.RandomPort && (n < 0 || n == 0 && !zero || n > math.MaxUint16) {
		b.fail(at, name, "%d is not a port, use 1 to 65535, or -1 for any free one", n)
		return
	}
	*to = int(n)
}

// listen stores a port, or host:port.
func (b *block) listen(host *string, port *int, zero bool, names ...string) {
	v := b.take(names...)
	if v == nil {
		return
	}
	if n, ok := v.data.(int64); ok {
		b.storePort(port, v.at, names[0], n, zero)
		return
	}
	text, ok := v.data.(string)
	if !ok {
		b.wrong(v, names[0], "a port, or a host and a port as in 127.0.0.1:4222")
		return
	}
	h, p, err := net.SplitHostPort(text)
	n, numberErr := strconv.ParseInt(p, 10, 32)
	if err != nil || numberErr != nil {
		b.fail(v.at, names[0], "%s is not a host and a port, write it like 127.0.0.1:4222 or [::1]:4222", ShownURL(text))
		return
	}
	if h != "" {
		*host = h
	}
	b.storePort(port, v.at, names[0], n, zero)
}

// address stores where to listen, which files say with listen, or with host and port.
func (b *block) address(host *string, port *int) {
	listens := b.has("listen")
	b.listen(host, port, false, "listen")
	h, p := *host, *port
	b.text(&h, "host", "net")
	b.port(&p, false, "port")
	if listens && (h != *host || p != *port) {
		b.fail(b.settings.keys[b.path+"listen"], "listen", "says something else than host and port, leave one of them out")
	}
	*host, *port = h, p
}

// duration stores a time of more than 0. A plain number counts seconds, which gets a warning unless that
// is usual for the key.
func (b *block) duration(to *time.Duration, usual bool, names ...string) {
	if v := b.take(names...); v != nil {
		if d, ok := b.durationOf(v, usual, names[0]); ok {
			if d <= 0 {
				b.fail(v.at, names[0], "%v is too short, use more than 0s", d)
				return
			}
			*to = d
		}
	}
}

func (b *block) durationOf(v *value, usual bool, name string) (d time.Duration, ok bool) {
	var seconds float64
	switch n := v.data.(type) {
	case string:
		d, err := time.ParseDuration(n)
		if err != nil {
			b.fail(v.at, name, "%q is not a duration, write it like 500ms, 10s or 2m", n)
		}
		return d, err == nil
	case int64:
		seconds = float64(n)
	case float64:
		seconds = n
	default:
		b.wrong(v, name, `a duration, as in "10s"`)
		return 0, false
	}
	const most = 1e9
	if !(math.Abs(seconds) < most) {
		b.fail(v.at, name, "that many seconds are too long")
		return 0, false
	}
	d = time.Duration(seconds * float64(time.Second))
	if !usual {
		b.warnf(v.at, "%s%s: a plain number is taken as seconds, write %q to be clear", b.shownPath(), name, d)
	}
	return d, true
}

// texts returns a list of texts, or one that stands alone. ok is false if there are none.
func (b *block) texts(names ...string) (list []string, ok bool) {
	v := b.take(names...)
	if v == nil {
		return nil, false
	}
	return b.textsOf(v, names[0]), true
}

func (b *block) textsOf(v *value, name string) []string {
	list := []string{}
	for _, one := range v.list() {
		if text, ok := b.textOf(&one, name); ok {
			list = append(list, text)
		}
	}
	return list
}

// blocks returns the blocks of a list.
func (b *block) blocks(v *value, name string) []*block {
	if _, ok := v.data.([]value); !ok {
		b.wrong(v, name, "a list in square brackets")
		return nil
	}
	var list []*block
	for _, one := range v.list() {
		list = append(list, b.block(&one, b.shownPath()+name))
	}
	return list
}

// unsupported refuses a key of something that shoal does not have, unless its value says that it is not
// wanted anyway.
func (b *block) unsupported(what string, names ...string) {
	if v := b.take(names...); v != nil && !off(v) {
		b.refuse(v.at, "%s%s: shoal has no %s", b.shownPath(), names[0], what)
	}
}

// needless accepts a key that would change nothing here, and says so.
func (b *block) needless(why string, names ...string) {
	if v := b.take(names...); v != nil {
		b.warnf(v.at, "%s%s: changes nothing, %s", b.shownPath(), names[0], why)
	}
}

// off reports whether a value says no.
func off(v *value) bool {
	switch d := v.data.(type) {
	case bool:
		return !d
	case string:
		return slices.Contains([]string{"", "off", "disabled", "disable", "false", "no"}, strings.ToLower(d))
	}
	return false
}
