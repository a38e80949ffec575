package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// replies are the subjects that a server makes up for answers to requests of another account. In
// scripts they are @reply(1), @reply(2) and so on, in the order in which they are seen.
type replies struct {
	mutex sync.Mutex
	known []string
}

// replyInterest is the interest in all replies to an account.
var replyInterest = regexp.MustCompile(`_R_\.[-\w]+\.>`)

var replyForm = regexp.MustCompile(`@reply\((\d+)\)`)

// hide puts names in the place of subjects. A message is the first to show one, as its reply.
func (r *replies) hide(op string) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	line, _, _ := strings.Cut(op, "\r\n")
	fields := strings.Fields(line)
	if isInterest(op) {
		return replyInterest.ReplaceAllString(op, "_R_.*.>")
	}
	for i := 3; i < len(fields) && i <= 4 && isMessage(op); i++ {
		if strings.HasPrefix(fields[i], "_R_.") && !slices.Contains(r.known, fields[i]) {
			r.known = append(r.known, fields[i])
		}
	}
	for i, subject := range r.known {
		op = strings.ReplaceAll(op, subject, fmt.Sprintf("@reply(%d)", i+1))
	}
	return op
}

// fill puts subjects in the place of names.
func (r *replies) fill(data []byte) []byte {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return replyForm.ReplaceAllFunc(data, func(name []byte) []byte {
		i, err := strconv.Atoi(string(replyForm.FindSubmatch(name)[1]))
		if err != nil || i < 1 || i > len(r.known) {
			return name
		}
		return []byte(r.known[i-1])
	})
}
