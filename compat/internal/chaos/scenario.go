// Package chaos breaks clusters in a [lab] and measures what their clients see of it.
package chaos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/lab"
)

// Contestant is a server to measure, and how it is run.
type Contestant struct {
	Name  string
	Kind  broker.Kind
	Flags []string
	// Join is the flag that names the first node, by default the usual one.
	Join string
}

// Settings are how long things take.
type Settings struct {
	// Split is how long a partition lasts.
	Split time.Duration
	// Fault is how long a cable is broken.
	Fault time.Duration
	// Patience is how long a node stays frozen if nobody notices.
	Patience time.Duration
	// Settle is how long a mesh must work to count as healed.
	Settle time.Duration
	// Logs gets what all nodes have printed, after each run.
	Logs io.Writer
}

// nodes is how many there are in a cluster that is broken.
const nodes = 4

// healTime is how long a cluster may take to heal before it counts as not healed.
const healTime = 2 * time.Minute

// Outcome is what clients saw of a broken cluster.
type Outcome struct {
	OutOfQueues Seconds // since when no message was chosen for a node that was gone
	OutOfURLs   Seconds // when the last server stopped telling clients of it
	OutOfRoutes Seconds // when the last server had no route to it
	Healed      Seconds // after the end of the fault, until everybody got answers from everybody

	Withdrawn int // addresses that clients were told of no more although their nodes worked
	Cut       int // routes that were cut although both nodes worked

	Queue    Tally // messages to the queue group
	Noticing Tally // those of them that were sent before all routes to the node were gone
	After    Tally // those that were sent between that and the end of the fault
	Plain    Tally // messages to subscribers between whom and the publisher all nodes worked
}

// run is a cluster that works and has load.
type run struct {
	*lab.Lab
	settings Settings
	load     *load
	observer *observer
}

// with calls a function with a cluster that works.
func with(c Contestant, s Settings, cables bool, observed func(nodes []*lab.Node) []*lab.Node, do func(r *run) (Outcome, error)) (out Outcome, err error) {
	l, err := lab.New(lab.Options{Nodes: nodes, Kind: c.Kind, Flags: c.Flags, Join: c.Join, Cables: cables})
	if err != nil {
		return out, err
	}
	defer l.Close()
	defer func() {
		if s.Logs != nil {
			fmt.Fprint(s.Logs, l.Log())
		}
	}()
	if err := l.Start(); err != nil {
		return out, err
	}
	if _, err := awaitMesh(l.Nodes, time.Now(), 200*time.Millisecond, 30*time.Second); err != nil {
		return out, err
	}
	r := &run{Lab: l, settings: s}
	if r.load, err = startLoad(l.Nodes); err != nil {
		return out, err
	}
	defer r.load.close()
	if r.observer, err = observe(observed(l.Nodes)); err != nil {
		return out, err
	}
	defer r.observer.close()
	time.Sleep(time.Second)
	return do(r)
}

func everybody(nodes []*lab.Node) []*lab.Node { return nodes }

func survivors(nodes []*lab.Node) []*lab.Node { return nodes[:len(nodes)-1] }

// Kill kills the last node, and starts it again on its address.
func Kill(c Contestant, s Settings) (Outcome, error) {
	return with(c, s, false, survivors, func(r *run) (Outcome, error) {
		return r.lose((*lab.Node).Kill, (*lab.Node).Launch)
	})
}

// Leave asks the last node to stop, and starts it again.
func Leave(c Contestant, s Settings) (Outcome, error) {
	return with(c, s, false, survivors, func(r *run) (Outcome, error) {
		return r.lose((*lab.Node).Terminate, func(n *lab.Node) error {
			return errors.Join(n.AwaitEnd(), n.Launch())
		})
	})
}

// Freeze stops the process of the last node and has it go on.
func Freeze(c Contestant, s Settings) (Outcome, error) {
	return with(c, s, false, survivors, func(r *run) (Outcome, error) {
		return r.lose((*lab.Node).Freeze, (*lab.Node).Thaw)
	})
}

// lose does something to the last node, waits until all others have noticed, and takes it back.
func (r *run) lose(do, undo func(*lab.Node) error) (out Outcome, err error) {
	victim := r.Nodes[len(r.Nodes)-1]
	gone := func(_, other *lab.Node) bool { return other == victim }
	began := time.Now()
	if err := do(victim); err != nil {
		return out, err
	}
	r.awaitNotice(began, gone)
	r.detection(&out, began, gone)
	mended := time.Now()
	if err := undo(victim); err != nil {
		return out, err
	}
	out.Healed, err = awaitMesh(r.Nodes, mended, r.settings.Settle, healTime)
	r.count(&out, began, mended, func(publisher, subscriber *lab.Node) bool { return publisher != victim && subscriber != victim })
	return out, err
}

