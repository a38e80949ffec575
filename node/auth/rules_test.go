package auth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRules has what nats-server does in all these cases, but for those with a remark.
func TestRules(t *testing.T) {
	allow := func(s ...string) SubjectRules { return SubjectRules{Allow: s} }
	deny := func(s ...string) SubjectRules { return SubjectRules{Deny: s} }
	both := func(a, d string) SubjectRules { return SubjectRules{Allow: []string{a}, Deny: []string{d}} }
	responses := &ResponseRule{}
	tests := []struct {
		perms Permissions
		yes   string // separated by commas; "pub subject" or "sub subject queue"
		no    string
	}{
		{Permissions{Publish: allow()}, "pub a,sub a", ""},
		{Permissions{Publish: SubjectRules{Allow: []string{}}}, "sub a", "pub a"},
		{Permissions{Publish: deny("a.b")}, "pub a.*,pub a.>,pub >,pub a.b.,pub .a.b", "pub a.b"},
		{Permissions{Publish: deny("a.*")}, "pub a.,pub a..b,pub ..,pub a.b.c", "pub a.b,pub a.>"},
		{Permissions{Publish: both("a.*", "a.b")}, "pub a.c,pub a.*,pub a.>", "pub a.b,pub a,pub a.c.d,pub "},
		{Permissions{Publish: allow("a.>")}, "pub a.*,pub a.>,pub a.b.c", "pub >,pub a.,pub a..,pub a..b,pub a"},
		{Permissions{Publish: allow("a*")}, "pub a*", "pub ab"},

		// nats-server allows "a.>" as well, for which it takes ">" for a token.
		{Permissions{Subscribe: allow("a.*")}, "sub a.*,sub a.b,sub a.b q,pub b", "sub a.>,sub *.b,sub >,sub *,sub a"},
		{Permissions{Subscribe: allow("*.*")}, "sub *.*,sub a.*", "sub >,sub *.>"},
		{Permissions{Subscribe: allow("a.*", "a.*.>")}, "sub a.>,sub a.b.>", "sub >"},
		{Permissions{Subscribe: allow("a.*", "a.*.*", "a.*.*.>", "b.c.d.e.f")}, "sub a.>,sub a.*.>", "sub b.>"},
		{Permissions{Subscribe: allow("a", "b")}, "sub a,sub b", "sub *"},
		{Permissions{Subscribe: SubjectRules{Allow: []string{">"}, Deny: []string{"a.*"}}},
			"sub *.b,sub *.*,sub >,sub a", "sub a.>,sub a.*,sub a.b"},
		{Permissions{Subscribe: deny("a.>")}, "sub *.>,sub *", "sub a.>,sub a.*,sub a.*.>"},

		{Permissions{Subscribe: allow("foo q1")}, "sub foo q1", "sub foo,sub foo q2,sub bar q1"},
		{Permissions{Subscribe: allow("foo", "foo q1")}, "sub foo,sub foo q1", "sub foo q2"},
		{Permissions{Subscribe: allow("foo", "bar q1")}, "sub foo,sub foo q1,sub bar q1", "sub bar q2"},
		{Permissions{Subscribe: allow("foo *.prod")}, "sub foo v1.prod,sub foo *.prod", "sub foo prod,sub foo >.prod"},
		{Permissions{Subscribe: allow("foo v1.*")}, "sub foo v1.a,sub foo v1.*", "sub foo v1.a.b,sub foo v1.>,sub foo v1"},
		{Permissions{Subscribe: allow("foo >")}, "sub foo v1.a,sub foo x,sub foo ..", "sub foo"},
		{Permissions{Subscribe: allow("foo q*")}, "sub foo q*", "sub foo q1,sub foo q"},
		{Permissions{Subscribe: allow("foo *")}, "sub foo q1,sub foo *", "sub foo a.b,sub foo,sub foo >"},
		{Permissions{Subscribe: allow("foo.* q1", "foo.a q2")}, "sub foo.a q1,sub foo.a q2", "sub foo.b q2"},
		{Permissions{Subscribe: allow("foo.*", "foo.a q2")}, "sub foo.a q2,sub foo.b q3,sub foo.* q1", "sub foo.a q1"},
		{Permissions{Subscribe: allow("foo  q1", "bar\tq1")}, "sub foo q1,sub bar q1", "sub foo"},
		{Permissions{Subscribe: deny("foo q1")}, "sub foo,sub foo q2,sub * q1,sub > q1", "sub foo q1"},
		{Permissions{Subscribe: deny("foo", "foo q1")}, "sub bar q1", "sub foo,sub foo q1,sub foo q2"},
		{Permissions{Subscribe: deny("foo", "bar q1")}, "sub bar,sub bar q2", "sub foo q1,sub bar q1"},
		{Permissions{Subscribe: deny("foo.* v1.*")}, "sub foo.a v2,sub foo.a v1.>", "sub foo.a v1.x,sub foo.* v1.x,sub foo.> v1.x"},
		{Permissions{Subscribe: both("foo", "foo q1")}, "sub foo,sub foo q2", "sub foo q1"},
		{Permissions{Subscribe: both("foo q1", "foo")}, "", "sub foo q1,sub foo"},

		{Permissions{Responses: responses}, "sub a", "pub a"},
		{Permissions{Responses: responses, Publish: deny("z")}, "", "pub a,pub z"},
		{Permissions{Responses: responses, Publish: allow("b")}, "pub b", "pub a"},
	}
	for _, tt := range tests {
		if err := tt.perms.check(); err != nil {
			t.Errorf("%v: %v", tt.perms, err)
			continue
		}
		r := NewRules(&tt.perms)
		for _, want := range []bool{true, false} {
			list := tt.yes
			if !want {
				list = tt.no
			}
			for op := range strings.SplitSeq(list, ",") {
				if op != "" && ask(r, op) != want {
					t.Errorf("%+v: %s: got %t", tt.perms, op, !want)
				}
			}
		}
	}
}

