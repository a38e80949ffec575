package system

import (
	"context"
	"crypto/rand"
	"sync"

	"shoal/node"
)

// asking are the requests of this server to others that wait for answers.
type asking struct {
	mu      sync.Mutex // guards waiting
	waiting map[string]chan []byte
}

// inbox returns what the subjects of answers to this server begin with.
func (s *Service) inbox() string { return "$SYS._INBOX." + s.node.ID() + "." }

// ask asks all other servers, and returns the answers of so many, or those that have come when ctx ends.
func (s *Service) ask(ctx context.Context, subject string, question any, servers int) (answers [][]byte) {
	reply, came := s.inbox()+rand.Text(), make(chan []byte, servers)
	s.asking.mu.Lock()
	s.asking.waiting[reply] = came
	s.asking.mu.Unlock()
	defer func() {
		s.asking.mu.Lock()
		defer s.asking.mu.Unlock()
		delete(s.asking.waiting, reply)
	}()
	s.client.Request(subject, reply, func() []byte { return s.encode(question) })
	for len(answers) < servers {
		select {
		case answer := <-came:
			answers = append(answers, answer)
		case <-ctx.Done():
			return answers
		}
	}
	return answers
}

// answered takes an answer.
func (s *Service) answered(m *node.SystemMessage) {
	s.asking.mu.Lock()
	defer s.asking.mu.Unlock()
	select {
	case s.asking.waiting[m.Subject] <- m.Payload:
	default: // nobody waits for it, or for so many
	}
}