// Partition takes the line between the halves of the network away, and puts it back.
func Partition(c Contestant, s Settings) (Outcome, error) {
	return with(c, s, false, everybody, func(r *run) (out Outcome, err error) {
		left, _ := r.Halves()
		apart := func(a, b *lab.Node) bool { return slices.Contains(left, a) != slices.Contains(left, b) }
		began := time.Now()
		if err := r.Part(); err != nil {
			return out, err
		}
		time.Sleep(s.Split)
		r.detection(&out, began, apart)
		mended := time.Now()
		if err := r.Mend(); err != nil {
			return out, err
		}
		out.Healed, err = awaitMesh(r.Nodes, mended, s.Settle, healTime)
		r.count(&out, began, mended, func(publisher, subscriber *lab.Node) bool { return !apart(publisher, subscriber) })
		return out, err
	})
}

// Break puts a fault on the cables of some nodes, and takes it away again.
func Break(c Contestant, s Settings, fault lab.Fault, which func(nodes []*lab.Node) []*lab.Node) (Outcome, error) {
	return with(c, s, true, everybody, func(r *run) (out Outcome, err error) {
		broken := which(r.Nodes)
		began := time.Now()
		for _, n := range broken {
			n.Break(fault)
		}
		time.Sleep(s.Fault)
		mended := time.Now()
		for _, n := range broken {
			n.Break(lab.Fault{})
		}
		out.Withdrawn, out.Cut = r.observer.withdrawn(began, mended)
		out.OutOfQueues, out.OutOfURLs, out.OutOfRoutes = Unmeasured, Unmeasured, Unmeasured
		out.Healed, err = awaitMesh(r.Nodes, mended, s.Settle, healTime)
		r.count(&out, began, mended, func(_, _ *lab.Node) bool { return true })
		return out, err
	})
}

// Busy keeps all processors busy with something else.
func Busy(c Contestant, s Settings) (Outcome, error) {
	return Break(c, s, lab.Fault{}, func(nodes []*lab.Node) []*lab.Node {
		burn(s.Fault)
		return nodes
	})
}

// awaitNotice waits until everybody has noticed who is gone, or has had the time for it, and a bit
// longer, to see whether it stays like that.
func (r *run) awaitNotice(began time.Time, gone func(observer, other *lab.Node) bool) {
	for time.Since(began) < r.settings.Patience {
		_, urls := r.observer.outOfURLs(began, gone, r.Nodes)
		_, routes := r.observer.outOfRoutes(began, gone, r.Nodes)
		if urls && routes {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(3 * time.Second)
}

// detection tells when who is gone was noticed. It has to be asked before they come back.
func (r *run) detection(out *Outcome, began time.Time, gone func(observer, other *lab.Node) bool) {
	out.OutOfURLs, out.OutOfRoutes = Never, Never
	if at, ok := r.observer.outOfURLs(began, gone, r.Nodes); ok {
		out.OutOfURLs = since(began, at)
	}
	if at, ok := r.observer.outOfRoutes(began, gone, r.Nodes); ok {
		out.OutOfRoutes = since(began, at)
	}
}

// count ends the load and tells what became of the messages.
func (r *run) count(out *Outcome, began, mended time.Time, concerned func(publisher, subscriber *lab.Node) bool) {
	r.load.finish()
	end := time.Now()
	out.Queue.add(r.load.queue.between(began, end))
	noticed := mended
	if out.OutOfRoutes.Happened() {
		noticed = began.Add(time.Duration(float64(out.OutOfRoutes) * float64(time.Second)))
	}
	out.Noticing.add(r.load.queue.between(began, noticed))
	out.After.add(r.load.queue.between(noticed, mended))
	if out.OutOfQueues.Measured() {
		out.OutOfQueues = 0
		for _, e := range r.load.queue.between(began, mended.Add(-late)) {
			if e.missed() {
				out.OutOfQueues = since(began, e.sent)
			}
		}
		// One that goes on until the end of the fault has not ended.
		if mended.Add(-2 * late).Before(began.Add(time.Duration(float64(out.OutOfQueues) * float64(time.Second)))) {
			out.OutOfQueues = Never
		}
	}
	for pair, l := range r.load.plain {
		if concerned(r.Nodes[pair[0]], r.Nodes[pair[1]]) {
			out.Plain.add(l.between(began, end))
		}
	}
}
