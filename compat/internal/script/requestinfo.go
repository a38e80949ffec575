package script

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rttForm is the round trip of who asks in the header by which a server tells a service of it.
var rttForm = regexp.MustCompile(`(Nats-Request-Info: \{.*)"rtt":\d+`)

// hideRTT sets that to 0, and with it the sizes of the message.
func hideRTT(op string) string {
	line, rest, _ := strings.Cut(op, "\r\n")
	hidden := rttForm.ReplaceAllString(rest, `$1"rtt":0`)
	if hidden == rest || !strings.HasPrefix(line, "HMSG ") {
		return op
	}
	fields := strings.Fields(line)
	for i := len(fields) - 2; i < len(fields); i++ {
		size, err := strconv.Atoi(fields[i])
		if err != nil {
			return op
		}
		fields[i] = fmt.Sprint(size - len(rest) + len(hidden))
	}
	return strings.Join(fields, " ") + "\r\n" + hidden
}
