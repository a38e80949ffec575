package system

import (
	"log/slog"
	"testing"

	"shoal/node"
)

// When clients come and go faster than it can be told, nobody waits and little is kept.
func TestEventsAreBounded(t *testing.T) {
	n, err := node.New(node.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := New(n, nil, nil, slog.New(slog.DiscardHandler))
	const storm = 3 * mostEvents
	for range storm {
		s.events.add("x", func() any { return nil })
	}
	if got := len(s.events.queue) + s.events.lost; got != storm || len(s.events.queue) != mostEvents {
		t.Errorf("of %d events %d wait and %d are lost", storm, len(s.events.queue), s.events.lost)
	}
	for range storm {
		s.Connected("A", func() node.Connection {
			t.Fatal("a client is described although nobody listens")
			return node.Connection{}
		})
	}
	if len(s.events.accounts) != 1 || len(s.events.changed) != 1 {
		t.Errorf("%d accounts and %d changes are noted", len(s.events.accounts), len(s.events.changed))
	}
}
