package subjects

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Transform makes one subject of another: of one that matches a pattern, by what the wildcards of the
// pattern stand for. Its destination is a subject in which the n-th wildcard, counted from 1, is written
//
//	$n or {{wildcard(n)}}      what it stands for
//	{{partition(m,n,...)}}     a number below m, the same whenever these wildcards stand for the same
//	{{split(n,sep)}}           it, with a dot in place of each sep
//	{{splitFromLeft(n,i)}}     it, with a dot behind i characters; {{splitFromRight(n,i)}} from the end
//	{{sliceFromLeft(n,i)}}     it, with a dot behind every i; {{sliceFromRight(n,i)}} from the end
//	{{left(n,i)}}              its first i characters; {{right(n,i)}} its last
//	{{random(m)}}              a random number below m
//
// A last token ">" stands for what it stands for in the pattern, and if nothing else of this is used, the
// tokens "*" of the destination are the wildcards in order. It is what NATS calls subject mapping.
type Transform struct {
	from   string
	given  string // the destination as it was written
	to     []piece
	wild   []int // the tokens of from that are wildcards
	tail   bool  // from ends with ">"
	static string
}

// piece is a token of the destination: text, or what a function makes of wildcards.
type piece struct {
	text string
	make func(tokens []string) string
	rest bool // what ">" stands for
}

// NewTransform returns the transform of subjects that match from. An error says what is wrong with
// the destination.
func NewTransform(from, to string) (*Transform, error) {
	if !Valid(from) {
		return nil, fmt.Errorf("%q is not a subject", from)
	}
	if to == "" || !Valid(to) {
		return nil, fmt.Errorf("%q is not a subject", to)
	}
	t := &Transform{from: from, given: to}
	source := strings.Split(from, ".")
	for i, token := range source {
		switch token {
		case "*":
			t.wild = append(t.wild, i)
		case ">":
			t.tail = true
		}
	}
	stars, functions := 0, false
	for _, token := range splitDestination(to) {
		p := piece{text: token}
		switch {
		case token == ">":
			if !t.tail {
				return nil, fmt.Errorf("%q ends with > but %q does not", to, from)
			}
			p.rest = true
		case token == "*":
			stars++
			if stars > len(t.wild) {
				return nil, fmt.Errorf("%q has more wildcards than %q", to, from)
			}
			p.make = t.wildcard(stars)
		default:
			var err error
			if p.make, err = t.function(token); err != nil {
				return nil, fmt.Errorf("%q: %w", to, err)
			}
			functions = functions || p.make != nil
		}
		t.to = append(t.to, p)
	}
	switch {
	case stars > 0 && functions:
		return nil, fmt.Errorf("%q has both * and functions, use $1 for *", to)
	case stars > 0 && stars < len(t.wild):
		return nil, fmt.Errorf("%q has fewer wildcards than %q", to, from)
	case stars == 0 && !functions && (len(t.to) == 0 || !t.to[len(t.to)-1].rest):
		t.static = to
	}
	return t, nil
}

// splitDestination splits at dots that are not within {{ }}.
func splitDestination(to string) []string {
	var tokens []string
	depth, start := 0, 0
	for i := range len(to) {
		switch {
		case strings.HasPrefix(to[i:], "{{"):
			depth++
		case strings.HasPrefix(to[i:], "}}") && depth > 0:
			depth--
		case to[i] == '.' && depth == 0:
			tokens = append(tokens, to[start:i])
			start = i + 1
		}
	}
	return append(tokens, to[start:])
}

// Equal reports whether both make the same of every subject, as far as that shows from how they were
// written.
func (t *Transform) Equal(other *Transform) bool {
	return t.from == other.from && t.given == other.given
}

// Pattern returns the pattern that all results match: the destination with a wildcard for everything
// that is made.
func (t *Transform) Pattern() string {
	tokens := make([]string, len(t.to))
	for i, p := range t.to {
		if tokens[i] = p.text; p.make != nil {
			tokens[i] = "*"
		}
	}
	return strings.Join(tokens, ".")
}

