package compat

import (
	"os"
	"sync"
	"testing"
	"time"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/chaos"
	"shoal/compat/internal/lab"
)

// What scripts/chaos measures, once and shorter. Times may be ten times as long as they are on a quiet
// machine, or more.

var checkLab = sync.OnceValue(lab.Check)

// gossiping is shoal, in a test that needs networks that can be broken.
func gossiping(t *testing.T) chaos.Contestant {
	if subject().Name != broker.Shoal.Name {
		t.Skip("only shoal gossips")
	}
	if err := checkLab(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("cannot make networks that can be broken: ", err)
		}
		t.Skip("cannot make networks that can be broken: ", err)
	}
	t.Parallel()
	return chaos.Contestant{Name: "shoal", Kind: subject()}
}

// chaosSettings keep all tests of this file together under a minute, even one after the other.
var chaosSettings = chaos.Settings{
	Split: 8 * time.Second, Fault: 5 * time.Second, Patience: 40 * time.Second, Settle: 500 * time.Millisecond,
}

func within(t *testing.T, what string, took chaos.Seconds, most float64) {
	t.Helper()
	t.Logf("%s: %.3f s", what, float64(took))
	if !(float64(took) <= most) {
		t.Errorf("%s: took %.3f s instead of at most %v s", what, float64(took), most)
	}
}

// unharmed fails if messages were lost or doubled between nodes that worked.
func unharmed(t *testing.T, o *chaos.Outcome) {
	t.Helper()
	t.Logf("queue group: %+v, %+v of them until it was noticed, %+v after that; subscribers: %+v", o.Queue, o.Noticing, o.After, o.Plain)
	if o.Plain.Sent == 0 || o.Plain.Lost > 0 || o.Plain.Doubled > 0 {
		t.Errorf("subscribers that had nothing to do with it: %+v", o.Plain)
	}
	if o.Queue.Sent == 0 || o.Queue.Doubled > 0 || o.After.Lost > 0 {
		t.Errorf("queue group: %+v, after it was noticed: %+v", o.Queue, o.After)
	}
}

// TestChaosKill kills a node: all others know at once.
func TestChaosKill(t *testing.T) {
	o, err := chaos.Kill(gossiping(t), chaosSettings)
	must(t, err)
	within(t, "out of connect_urls", o.OutOfURLs, 5)
	within(t, "out of routes", o.OutOfRoutes, 5)
	within(t, "healed", o.Healed, 5)
	unharmed(t, &o)
}

// TestChaosLeave has a node leave.
func TestChaosLeave(t *testing.T) {
	o, err := chaos.Leave(gossiping(t), chaosSettings)
	must(t, err)
	within(t, "out of connect_urls", o.OutOfURLs, 5)
	within(t, "out of routes", o.OutOfRoutes, 5)
	within(t, "healed", o.Healed, 5)
	unharmed(t, &o)
}

// TestChaosFreeze stops the process of a node, which keeps all its connections.
func TestChaosFreeze(t *testing.T) {
	o, err := chaos.Freeze(gossiping(t), chaosSettings)
	must(t, err)
	within(t, "out of queues", o.OutOfQueues, 10)
	within(t, "out of connect_urls", o.OutOfURLs, 40)
	within(t, "out of routes", o.OutOfRoutes, 40)
	within(t, "healed", o.Healed, 10)
	unharmed(t, &o)
}

// TestChaosPartition cuts the network in two for longer than it takes to give up the other half.
func TestChaosPartition(t *testing.T) {
	o, err := chaos.Partition(gossiping(t), chaosSettings)
	must(t, err)
	within(t, "healed", o.Healed, 20)
	unharmed(t, &o)
}

// TestChaosLoss loses much of the gossip, and nothing else: nobody must be given up.
func TestChaosLoss(t *testing.T) {
	o, err := chaos.Break(gossiping(t), chaosSettings, lab.Fault{Loss: 0.3, OnlyUDP: true},
		func(nodes []*lab.Node) []*lab.Node { return nodes })
	must(t, err)
	if o.Withdrawn > 0 || o.Cut > 0 {
		t.Errorf("%d addresses were withdrawn and %d routes cut, although all nodes work", o.Withdrawn, o.Cut)
	}
	within(t, "healed", o.Healed, 10)
	unharmed(t, &o)
}

// TestChaosJoin has nodes meet that know only the first.
func TestChaosJoin(t *testing.T) {
	took, err := chaos.Join(gossiping(t), chaosSettings, 10)
	must(t, err)
	within(t, "full mesh", took, 10)
}
