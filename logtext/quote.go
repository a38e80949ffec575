package logtext

import (
	"strconv"
	"unicode/utf8"
)

// appendClean writes text for people: as it is, except that what could break the line or deceive
// the eye (control bytes, terminal escapes, invisible or reversing characters) is escaped.
func appendClean(line []byte, text string) []byte {
	if isPlain(text) {
		return append(line, text...)
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if isSafe(r, size) {
			line = append(line, text[:size]...)
		} else {
			// Quote writes the escape between two quotes that nobody wants here.
			quoted := strconv.Quote(text[:size])
			line = append(line, quoted[1:len(quoted)-1]...)
		}
		text = text[size:]
	}
	return line
}

// appendQuoted writes a key or a value, in quotes where it would be ambiguous without.
func appendQuoted(line []byte, text string) []byte {
	if needsQuotes(text) {
		return strconv.AppendQuote(line, text)
	}
	return append(line, text...)
}

func needsQuotes(text string) bool {
	if text == "" {
		return true
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c == ' ' || c == '=' || c == '"' {
			return true
		}
	}
	return !isPlain(text)
}

// isPlain reports whether text has nothing that must be escaped.
func isPlain(text string) bool {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if !isSafe(r, size) {
			return false
		}
		i += size
	}
	return true
}

func isSafe(r rune, size int) bool {
	invalid := r == utf8.RuneError && size == 1
	return !invalid && strconv.IsPrint(r)
}