// ask puts a question such as "sub subject queue".
func ask(r *Rules, op string) bool {
	what, rest, _ := strings.Cut(op, " ")
	subject, queue, _ := strings.Cut(rest, " ")
	switch {
	case r == nil:
		return true
	case what == "pub":
		return r.MayPublish(subject)
	}
	return r.MaySubscribe(subject, queue)
}

func TestFilter(t *testing.T) {
	tests := []struct {
		deny    string
		sub     string
		denies  string // nothing: no filter
		permits string
	}{
		{"a.*", "*.b", "a.b", "c.b"},
		{"a.*", "*.*", "a.b,a.c", "c.b"},
		{"a.*", ">", "a.b", "a,a.b.c"},
		{"a.*", "b.*", "", ""},
		{"a.*", "b.c", "", ""},
		{"a.b.>", "a.*", "", ""},
		{"a.b.>", "a.>", "a.b.c", "a.b"},
		{"a.b.>", "a.*.*", "a.b.c", "a.c.c"},
		{"*.bar", "foo.*", "foo.bar", "foo.x"},
		{"*.bar", "foo.* q", "foo.bar", "foo.x"},
		{"foo.bar q1", "foo.* q1", "foo.bar", "foo.x"},
		{"foo.bar q1", "foo.* q2", "", ""},
		{"foo.bar q1", "foo.*", "", ""},
		{"foo.bar v.*", "foo.> v.1", "foo.bar", "foo.x"},
	}
	for _, tt := range tests {
		r := NewRules(&Permissions{Subscribe: SubjectRules{Deny: []string{tt.deny}}})
		subject, queue, _ := strings.Cut(tt.sub, " ")
		if !r.MaySubscribe(subject, queue) {
			t.Errorf("deny %s: %s is refused", tt.deny, tt.sub)
		}
		f := r.Filter(subject, queue)
		if (f == nil) != (tt.denies == "") {
			t.Errorf("deny %s: filter for %s is %v", tt.deny, tt.sub, f)
		}
		if f == nil {
			continue
		}
		for s := range strings.SplitSeq(tt.denies, ",") {
			if !f.Denies(s) {
				t.Errorf("deny %s: %s receives %s", tt.deny, tt.sub, s)
			}
		}
		for s := range strings.SplitSeq(tt.permits, ",") {
			if f.Denies(s) {
				t.Errorf("deny %s: %s does not receive %s", tt.deny, tt.sub, s)
			}
		}
	}
}