// Apply returns what becomes of subject, and whether it matches the pattern at all. subject may itself be
// a pattern, of which the wildcards stand for themselves.
func (t *Transform) Apply(subject string) (string, bool) {
	if !Covers(t.from, subject) {
		return "", false
	}
	if t.static != "" {
		return t.static, true
	}
	tokens := strings.Split(subject, ".")
	var b strings.Builder
	for i, p := range t.to {
		if i > 0 {
			b.WriteByte('.')
		}
		switch {
		case p.rest:
			b.WriteString(strings.Join(tokens[strings.Count(t.from, "."):], "."))
		case p.make != nil:
			b.WriteString(p.make(tokens))
		default:
			b.WriteString(p.text)
		}
	}
	return b.String(), true
}

// Reverse returns the transform that leads back, if there is one: all wildcards have to be found in
// the destination as they are.
func (t *Transform) Reverse() (*Transform, bool) {
	source := strings.Split(t.from, ".")
	at := make(map[int]int) // by wildcard of the source, that of the destination
	stars := 0
	for _, p := range t.to {
		if p.make == nil {
			continue
		}
		stars++
		n := t.plainWildcard(p.text, stars)
		if n == 0 || at[n] != 0 {
			return nil, false
		}
		at[n] = stars
	}
	if len(at) != len(t.wild) || t.tail != (len(t.to) > 0 && t.to[len(t.to)-1].rest) {
		return nil, false
	}
	for n, i := range t.wild {
		source[i] = "$" + strconv.Itoa(at[n+1])
	}
	back, err := NewTransform(t.Pattern(), strings.Join(source, "."))
	return back, err == nil
}

// plainWildcard returns the number of the wildcard that a token stands for, 0 if it is more than that.
func (t *Transform) plainWildcard(token string, star int) int {
	if token == "*" {
		return star
	}
	if name, args, ok := call(token); ok && name == "wildcard" && len(args) == 1 {
		n, _ := strconv.Atoi(args[0])
		return n
	}
	if rest, ok := strings.CutPrefix(token, "$"); ok {
		n, _ := strconv.Atoi(rest)
		return n
	}
	return 0
}

func (t *Transform) wildcard(n int) func([]string) string {
	at := t.wild[n-1]
	return func(tokens []string) string { return tokens[at] }
}

// function returns what a token of the destination makes, nil if it is just text.
func (t *Transform) function(token string) (func([]string) string, error) {
	if number, ok := strings.CutPrefix(token, "$"); ok {
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, nil
		}
		if n < 1 || n > len(t.wild) {
			return nil, fmt.Errorf("there is no wildcard %d", n)
		}
		return t.wildcard(n), nil
	}
	name, args, ok := call(token)
	switch {
	case !ok && strings.Contains(token, "{{"):
		return nil, fmt.Errorf("%q is no function, write {{name(arguments)}}", token)
	case !ok:
		return nil, nil
	case name == "split" || name == "Split":
		return t.split(args)
	}
	numbers := make([]int, len(args))
	for i, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s: %q is not a number", name, arg)
		}
		numbers[i] = n
	}
	return t.numeric(strings.ToLower(name), numbers)
}

// call takes a token apart that calls a function.
func call(token string) (name string, args []string, ok bool) {
	body, ok := strings.CutPrefix(token, "{{")
	if !ok {
		return "", nil, false
	}
	if body, ok = strings.CutSuffix(body, "}}"); !ok {
		return "", nil, false
	}
	name, list, ok := strings.Cut(strings.TrimSpace(body), "(")
	if !ok {
		return "", nil, false
	}
	if list, ok = strings.CutSuffix(strings.TrimSpace(list), ")"); !ok {
		return "", nil, false
	}
	for arg := range strings.SplitSeq(list, ",") {
		args = append(args, strings.TrimSpace(arg))
	}
	return strings.TrimSpace(name), args, true
}

