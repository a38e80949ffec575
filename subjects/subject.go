// Package subjects matches subjects against the patterns subscribed to.
//
// A subject is a list of tokens separated by dots. In a subscribed subject,
// also called a pattern, the token "*" stands for any one token and a last
// token ">" for one or more. In a published subject they stand for themselves.
package subjects

// Valid reports whether s may be subscribed to: no token is empty, and ">" is
// a token only in the last place.
func Valid[T string | []byte](s T) bool {
	for more := true; more; {
		var token T
		token, s, more = cut(s)
		if len(token) == 0 || more && string(token) == ">" {
			return false
		}
	}
	return true
}

// Publishable reports whether a message published to s can match anything,
// which takes that no token is empty.
func Publishable[T string | []byte](s T) bool {
	last := byte('.')
	for i := range len(s) {
		if s[i] == '.' && last == '.' {
			return false
		}
		last = s[i]
	}
	return last != '.'
}

// HasWildcard reports whether some token of s is "*" or ">".
func HasWildcard[T string | []byte](s T) bool {
	for more := true; more; {
		var token T
		token, s, more = cut(s)
		if string(token) == "*" || string(token) == ">" {
			return true
		}
	}
	return false
}

// NumTokens returns the number of tokens of s.
func NumTokens[T string | []byte](s T) int {
	n := 1
	for i := range len(s) {
		if s[i] == '.' {
			n++
		}
	}
	return n
}

// Match reports whether a message published to subject goes to those who
// subscribed to pattern. A pattern that is not Valid matches nothing, and
// nothing matches a subject that is not Publishable.
func Match[P, S string | []byte](pattern P, subject S) bool {
	if !Valid(pattern) || !Publishable(subject) {
		return false
	}
	for {
		p, patternRest, patternMore := cut(pattern)
		if string(p) == ">" {
			return true
		}
		s, subjectRest, subjectMore := cut(subject)
		if string(p) != "*" && string(p) != string(s) {
			return false
		}
		if !patternMore || !subjectMore {
			return patternMore == subjectMore
		}
		pattern, subject = patternRest, subjectRest
	}
}

// cut splits s after its first token. more reports whether another token
// follows, be it an empty one.
func cut[T string | []byte](s T) (token, rest T, more bool) {
	for i := range len(s) {
		if s[i] == '.' {
			return s[:i], s[i+1:], true
		}
	}
	return s, s[len(s):], false
}
