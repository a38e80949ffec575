package compat

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"shoal/compat/internal/mesh"
)

// TestMeshFrozen stops a node as if its machine had no time for it, while others send it more than
// sockets hold. They go on without it, and afterwards it is a node like any other. shoal gives up
// such a node when the deadline for writing has passed.
func TestMeshFrozen(t *testing.T) {
	for _, kinds := range []string{"sss", "ssn", "nns", "nsn"} {
		if *onlyKinds != "" && *onlyKinds != kinds {
			continue
		}
		t.Run(kinds, func(t *testing.T) {
			t.Parallel()
			const messages, size = 60_000, 1 << 10
			m := startMesh(t, mesh.Options{
				Kinds: kinds, Config: "write_deadline: \"1s\"\n", ShoalFlags: []string{"--write_deadline", "1s"},
			})
			publisher, subscriber := connectNode(t, m.Nodes[0]), connectNode(t, m.Nodes[1])
			frozen := m.Nodes[2]
			guest := connectNode(t, frozen)
			flood := newTally(messages, "the subscriber on %s", m.Nodes[1])
			sub, err := subscriber.Subscribe("flood", flood.add)
			must(t, err)
			must(t, sub.SetPendingLimits(-1, -1))
			guestSub, err := guest.SubscribeSync("flood")
			must(t, err)
			must(t, guestSub.SetPendingLimits(-1, -1))
			settle(t, m, publisher, subscriber, guest)

			must(t, frozen.Signal(syscall.SIGSTOP))
			t.Cleanup(func() { _ = frozen.Signal(syscall.SIGCONT) }) // or it could not be told to stop
			payload := make([]byte, size)
			for i := range messages {
				binary.BigEndian.PutUint64(payload, uint64(i))
				must(t, publisher.Publish("flood", payload))
				if i%1000 == 999 {
					flushAll(t, publisher)
				}
			}
			flood.await()
			flood.check(t, messages)
			if isShoal(m.Nodes[0]) { // nats-server may wait for it
				must(t, mesh.Poll(meshPatience, func() error {
					peers, err := m.Nodes[0].Peers()
					if err == nil && peers[frozen.ID()] != nil {
						err = fmt.Errorf("%s has still a route to the frozen node", m.Nodes[0])
					}
					return err
				}))
			}
			must(t, frozen.Signal(syscall.SIGCONT))
			awaitMesh(t, m)
			meshProgram(t, m)
			flood.check(t, messages)
		})
	}
}