var errArguments = errors.New("wrong number of arguments")

func (t *Transform) split(args []string) (func([]string) string, error) {
	if len(args) != 2 || args[1] == "" || strings.ContainsAny(args[1], ". ") {
		return nil, fmt.Errorf("split: %w, or a delimiter with a dot or a blank", errArguments)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > len(t.wild) {
		return nil, fmt.Errorf("split: there is no wildcard %s", args[0])
	}
	token, delimiter := t.wildcard(n), args[1]
	return func(tokens []string) string {
		parts := strings.FieldsFunc(strings.ReplaceAll(token(tokens), delimiter, "."), func(r rune) bool { return r == '.' })
		return strings.Join(parts, ".")
	}, nil
}

// numeric returns a function whose arguments are all numbers.
func (t *Transform) numeric(name string, args []int) (func([]string) string, error) {
	switch name {
	case "partition":
		return t.partition(args)
	case "random":
		if len(args) != 1 || args[0] < 1 {
			return nil, fmt.Errorf("random: %w, it takes one above 0", errArguments)
		}
		return func([]string) string { return strconv.Itoa(rand.IntN(args[0])) }, nil
	}
	shape, ok := shapes[name]
	want := 2
	switch {
	case name == "wildcard":
		want = 1
	case !ok:
		return nil, fmt.Errorf("there is no function %s", name)
	}
	if len(args) != want {
		return nil, fmt.Errorf("%s: %w", name, errArguments)
	}
	if args[0] < 1 || args[0] > len(t.wild) {
		return nil, fmt.Errorf("%s: there is no wildcard %d", name, args[0])
	}
	token := t.wildcard(args[0])
	if name == "wildcard" {
		return token, nil
	}
	return func(tokens []string) string { return shape(token(tokens), args[1]) }, nil
}

// partition spreads over numbers by a hash that all servers share, FNV-1a.
func (t *Transform) partition(args []int) (func([]string) string, error) {
	if len(args) < 1 || args[0] < 1 {
		return nil, fmt.Errorf("partition: %w, it takes a number above 0 and wildcards", errArguments)
	}
	for _, n := range args[1:] {
		if n < 1 || n > len(t.wild) {
			return nil, fmt.Errorf("partition: there is no wildcard %d", n)
		}
	}
	return func(tokens []string) string {
		h := fnv.New32a()
		for _, n := range args[1:] {
			h.Write([]byte(tokens[t.wild[n-1]]))
		}
		if len(args) == 1 {
			h.Write([]byte(strings.Join(tokens, ".")))
		}
		return strconv.Itoa(int(h.Sum32() % uint32(args[0])))
	}, nil
}

// shapes change the token that a wildcard stands for.
var shapes = map[string]func(token string, n int) string{
	"splitfromleft":  func(token string, n int) string { return cutAt(token, n) },
	"splitfromright": func(token string, n int) string { return cutAt(token, len(token)-n) },
	"slicefromleft": func(token string, n int) string {
		return sliced(token, n, 0)
	},
	"slicefromright": func(token string, n int) string {
		if n == 0 {
			return token
		}
		return sliced(token, n, len(token)%n)
	},
	"left":  func(token string, n int) string { return token[:min(n, len(token))] },
	"right": func(token string, n int) string { return token[len(token)-min(n, len(token)):] },
}

func cutAt(token string, n int) string {
	if n <= 0 || n >= len(token) {
		return token
	}
	return token[:n] + "." + token[n:]
}

// sliced cuts a token into parts of n characters, behind a first one of another length.
func sliced(token string, n, first int) string {
	if n <= 0 || n >= len(token) {
		return token
	}
	var parts []string
	if first > 0 {
		parts = append(parts, token[:first])
	}
	for i := first; i < len(token); i += n {
		parts = append(parts, token[i:min(i+n, len(token))])
	}
	return strings.Join(parts, ".")
}
