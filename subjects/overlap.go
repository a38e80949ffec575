package subjects

import "strings"

// Intersect returns the pattern of the subjects that match both of two patterns, and whether there are any.
func Intersect(a, b string) (string, bool) {
	if !Valid(a) || !Valid(b) {
		return "", false
	}
	var both []string
	for {
		x, restA, moreA := cut(a)
		y, restB, moreB := cut(b)
		switch {
		case x == ">":
			return strings.Join(append(both, b), "."), true
		case y == ">":
			return strings.Join(append(both, a), "."), true
		case x == "*" || x == y:
			both = append(both, y)
		case y == "*":
			both = append(both, x)
		default:
			return "", false
		}
		if !moreA || !moreB {
			return strings.Join(both, "."), moreA == moreB
		}
		a, b = restA, restB
	}
}

// Covers reports whether everything that matches pattern b matches a as well. A subject is a pattern
// that only it matches.
func Covers(a, b string) bool {
	for {
		x, restA, moreA := cut(a)
		y, restB, moreB := cut(b)
		switch {
		case x == ">":
			return y != ""
		case y == ">" || x != "*" && x != y || y == "":
			return false
		}
		if !moreA || !moreB {
			return moreA == moreB
		}
		a, b = restA, restB
	}
}
