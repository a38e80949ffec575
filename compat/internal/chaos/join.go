package chaos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/lab"
)

// Join starts a node and then many more at once, which know only the first, and returns how long it
// takes from the moment that the last one listens for routes until all are a full mesh in which every
// node knows what the clients of every other one subscribe to.
func Join(c Contestant, s Settings, count int) (Seconds, error) {
	l, took, err := joined(c, count)
	if l != nil {
		if s.Logs != nil {
			fmt.Fprint(s.Logs, l.Log())
		}
		l.Close()
	}
	return took, err
}

// joinTime is how long nodes may take to find each other.
const joinTime = 2 * time.Minute

func joined(c Contestant, count int) (_ *lab.Lab, took Seconds, err error) {
	l, err := lab.New(lab.Options{Nodes: count, Kind: c.Kind, Flags: c.Flags, Join: c.Join})
	if err != nil {
		return nil, Never, err
	}
	if err := l.Nodes[0].Start(); err != nil {
		return l, Never, err
	}
	for _, n := range l.Nodes[1:] {
		if err := n.Launch(); err != nil {
			return l, Never, err
		}
	}
	took, err = meet(l.Nodes, joinTime)
	return l, took, err
}

// meet waits until nodes that have been launched are a full mesh.
func meet(nodes []*lab.Node, patience time.Duration) (Seconds, error) {
	g := &gathering{nodes: nodes, heard: make([][]bool, len(nodes)), stop: make(chan struct{})}
	for i := range nodes {
		g.heard[i] = make([]bool, len(nodes))
	}
	deadline := time.Now().Add(patience)
	errs := make([]error, len(nodes))
	var meeting sync.WaitGroup
	for i := range nodes {
		meeting.Go(func() { errs[i] = g.introduce(i, deadline) })
	}
	meeting.Wait()
	if err := errors.Join(errs...); err != nil {
		return Never, err
	}
	var listening time.Time
	for _, n := range nodes {
		at, err := listens(n.Log())
		if err != nil {
			return Never, fmt.Errorf("%s: %w", n.Name, err)
		}
		listening = later(listening, at)
	}
	return since(listening, g.last), nil
}

// gathering is nodes of which everybody wants to be heard by everybody.
type gathering struct {
	nodes []*lab.Node

	mutex sync.Mutex // guards the rest
	heard [][]bool   // by who was heard and by whom
	pairs int
	last  time.Time
	stop  chan struct{} // closed when all have been heard by all
}

// introduce has a client on a node say that it is there until all have heard it.
func (g *gathering) introduce(i int, deadline time.Time) error {
	n := g.nodes[i]
	if err := n.WaitReady(); err != nil {
		return err
	}
	nc, err := n.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = nc.Subscribe("here", func(m *nats.Msg) { g.hears(i, int(binary.BigEndian.Uint32(m.Data))) })
	if err != nil {
		return err
	}
	// To ask often costs processor time, which many nodes on one machine need themselves.
	tick := time.NewTicker(max(10, time.Duration(len(g.nodes))*4) * time.Millisecond)
	defer tick.Stop()
	for complete := false; ; {
		if !complete {
			peers, err := n.Peers()
			complete = err == nil && len(peers) == len(g.nodes)-1
		}
		if complete && !g.isHeard(i) {
			if err := nc.Publish("here", binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
				return fmt.Errorf("%s: %w", n.Name, err)
			}
		}
		select {
		case <-g.stop:
			return nil
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has not met everybody in time", n.Name)
		}
	}
}

// hears notes that one node has heard another.
func (g *gathering) hears(listener, speaker int) {
	now := time.Now()
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.heard[speaker][listener] {
		return
	}
	g.heard[speaker][listener] = true
	g.last = now
	if g.pairs++; g.pairs == len(g.nodes)*len(g.nodes) {
		close(g.stop)
	}
}

func (g *gathering) isHeard(speaker int) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return !slices.Contains(g.heard[speaker], false)
}

var listensLine = regexp.MustCompile(`(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}) \[INF\] Listening for route connections`)

// listens returns when a server began to listen for routes.
func listens(log string) (time.Time, error) {
	match := listensLine.FindStringSubmatch(log)
	if match == nil {
		return time.Time{}, errors.New("its log does not tell when it listens for routes")
	}
	return time.ParseInLocation("2006/01/02 15:04:05.000000", match[1], time.Local)
}

// Cost is what a node costs that has nothing to do.
type Cost struct {
	CPU   []float64 // of each node, in processors
	Bytes []float64 // sent to the network by each node, per second
	RSS   []float64 // of each node, in bytes
}

// Idle measures what the nodes of a cluster cost while nothing happens.
func Idle(c Contestant, count int, quiet, measured time.Duration) (cost Cost, err error) {
	l, _, err := joined(c, count)
	if l != nil {
		defer l.Close()
	}
	if err != nil {
		return cost, err
	}
	time.Sleep(quiet)
	began := time.Now()
	cpu, sent := make([]time.Duration, count), make([]int, count)
	for i, n := range l.Nodes {
		var e1, e2 error
		cpu[i], e1 = n.CPU()
		sent[i], e2 = n.Sent()
		err = errors.Join(err, e1, e2)
	}
	time.Sleep(measured)
	took := time.Since(began).Seconds()
	for i, n := range l.Nodes {
		c, e1 := n.CPU()
		s, e2 := n.Sent()
		r, e3 := n.RSS()
		err = errors.Join(err, e1, e2, e3)
		cost.CPU = append(cost.CPU, (c-cpu[i]).Seconds()/took)
		cost.Bytes = append(cost.Bytes, float64(s-sent[i])/took)
		cost.RSS = append(cost.RSS, float64(r))
	}
	return cost, err
}