func TestRulesAreNilForNoRestriction(t *testing.T) {
	for _, p := range []*Permissions{nil, {}, {Publish: SubjectRules{Deny: []string{}}}} {
		if r := NewRules(p); r != nil {
			t.Errorf("%+v: got rules", p)
		}
	}
}

func TestResponseDefaults(t *testing.T) {
	for _, tt := range []struct{ in, want ResponseRule }{
		{ResponseRule{}, ResponseRule{1, 2 * time.Minute}},
		{ResponseRule{Max: 5, Expires: time.Second}, ResponseRule{5, time.Second}},
		{ResponseRule{Max: -1, Expires: -1}, ResponseRule{-1, -1}},
	} {
		if got := NewRules(&Permissions{Responses: &tt.in}).Responses(); *got != tt.want {
			t.Errorf("%v: got %v", tt.in, *got)
		}
	}
	if r := NewRules(&Permissions{Publish: SubjectRules{Deny: []string{"a"}}}).Responses(); r != nil {
		t.Errorf("got %v without a rule", r)
	}
}

// The model: subjects are enumerated, of the tokens that occur and one that does not.
const modelDepth = 5

var universe = func() (all []string) {
	level := []string{""}
	for range modelDepth {
		var next []string
		for _, s := range level {
			for _, t := range []string{"a", "b", "x"} {
				next = append(next, strings.TrimPrefix(s+"."+t, "."))
			}
		}
		all = append(all, next...)
		level = next
	}
	return all
}()

func modelMatch(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, t := range p {
		if t == ">" {
			return len(s) > i
		}
		if i >= len(s) || t != "*" && t != s[i] {
			return false
		}
	}
	return len(p) == len(s)
}

func modelAny(rules []string, subject, queue string) (plain, group, other bool) {
	for _, r := range rules {
		pattern, q, _ := strings.Cut(r, " ")
		if !modelMatch(pattern, subject) {
			continue
		}
		switch {
		case q == "":
			plain = true
		case queue == "":
		case modelMatch(q, queue) || q == queue:
			group = true
		default:
			other = true
		}
	}
	return plain, group, other
}

// checkModel compares rules with the model for one pattern and queue, which has no wildcard. Patterns
// are shorter than the longest subject of the model, which so has one that only ">" matches.
func checkModel(t interface {
	Helper()
	Fatalf(string, ...any)
}, rules SubjectRules, pattern, queue string) {
	t.Helper()
	r := &Rules{publish: newAccess(rules), subscribe: newAccess(rules)}
	may := r.MaySubscribe(pattern, queue)
	filter := r.Filter(pattern, queue)
	// Rules about other groups refuse a group although it is allowed for everybody, but only where they
	// cover the subscription. That is for TestRules; here they only excuse a refusal.
	allowed, otherAny, deniedAll, deniedAny := true, false, true, false
	for _, s := range universe {
		plain, group, _ := modelAny(rules.Deny, s, queue)
		denied := plain || group
		if modelMatch(pattern, s) {
			if rules.Allow != nil {
				plain, group, other := modelAny(rules.Allow, s, queue)
				allowed = allowed && (group || plain)
				otherAny = otherAny || other && !group
			}
			deniedAll = deniedAll && denied
			deniedAny = deniedAny || denied
			if may && (filter != nil && filter.Denies(s)) != denied {
				t.Fatalf("%+v: %s %s: delivery of %s, denied %t", rules, pattern, queue, s, denied)
			}
		}
		deniedPub, _, _ := modelAny(rules.Deny, s, "")
		allowedPub, _, _ := modelAny(rules.Allow, s, "")
		if want := (allowedPub || rules.Allow == nil) && !deniedPub; r.MayPublish(s) != want {
			t.Fatalf("%+v: publish to %s, want %t", rules, s, want)
		}
	}
	switch {
	case may && (!allowed || deniedAll):
		t.Fatalf("%+v: %s %s may subscribe", rules, pattern, queue)
	case !may && allowed && !otherAny && !deniedAny:
		t.Fatalf("%+v: %s %s may not subscribe", rules, pattern, queue)
	case !may && allowed && !otherAny && !deniedAll && !strings.HasSuffix(pattern, ">"):
		t.Fatalf("%+v: %s %s is denied only in part", rules, pattern, queue)
	case may && !deniedAny && filter != nil:
		t.Fatalf("%+v: %s %s has a filter without need", rules, pattern, queue)
	}
}

