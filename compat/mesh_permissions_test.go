package compat

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// TestMeshPermissions has servers tell each other only of some subjects, and changes which while they run.
func TestMeshPermissions(t *testing.T) {
	const (
		own       = `"fence.>", "_INBOX.>"` // of the tests
		few       = `cluster { permissions { import: ["open.*", ` + own + `], export: ["open.*", ` + own + `] } }`
		imports   = `cluster { permissions { import: ["open.*", "closed.*", ` + own + `], export: ["open.*", ` + own + `] } }`
		exports   = `cluster { permissions { import: ["open.*", ` + own + `], export: ["open.*", "closed.*", ` + own + `] } }`
		all       = "# nothing"
		responder = 1
	)
	// A nats-server with several peers has only one of them count by the new permissions.
	forKinds(t, []string{"sn", "ns", "ss", "nn", "sss"}, func(t *testing.T, kinds string) {
		m := startMesh(t, mesh.Options{Kinds: kinds, SharedConfig: few})
		clients := connectNodes(t, m.Nodes)
		for _, subject := range []string{"open.a", "closed.a"} {
			_, err := clients[responder].QueueSubscribe(subject, "q", func(m *nats.Msg) { _ = m.Respond(nil) })
			must(t, err)
		}
		flushAll(t, clients...)
		must(t, m.AwaitInterest(meshPatience))
		answers := func(node int, subject string) bool {
			_, err := clients[node].Request(subject, nil, time.Second)
			if err != nil && !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, nats.ErrTimeout) {
				t.Fatal(err) // it may time out: nats-servers sometimes lose a route when one of them reloads
			}
			return err == nil
		}
		check := func(what string, want bool) {
			t.Helper()
			for node := range m.Nodes {
				awaitTrue(t, what, func() bool { return answers(node, "closed.a") == (want || node == responder) })
				awaitTrue(t, what+", and what is open", func() bool { return answers(node, "open.a") })
			}
		}
		become := func(config string, nodes ...int) {
			t.Helper()
			for _, i := range nodes {
				must(t, m.Nodes[i].Reconfigure(config))
			}
		}
		others := []int{0}
		if len(m.Nodes) > 2 {
			others = append(others, 2)
		}
		check("nothing is told of what is closed", false)
		become(imports, responder)
		become(exports, others...)
		check("what is imported and exported is told", true)
		become(few, others...)
		check("the other side exports it no longer", false)
		become(all, others...)
		check("the other side exports everything", true)
		become(few, responder)
		check("its own side imports it no longer", false)
		become(all, responder)
		check("nothing is restricted", true)
		must(t, m.AwaitRoutes(meshPatience))
	})
}
