package compat

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

// patience is how long to wait for something that normally takes a moment.
const patience = 60 * time.Second

// notebook collects what a program observes.
type notebook struct {
	mutex sync.Mutex
	notes []string
}

func (n *notebook) note(format string, args ...any) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.notes = append(n.notes, fmt.Sprintf(format, args...))
}

// program is something an application might do with a server that has the settings. It notes what
// it observes, less what may differ from run to run.
type program func(t *testing.T, server *broker.Server, note func(format string, args ...any))

// compareRuns runs a program with nats-server and with the server under test. Both have to make it
// observe the same.
func compareRuns(t *testing.T, settings broker.Settings, run program) {
	t.Helper()
	oracle := observe(t, broker.Oracle, settings, run)
	got := observe(t, subject(), settings, run)
	if !slices.Equal(oracle, got) {
		t.Errorf("the program observed\n%s\ninstead of\n%s", lines(got), lines(oracle))
	}
}

func observe(t *testing.T, kind broker.Kind, settings broker.Settings, run program) []string {
	t.Helper()
	var book notebook
	ok := t.Run(kind.Name, func(t *testing.T) {
		run(t, startServer(t, kind, settings), book.note)
	})
	if !ok {
		t.FailNow()
	}
	return book.notes
}

func lines(notes []string) string {
	const shown = 50
	text := ""
	for i, note := range notes {
		if i == shown {
			return text + fmt.Sprintf("  … and %d more\n", len(notes)-shown)
		}
		text += "  " + note + "\n"
	}
	return text
}

// connect connects until the end of the test. Errors that the server reports fail it.
func connect(t *testing.T, server *broker.Server, options ...nats.Option) *nats.Conn {
	t.Helper()
	all := append([]nats.Option{
		nats.Timeout(patience),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("%s: %v", server.Kind.Name, err) }),
	}, options...)
	nc, err := nats.Connect(server.URL(), all...)
	if err != nil {
		t.Fatalf("%v, the log of %s:\n%s", err, server.Kind.Name, server.Log())
	}
	t.Cleanup(nc.Close)
	return nc
}

// must fails the test if there is an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// subscribe subscribes synchronously and makes sure that the server knows.
func subscribe(t *testing.T, nc *nats.Conn, subject string) *nats.Subscription {
	t.Helper()
	sub, err := nc.SubscribeSync(subject)
	must(t, err)
	must(t, nc.Flush())
	return sub
}

// next waits for a message.
func next(t *testing.T, sub *nats.Subscription) *nats.Msg {
	t.Helper()
	msg, err := sub.NextMsg(patience)
	if err != nil {
		t.Fatalf("no message for %s: %v", sub.Subject, err)
	}
	return msg
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
