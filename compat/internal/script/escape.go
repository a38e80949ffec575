package script

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// unescape turns the text of a script line into the bytes it stands for. Known are \r, \n, \t,
// \s (a blank), \\, \xNN and the repeat \{N:text\}, in whose text \# is the number of the
// repetition, from 1 on; outside of one it is the counter.
func unescape(text string, counter int) ([]byte, error) {
	data, rest, err := unescapeUntil(text, "", counter)
	if err == nil && rest != "" {
		err = errors.New(`\} without \{`)
	}
	return data, err
}

// unescapeUntil decodes up to the terminator, or to the end of the text if that is empty.
func unescapeUntil(text, terminator string, counter int) (data []byte, rest string, err error) {
	for text != "" {
		if terminator != "" && strings.HasPrefix(text, terminator) {
			return data, text[len(terminator):], nil
		}
		if text[0] != '\\' {
			data = append(data, text[0])
			text = text[1:]
			continue
		}
		if len(text) < 2 {
			return nil, "", errors.New(`\ at the end`)
		}
		letter := text[1]
		text = text[2:]
		switch letter {
		case 'r':
			data = append(data, '\r')
		case 'n':
			data = append(data, '\n')
		case 't':
			data = append(data, '\t')
		case 's':
			data = append(data, ' ')
		case '\\':
			data = append(data, '\\')
		case '#':
			data = strconv.AppendInt(data, int64(counter), 10)
		case 'x':
			if len(text) < 2 {
				return nil, "", errors.New(`\x needs two digits`)
			}
			value, err := strconv.ParseUint(text[:2], 16, 8)
			if err != nil {
				return nil, "", fmt.Errorf(`\x%s is not hexadecimal`, text[:2])
			}
			data = append(data, byte(value))
			text = text[2:]
		case '{':
			var repeated []byte
			if repeated, text, err = unescapeRepeat(text); err != nil {
				return nil, "", err
			}
			data = append(data, repeated...)
		default:
			return nil, "", fmt.Errorf(`\%c is not known`, letter)
		}
	}
	if terminator != "" {
		return nil, "", errors.New(`\{ without \}`)
	}
	return data, "", nil
}

func unescapeRepeat(text string) (data []byte, rest string, err error) {
	number, body, ok := strings.Cut(text, ":")
	count, err := strconv.Atoi(number)
	if !ok || err != nil || count < 1 {
		return nil, "", errors.New(`\{ needs a number and a colon`)
	}
	for i := 1; i <= count; i++ {
		var once []byte
		if once, rest, err = unescapeUntil(body, `\}`, i); err != nil {
			return nil, "", err
		}
		data = append(data, once...)
	}
	return data, rest, nil
}

// runLength is the number of equal bytes from which on escape writes a repeat.
const runLength = 24

// escape writes data so that unescape restores it.
func escape(data []byte) string {
	var out strings.Builder
	for len(data) > 0 {
		run := len(data) - len(bytes.TrimLeft(data, string(rune(data[0]))))
		if data[0] >= 0x80 || run < runLength {
			run = 1
		}
		letter := escapeByte(data[0])
		if data[0] == ' ' && (len(data) == 1 || out.Len() == 0) {
			letter = `\s`
		}
		if run > 1 {
			fmt.Fprintf(&out, `\{%d:%s\}`, run, letter)
		} else {
			out.WriteString(letter)
		}
		data = data[run:]
	}
	return out.String()
}

func escapeByte(b byte) string {
	switch {
	case b == '\r':
		return `\r`
	case b == '\n':
		return `\n`
	case b == '\t':
		return `\t`
	case b == '\\':
		return `\\`
	case b < ' ' || b >= 0x7f:
		return fmt.Sprintf(`\x%02x`, b)
	}
	return string(rune(b))
}