func TestRulesAgainstModel(t *testing.T) {
	pattern := rapid.StringMatching(`[ab*](\.[ab*]){0,2}|([ab*]\.){0,2}>`)
	rule := rapid.StringMatching(`([ab*](\.[ab*]){0,2}|([ab*]\.){0,2}>)( (q|r|\*|q\.\*))?`)
	queue := rapid.SampledFrom([]string{"", "q", "r", "q.1"})
	list := rapid.SliceOfN(rule, 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		rules := SubjectRules{Deny: list.Draw(t, "deny")}
		if rapid.Bool().Draw(t, "has allow") {
			rules.Allow = list.Draw(t, "allow")
		}
		checkModel(t, rules, pattern.Draw(t, "pattern"), queue.Draw(t, "queue"))
	})
}

// FuzzRules reads lists, a pattern and a queue from a text, and compares with the model where that
// knows the subjects.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{"a.*,a.*.>|a.b q|a.>|q", "a.>|*.b|*.*|", ">|>|>|", "a q.*,a|b|a|q.1", "||a|", "a..b|a|>.a|"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts := strings.Split(text, "|")
		if len(parts) != 4 {
			return
		}
		rules := SubjectRules{Allow: strings.Split(parts[0], ","), Deny: strings.Split(parts[1], ",")}
		if parts[0] == "" {
			rules.Allow = nil
		}
		if parts[1] == "" {
			rules.Deny = nil
		}
		pattern, queue := parts[2], parts[3]
		p := Permissions{Publish: SubjectRules{}, Subscribe: rules}
		if p.check() != nil {
			return
		}
		r := NewRules(&p)
		if r == nil {
			return
		}
		r.MaySubscribe(pattern, queue)
		r.MayPublish(pattern)
		if f := r.Filter(pattern, queue); f != nil {
			f.Denies(pattern)
		}
		if !validPattern(pattern) || queue != "" && (!validPattern(queue) || strings.ContainsAny(queue, "*>")) {
			return
		}
		if !modelled(append(slices.Concat(rules.Allow, rules.Deny), pattern)) {
			return
		}
		checkModel(t, normal(rules), pattern, queue)
	})
}

// modelled reports whether the model has all subjects that matter.
func modelled(rules []string) bool {
	return !slices.ContainsFunc(rules, func(r string) bool {
		subject, _ := splitRule(r)
		tokens := strings.Split(subject, ".")
		return len(tokens) > 3 || slices.ContainsFunc(tokens, func(t string) bool {
			return !slices.Contains([]string{"a", "b", "*", ">"}, t)
		})
	})
}

// normal has one blank before each queue, as the model needs it.
func normal(s SubjectRules) SubjectRules {
	each := func(rules []string) []string {
		if rules == nil {
			return nil
		}
		out := []string{}
		for _, r := range rules {
			out = append(out, strings.Join(strings.Fields(r), " "))
		}
		return out
	}
	return SubjectRules{Allow: each(s.Allow), Deny: each(s.Deny)}
}

func BenchmarkMayPublish(b *testing.B) {
	for _, n := range []int{20, 1000} {
		var allow, deny []string
		for i := range n / 2 {
			allow = append(allow, fmt.Sprintf("region.%d.orders.*.>", i))
			deny = append(deny, fmt.Sprintf("region.*.orders.secret%d.>", i))
		}
		r := NewRules(&Permissions{Publish: SubjectRules{Allow: allow, Deny: deny}})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !r.MayPublish("region.7.orders.new.2026.11") {
					b.Fatal("denied")
				}
			}
		})
	}
}
