package subjects

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTransform(t *testing.T) {
	tests := []struct{ from, to, subject, want string }{
		{"a", "b", "a", "b"},
		{"a", "b", "c", ""},
		{"a.*", "b.$1", "a.x", "b.x"},
		{"a.*", "b.*", "a.x", "b.x"},
		{"a.*", "b.{{wildcard(1)}}", "a.x", "b.x"},
		{"a.*.*", "$2.$1", "a.x.y", "y.x"},
		{"a.*.*", "$2.$2", "a.x.y", "y.y"},
		{"a.*", "b", "a.x", "b"},
		{"a.>", "b.>", "a.x.y", "b.x.y"},
		{"a.*.>", "b.$1.c.>", "a.x.y.z", "b.x.c.y.z"},
		{">", "all.>", "x.y", "all.x.y"},
		{"a.*", "b.$1", "a.*", "b.*"},
		{"a.>", "b.>", "a.>", "b.>"},
		{"a.>", "b.>", "a", ""},
		{"a.*", "b.{{partition(10,1)}}", "a.x", "b.5"},
		{"a.*", "{{split(1,-)}}", "a.x-y--z", "x.y.z"},
		{"a.*", "b.{{splitFromLeft(1,2)}}", "a.12345", "b.12.345"},
		{"a.*", "b.{{splitfromright(1, 2)}}", "a.12345", "b.123.45"},
		{"a.*", "b.{{SliceFromLeft(1,2)}}", "a.12345", "b.12.34.5"},
		{"a.*", "b.{{SliceFromRight(1,2)}}", "a.12345", "b.1.23.45"},
		{"a.*", "b.{{left(1,2)}}", "a.12345", "b.12"},
		{"a.*", "b.{{right(1,9)}}", "a.12345", "b.12345"},
		{"a.*", "b.{{random(1)}}", "a.x", "b.0"},
		{"a", "$x.b", "a", "$x.b"},
	}
	for _, tt := range tests {
		tr, err := NewTransform(tt.from, tt.to)
		if err != nil {
			t.Errorf("%s -> %s: %v", tt.from, tt.to, err)
			continue
		}
		got, ok := tr.Apply(tt.subject)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s -> %s makes %q, %t of %q, want %q", tt.from, tt.to, got, ok, tt.subject, tt.want)
		}
	}
}

func TestTransformErrors(t *testing.T) {
	for _, tt := range [][2]string{
		{"a..b", "c"}, {"a", ""}, {"a", "b..c"}, {"a", "$1"}, {"a.*", "$2"}, {"a.*", "$0"}, {"a", "b.>"},
		{"a", "*"}, {"a.*.*", "b.*"}, {"a.*.*", "b.*.$1"}, {"a.*", "{{nothing(1)}}"}, {"a.*", "{{left(1)}}"},
		{"a.*", "{{left(2,1)}}"}, {"a.*", "{{partition(0,1)}}"}, {"a.*", "{{partition(3,2)}}"}, {"a.*", "{{left(x,1)}}"},
		{"a.*", "{{wildcard(1)"}, {"a.*", "{{wildcard}}"}, {"a.*", "{{split(1)}}"}, {"a.*", "{{random()}}"},
	} {
		if _, err := NewTransform(tt[0], tt[1]); err == nil {
			t.Errorf("%s -> %s is accepted", tt[0], tt[1])
		}
	}
}

func TestTransformOfUnknownFunction(t *testing.T) {
	_, err := NewTransform("a.*", "{{nothing(1)}}")
	if err == nil || !strings.Contains(err.Error(), "there is no function nothing") {
		t.Error(err)
	}
}

func TestTransformReverse(t *testing.T) {
	for _, tt := range []struct{ from, to, there, back string }{
		{"a", "b", "b", "a"},
		{"a.*", "b.$1", "b.x", "a.x"},
		{"a.*", "b.*", "b.x", "a.x"},
		{"a.*.*", "b.$2.$1", "b.x.y", "a.y.x"},
		{"a.*.>", "b.$1.c.>", "b.x.c.y.z", "a.x.y.z"},
		{"a.>", "p.a.>", "p.a.*.c", "a.*.c"},
		{"a.*", "b", "", ""},
		{"a.*", "b.$1.$1", "", ""},
		{"a.*", "b.{{left(1,2)}}", "", ""},
		{"a.>", "b", "", ""},
	} {
		tr, err := NewTransform(tt.from, tt.to)
		if err != nil {
			t.Fatal(err)
		}
		back, ok := tr.Reverse()
		if ok != (tt.back != "") {
			t.Errorf("%s -> %s can be reversed: %t", tt.from, tt.to, ok)
			continue
		}
		if !ok {
			continue
		}
		if got, _ := back.Apply(tt.there); got != tt.back {
			t.Errorf("%s -> %s makes %q back of %q, want %q", tt.from, tt.to, got, tt.there, tt.back)
		}
	}
}

// A subject matches the intersection if it matches both patterns.
func TestIntersect(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "*"})
	pattern := rapid.Custom(func(t *rapid.T) string {
		s := ""
		for i := range rapid.IntRange(1, 3).Draw(t, "tokens") {
			if i > 0 {
				s += "."
			}
			s += token.Draw(t, "token")
		}
		if rapid.Bool().Draw(t, "open") {
			s += ".>"
		}
		return s
	})
	literals := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		a, b := pattern.Draw(t, "a"), pattern.Draw(t, "b")
		both, ok := Intersect(a, b)
		for range 20 {
			s := ""
			for i, l := range literals.Draw(t, "subject") {
				if i > 0 {
					s += "."
				}
				s += l
			}
			want := Match(a, s) && Match(b, s)
			if got := ok && Match(both, s); got != want {
				t.Fatalf("%s and %s are %q, which matches %s: %t", a, b, both, s, got)
			}
		}
		if ok && (!Covers(a, both) || !Covers(b, both)) {
			t.Fatalf("%s and %s do not cover %s", a, b, both)
		}
	})
}

func FuzzTransform(f *testing.F) {
	f.Add("a.*", "b.{{partition(3,1)}}.$1", "a.x")
	f.Add("a.*.>", "{{split(1,-)}}.>", "a.x-y.z")
	f.Fuzz(func(t *testing.T, from, to, subject string) {
		tr, err := NewTransform(from, to)
		if err != nil {
			return
		}
		if got, ok := tr.Apply(subject); ok && got == "" && tr.static != "" {
			t.Errorf("%q -> %q makes nothing of %q", from, to, subject)
		}
		tr.Reverse()
	})
}
