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

var replyForm = regexp.MustCompile(`@reply\((\d+)\)`)

// hide puts names in the place of subjects. A message is the first to show one, as its reply.
func (r *replies) hide(op string) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	line, _, _ := strings.Cut(op, "\r\n")
	if fields := strings.Fields(line); isMessage(op) && len(fields) > 4 && strings.HasPrefix(fields[3], "_R_.") && !slices.Contains(r.known, fields[3]) {
		r.known = append(r.known, fields[3])
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
