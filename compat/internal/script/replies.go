package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// replies are the subjects that a server makes up for answers to requests of another account. In
// scripts they are @reply(1), @reply(2) and so on, in the order in which they are seen.
type replies struct {
	mutex sync.Mutex
	known []string
}

var (
	replySubject = regexp.MustCompile(`_R_\.[-\w.]+`)
	replyForm    = regexp.MustCompile(`@reply\((\d+)\)`)
)

// hide puts names in the place of subjects.
func (r *replies) hide(op string) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return replySubject.ReplaceAllStringFunc(op, func(subject string) string {
		i := slices.Index(r.known, subject)
		if i < 0 {
			i = len(r.known)
			r.known = append(r.known, subject)
		}
		return fmt.Sprintf("@reply(%d)", i+1)
	})
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
