package command

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"shoal/logtext"
	"shoal/node"
)

// portValue is a TCP port as the value of a flag. It may be [node.RandomPort].
type portValue struct{ port *int }

func (v portValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n != node.RandomPort && (n < 1 || n > math.MaxUint16) {
		return fmt.Errorf("%s is not a port, use 1 to 65535, or -1 for any free one", shown(text))
	}
	*v.port = n
	return nil
}

func (v portValue) String() string {
	if v.port == nil || *v.port == 0 {
		return ""
	}
	return strconv.Itoa(*v.port)
}

// numberValue is a whole number as the value of a flag.
type numberValue struct {
	number   *int
	min, max int
	notZero  string // why 0 is no value, if it is not
}

func (v numberValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > v.max:
		return fmt.Errorf("%s is too much, use %d at most", shown(text), v.max)
	case err != nil:
		return fmt.Errorf("%s is not a whole number", shown(text))
	case n < v.min:
		return fmt.Errorf("%s is too little, use at least %d", shown(text), v.min)
	case n == 0 && v.notZero != "":
		return errors.New(v.notZero)
	}
	*v.number = n
	return nil
}

func (v numberValue) String() string {
	if v.number == nil {
		return ""
	}
	return strconv.Itoa(*v.number)
}

// sizeValue is a number of bytes as the value of a flag, with an optional unit. As in the
// configuration files of NATS servers, K, M and G are powers of 1000, all others powers of 1024.
type sizeValue struct {
	bytes *int
	max   int
}

// sizeUnits are tried in this order, so that a unit is found before one that it ends with.
var sizeUnits = []struct {
	name  string
	bytes int
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30},
	{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30},
	{"K", 1e3}, {"M", 1e6}, {"G", 1e9},
	{"B", 1},
}

func (v sizeValue) Set(text string) error {
	digits, unit := strings.ToUpper(strings.TrimSpace(text)), 1
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.Atoi(digits)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > v.max/unit:
		return fmt.Errorf("%s is too much, use %d bytes at most", shown(text), v.max)
	case err != nil:
		return fmt.Errorf("%s is not a size, use bytes or a unit as in 64MB", shown(text))
	case n < 1:
		return fmt.Errorf("%s is too little, use at least 1 byte", shown(text))
	}
	*v.bytes = n * unit
	return nil
}

func (v sizeValue) String() string {
	if v.bytes == nil {
		return ""
	}
	for _, unit := range []struct {
		name  string
		bytes int
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}} {
		if *v.bytes > 0 && *v.bytes%unit.bytes == 0 {
			return strconv.Itoa(*v.bytes/unit.bytes) + unit.name
		}
	}
	return strconv.Itoa(*v.bytes)
}

// durationValue is a span of time as the value of a flag; a bare number counts seconds.
type durationValue struct{ duration *time.Duration }

func (v durationValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if seconds, floatErr := strconv.ParseFloat(text, 64); floatErr == nil && math.Abs(seconds) < 1e9 {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil {
		return fmt.Errorf("%s is not a duration, write it like 500ms, 10s or 2m", shown(text))
	}
	if d <= 0 {
		return fmt.Errorf("%s is too short, use more than 0s", shown(text))
	}
	*v.duration = d
	return nil
}

func (v durationValue) String() string {
	if v.duration == nil {
		return ""
	}
	text := v.duration.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// shown returns what somebody typed as it may appear in an error.
func shown(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return text
	}
	return strconv.Quote(text)
}

// syslogValue is the address of a syslog as the value of a flag.
type syslogValue struct{ address *string }

func (v syslogValue) Set(text string) error {
	if _, _, err := logtext.ParseSyslog(text); err != nil {
		return fmt.Errorf("%s %w", shown(text), err)
	}
	*v.address = text
	return nil
}

func (v syslogValue) String() string {
	if v.address == nil {
		return ""
	}
	return *v.address
}
