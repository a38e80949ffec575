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

// Traces wait only as long as they are neither too many nor too large.
func TestTracesAreBounded(t *testing.T) {
	n, err := node.New(node.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := New(n, nil, nil, slog.New(slog.DiscardHandler))
	for range 3 {
		s.Traced(node.GlobalAccount, "x", &node.MessageTrace{Request: node.TraceRequest{Size: mostTraced/2 + 1}})
	}
	if len(s.events.queue) != 1 || s.events.lost != 2 {
		t.Errorf("of large traces %d wait and %d are lost", len(s.events.queue), s.events.lost)
	}
	(<-s.events.queue)()
	for range 2 * mostEvents {
		s.Traced(node.GlobalAccount, "x", &node.MessageTrace{Request: node.TraceRequest{Size: 1}})
	}
	if size := s.traced.Load(); len(s.events.queue) != mostEvents || size != mostEvents {
		t.Errorf("%d traces wait, of %d bytes", len(s.events.queue), size)
	}
}
