package system

import "shoal/node"

// mostTraced is the size of the traces that may wait to be told, roughly and in bytes.
const mostTraced = 16 << 20

// messageTrace is what a server tells of a message.
type messageTrace struct {
	Server server `json:"server"`
	*node.MessageTrace
}

// Traced implements [node.SystemService].
func (s *Service) Traced(account, subject string, t *node.MessageTrace) {
	size := int64(t.Request.Size + 256*len(t.Events))
	if s.traced.Add(size) > mostTraced {
		s.traced.Add(-size)
		s.events.lose()
		return
	}
	encoding := ""
	if accepted := t.Request.Header["Accept-Encoding"]; len(accepted) > 0 {
		encoding = encodingOf(accepted[0])
	}
	tell := func() {
		defer s.traced.Add(-size)
		s.client.PublishIn(account, subject, encodingHeader(encoding), func() []byte {
			return compress(s.encode(messageTrace{s.self(), t}), encoding)
		})
	}
	if !s.events.push(tell) {
		s.traced.Add(-size)
	}
}
