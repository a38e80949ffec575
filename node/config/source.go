package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/nats-io/nats-server/v2/conf"
)

// parse reads a file and those that it includes, and returns the values in it and their digest.
func parse(path string) (_ map[string]any, digest string, err error) {
	if err := checkIncludes(path, nil); err != nil {
		return nil, "", err
	}
	// The parser looks at its stack without asking whether there is something on it.
	defer func() {
		if recover() != nil {
			err = &Error{Position{File: path}, "its brackets do not match"}
		}
	}()
	values, digest, err := conf.ParseFileWithChecksDigest(path)
	if err != nil {
		return nil, "", syntaxError(path, err)
	}
	return values, digest, nil
}

// include is how a file takes in another one.
var include = regexp.MustCompile(`(?m)^(?:[^#/\n]*[\s{;,])?include\s+(?:'([^'\n]+)'|"([^"\n]+)"|([^\s'"#;]+))`)

// longestChain bounds how deep files may include each other.
const longestChain = 64

// checkIncludes makes sure that no file includes itself, which the parser would follow for ever.
func checkIncludes(path string, above []string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return &Error{Position{File: path}, "cannot be read: " + cause(err)}
	}
	above = append(above, filepath.Clean(path))
	for _, m := range include.FindAllSubmatchIndex(text, -1) {
		var name string
		for i := 2; i < len(m); i += 2 {
			if m[i] >= 0 {
				name = string(text[m[i]:m[i+1]])
			}
		}
		next := filepath.Join(filepath.Dir(path), name)
		for _, file := range above {
			if file == next || len(above) == longestChain {
				line := 1 + strings.Count(string(text[:m[0]]), "\n")
				return &Error{Position{File: path, Line: line}, fmt.Sprintf("includes %s, which includes this file again", name)}
			}
		}
		if _, err := os.Stat(next); err != nil {
			continue // it may be the text of something else; the parser knows
		}
		if err := checkIncludes(next, above); err != nil {
			return err
		}
	}
	return nil
}

// cause reduces the error of a file operation to its reason: the path is told once already.
func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// The complaints of the parser, which has no error types for them, and no position of its own for most.
var (
	inInclude   = regexp.MustCompile(`(?s)^error parsing include file '(.*?)', (.*)$`)
	atLine      = regexp.MustCompile(`(?s)^Parse error on line (\d+): '(.*)'$`)
	noVariable  = regexp.MustCompile(`(?s)^variable reference for '.*' on line (\d+) can not be found$`)
	badVariable = regexp.MustCompile(`(?s)^variable reference for '.*' on line (\d+) could not be parsed: `)
	incomplete  = regexp.MustCompile(`(?s)^config is invalid \(.*:(\d+):(\d+)\)$`)
)

// syntaxError says what the parser did not like. The parser shows parts of the file, which may belong to
// a secret: nothing of that is repeated.
func syntaxError(path string, err error) error {
	text := err.Error()
	for {
		m := inInclude.FindStringSubmatch(text)
		if m == nil {
			break
		}
		path, text = filepath.Join(filepath.Dir(path), m[1]), m[2]
	}
	at := Position{File: path}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	if m := atLine.FindStringSubmatch(text); m != nil {
		at.Line = number(m[1])
		return &Error{at, complaint(m[2])}
	}
	if m := noVariable.FindStringSubmatch(text); m != nil {
		at.Line = number(m[1])
		return &Error{at, "a variable is neither defined above nor in the environment; a text that begins with $ needs quotes"}
	}
	if m := badVariable.FindStringSubmatch(text); m != nil {
		at.Line = number(m[1])
		return &Error{at, "what the environment has for a variable is not a value"}
	}
	if m := incomplete.FindStringSubmatch(text); m != nil {
		at.Line, at.Column = number(m[1]), number(m[2])
		return &Error{at, "a key has no value"}
	}
	switch {
	case strings.Contains(text, "out of the range"):
		return &Error{at, "a number is too large; a text of digits needs quotes"}
	case strings.HasPrefix(text, "open "), strings.HasPrefix(text, "read "):
		return &Error{at, "cannot be read: " + text[strings.LastIndex(text, ": ")+2:]}
	}
	return &Error{at, "has a value that cannot be read"}
}

// complaint returns what the parser says without the part of the file that it shows.
func complaint(text string) string {
	text, _, _ = strings.Cut(text, ", but got")
	text, _, _ = strings.Cut(text, ". Only the following")
	for _, shows := range []string{"Invalid escape character", "Expected a digit"} {
		if strings.HasPrefix(text, shows) {
			text = shows
		}
	}
	text = strings.TrimRight(text, ". ")
	if text == "" {
		return "cannot be read"
	}
	return strings.ToLower(text[:1]) + text[1:]
}
