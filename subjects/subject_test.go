package subjects

import (
	"strings"
	"testing"
)

func TestSubject(t *testing.T) {
	tests := []struct {
		subject     string
		valid       bool
		publishable bool
		wildcard    bool
		tokens      int
	}{
		{"foo", true, true, false, 1},
		{"foo.bar.baz", true, true, false, 3},
		{"$SYS.x", true, true, false, 2},
		{"*", true, true, true, 1},
		{">", true, true, true, 1},
		{"foo.*", true, true, true, 2},
		{"foo.>", true, true, true, 2},
		{"*.*.>", true, true, true, 3},
		{"foo.*.bar", true, true, true, 3},
		{"foo.>.bar", false, true, true, 3},
		{">.foo", false, true, true, 2},
		{">.>", false, true, true, 2},
		{"foo*", true, true, false, 1},
		{"fo>o.**", true, true, false, 2},
		{"foo.>>", true, true, false, 2},
		{"foo.\x00", true, true, false, 2},
		{"\xff.é", true, true, false, 2},
		{"", false, false, false, 1},
		{".", false, false, false, 2},
		{".foo", false, false, false, 2},
		{"foo.", false, false, false, 2},
		{"foo..bar", false, false, false, 3},
		{"foo.>.", false, false, true, 3},
		{"*..", false, false, true, 3},
	}
	for _, tt := range tests {
		if got := Valid(tt.subject); got != tt.valid {
			t.Errorf("Valid(%q) = %v", tt.subject, got)
		}
		if got := Publishable(tt.subject); got != tt.publishable {
			t.Errorf("Publishable(%q) = %v", tt.subject, got)
		}
		if got := HasWildcard(tt.subject); got != tt.wildcard {
			t.Errorf("HasWildcard(%q) = %v", tt.subject, got)
		}
		if got := NumTokens(tt.subject); got != tt.tokens {
			t.Errorf("NumTokens(%q) = %v", tt.subject, got)
		}
		if b := []byte(tt.subject); Valid(b) != tt.valid || Publishable(b) != tt.publishable ||
			HasWildcard(b) != tt.wildcard || NumTokens(b) != tt.tokens {
			t.Errorf("%q as bytes differs", tt.subject)
		}
	}
}

var matchTests = []struct {
	pattern, subject string
	want             bool
}{
	{"foo", "foo", true},
	{"foo", "fo", false},
	{"foo", "foo.bar", false},
	{"foo.bar", "foo", false},
	{"foo.bar", "foo.bar", true},
	{"foo.bar", "foo.baz", false},
	{"Foo", "foo", false},
	{"*", "foo", true},
	{"*", "foo.bar", false},
	{"foo.*", "foo", false},
	{"foo.*", "foo.bar", true},
	{"foo.*", "foo.bar.baz", false},
	{"*.bar", "foo.bar", true},
	{"foo.*.baz", "foo.bar.baz", true},
	{"foo.*.baz", "foo.bar.bar", false},
	{">", "foo", true},
	{">", "foo.bar.baz", true},
	{"foo.>", "foo", false},
	{"foo.>", "foo.bar", true},
	{"foo.>", "foo.bar.baz", true},
	{"foo.>", "fo.bar", false},
	{"*.>", "foo", false},
	{"*.>", "foo.bar", true},
	{"foo*", "foo*", true},
	{"foo*", "foobar", false},
	{"foo.\x00", "foo.\x00", true},

	// What is published to wildcards goes to those tokens only.
	{"foo.*", "foo.*", true},
	{"foo.>", "foo.*", true},
	{"foo.*", "foo.>", true},
	{">", "foo.*", true},
	{">", ">", true},
	{"*", ">", true},
	{"*.*", "foo.*", true},
	{"foo.bar", "foo.*", false},
	{"foo.bar", "foo.>", false},
	{"foo.bar", ">", false},
	{"foo.>", "foo.>.bar", true},

	// No empty token matches.
	{">", "", false},
	{">", "foo..bar", false},
	{">", ".foo", false},
	{">", "foo.", false},
	{">", ".", false},
	{"*", "", false},
	{"foo.*", "foo.", false},
	{"foo.*.bar", "foo..bar", false},
	{"foo.>", "foo.", false},

	// Nor does an invalid pattern.
	{"", "", false},
	{"foo..bar", "foo..bar", false},
	{"foo.>.bar", "foo.>.bar", false},
}

func TestMatch(t *testing.T) {
	for _, tt := range matchTests {
		if got := Match(tt.pattern, tt.subject); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.subject, got)
		}
		if got := Match([]byte(tt.pattern), []byte(tt.subject)); got != tt.want {
			t.Errorf("Match(%q, %q) of bytes = %v", tt.pattern, tt.subject, got)
		}
		x := NewIndex[int]()
		x.Insert(tt.pattern, "", 1)
		var r Result[int]
		if x.Match([]byte(tt.subject), &r); len(r.Plain) == 1 != tt.want {
			t.Errorf("an Index with %q finds %v for %q", tt.pattern, r.Plain, tt.subject)
		}
	}
}

// FuzzMatch compares an Index of the patterns, which are separated by spaces,
// with Match, and Match with a simpler version of itself.
func FuzzMatch(f *testing.F) {
	for _, tt := range matchTests {
		f.Add(tt.pattern, tt.subject)
	}
	f.Fuzz(func(t *testing.T, patterns, subject string) {
		x := NewIndex[int]()
		var want, got Result[int]
		list := strings.Split(patterns, " ")
		for i, p := range list {
			if x.Insert(p, "", i) != Valid(p) {
				t.Fatalf("Insert(%q) differs from Valid", p)
			}
			match := Match(p, subject)
			if match != simpleMatch(p, subject) {
				t.Fatalf("Match(%q, %q) = %v", p, subject, match)
			}
			if match {
				want.Plain = append(want.Plain, i)
			}
		}
		x.Match([]byte(subject), &got)
		if !equal(&got, &want) {
			t.Fatalf("Match(%q) of %q = %v, want %v", subject, list, got, want)
		}
		for i, p := range list {
			if x.Remove(p, "", i) != Valid(p) {
				t.Fatalf("Remove(%q) differs from Valid", p)
			}
		}
		if !x.patterns.empty() || x.Len() != 0 {
			t.Fatalf("something is left of %q", list)
		}
	})
}

func simpleMatch(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	rest := p[len(p)-1] == ">" // before a token of the subject, which may be ">", takes its place
	for i, token := range p {
		if token == "" || token == ">" && i < len(p)-1 {
			return false
		}
	}
	for i, token := range s {
		if token == "" {
			return false
		}
		if i < len(p) && p[i] == "*" {
			p[i] = token
		}
	}
	if last := len(p) - 1; rest && len(s) > last {
		p, s = p[:last], s[:last]
	}
	return strings.Join(p, ".") == strings.Join(s, ".")
}
