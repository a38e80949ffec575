package node

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestAlive(t *testing.T) {
	n := startNode(t, Options{Cluster: ClusterOptions{Host: "127.0.0.1", Port: RandomPort, NoGossip: true}})
	dial(t, n, "PING\r\n")
	alive := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return n.Alive(ctx)
	}
	if err := alive(patience); err != nil {
		t.Errorf("a node that works: %v", err)
	}

	// Somebody holds the table of clients, and the goroutine of the alarms waits for it.
	n.clients.mu.Lock()
	err := alive(50 * time.Millisecond)
	n.clients.mu.Unlock()
	if err == nil {
		t.Error("a node whose clients cannot be counted passes for alive")
	}
	if err := alive(patience); err != nil {
		t.Errorf("a node that goes on: %v", err)
	}

	for _, d := range []*door{&n.clientDoor, &n.routeDoor} {
		d.opened.Store(time.Now().Add(-2 * longVisit).UnixNano())
		if err := alive(patience); err == nil || !strings.Contains(err.Error(), "keeps all others waiting") {
			t.Errorf("a node that accepts nobody any more: %v", err)
		}
		d.begin()
		if err := alive(patience); err != nil {
			t.Errorf("a node that is just accepting somebody: %v", err)
		}
		d.end()
	}

	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := alive(patience); err != nil {
		t.Errorf("a node that has stopped: %v", err)
	}
}
