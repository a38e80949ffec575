// Package mesh runs several servers, of one kind or mixed, as one cluster of real processes.
package mesh

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"shoal/compat/internal/broker"
)

// Topology tells which nodes are in the --routes of node number i.
type Topology func(i, nodes int) []int

// Everybody has each node list all of them, itself included.
func Everybody(_, nodes int) []int {
	all := make([]int, nodes)
	for i := range all {
		all[i] = i
	}
	return all
}

// Seed has all nodes know the first one only.
func Seed(i, _ int) []int {
	if i == 0 {
		return nil
	}
	return []int{0}
}

// Chain has each node know the one before it only.
func Chain(i, _ int) []int {
	if i == 0 {
		return nil
	}
	return []int{i - 1}
}

// Alone has no node know any other one.
func Alone(int, int) []int { return nil }

// Options say what mesh to make.
type Options struct {
	// Kinds has a letter for each node: n is nats-server, s is shoal.
	Kinds string
	// Shoal is the program that s stands for.
	Shoal broker.Kind
	// Topology is who knows whom, Everybody by default.
	Topology Topology
	// Name is the cluster's name, by default one that no other mesh has.
	Name string
	// Unnamed leaves it to the servers to agree on a name.
	Unnamed bool
	// User and Password are what a route must give, if anything.
	User, Password string
	// Flags are more flags for all nodes.
	Flags []string
	// ShoalFlags are more flags for those that nats-server does not have.
	ShoalFlags []string
	// SharedConfig is what all nodes are to find in a config file, Config what nats-server is to find
	// there besides.
	SharedConfig, Config string
}

// Mesh is a number of nodes that are to be one cluster.
type Mesh struct {
	Nodes []*Node

	options Options
}

// New chooses addresses for the nodes, and starts nothing yet.
func New(options Options) (*Mesh, error) {
	if options.Topology == nil {
		options.Topology = Everybody
	}
	if options.Name == "" && !options.Unnamed {
		// Servers of other tests that happen to find this mesh must not join it.
		options.Name = fmt.Sprintf("C%08x", rand.Uint32())
	}
	m := &Mesh{options: options}
	for i, letter := range options.Kinds {
		kind, err := m.Kind(letter)
		if err != nil {
			return nil, err
		}
		n := &Node{Kind: kind, Name: fmt.Sprintf("node%d", i), Cluster: options.Name, mesh: m}
		for _, port := range []*string{&n.port, &n.clusterPort} {
			if *port, err = broker.FreePort(); err != nil {
				return nil, err
			}
		}
		m.Nodes = append(m.Nodes, n)
	}
	for i, n := range m.Nodes {
		for _, known := range options.Topology(i, len(m.Nodes)) {
			n.Routes = append(n.Routes, m.Nodes[known].RouteURL())
		}
	}
	return m, nil
}

// Kind is the program that a letter stands for.
func (m *Mesh) Kind(letter rune) (broker.Kind, error) {
	switch letter {
	case 'n':
		return broker.Oracle, nil
	case 's':
		return m.options.Shoal, nil
	}
	return broker.Kind{}, fmt.Errorf("%q is no kind of node", letter)
}

// Start starts all nodes that do not run, all at the same time, and returns when they accept
// clients. Routes may not be there yet, see [Mesh.Await].
func (m *Mesh) Start() error {
	errs := make([]error, len(m.Nodes))
	var starting sync.WaitGroup
	for i, n := range m.Nodes {
		if !n.Running() {
			starting.Go(func() { errs[i] = n.Start() })
		}
	}
	starting.Wait()
	return errors.Join(errs...)
}

// Running returns the nodes that run.
func (m *Mesh) Running() []*Node {
	return slices.DeleteFunc(slices.Clone(m.Nodes), func(n *Node) bool { return !n.Running() })
}

// Except returns the nodes that run and are none of those given.
func (m *Mesh) Except(others ...*Node) []*Node {
	return slices.DeleteFunc(m.Running(), func(n *Node) bool { return slices.Contains(others, n) })
}

// Await waits until the running nodes are a full mesh and each knows what the clients of all others
// had subscribed to before.
func (m *Mesh) Await(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	if err := m.AwaitRoutes(time.Until(deadline)); err != nil {
		return err
	}
	return m.AwaitInterest(time.Until(deadline))
}

// AwaitRoutes waits until each running node has a route to every other one, and to nobody else.
func (m *Mesh) AwaitRoutes(timeout time.Duration) error {
	return Poll(timeout, m.routesComplete)
}

// Poll calls a function until it succeeds.
func Poll(timeout time.Duration, check func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(timeout)
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("not within %v: %w", timeout, err)
		}
	}
}

func (m *Mesh) routesComplete() error {
	nodes := m.Running()
	for _, n := range nodes {
		got, err := n.Peers()
		if err != nil {
			return err
		}
		var want []string
		for _, other := range nodes {
			if other != n {
				want = append(want, other.id)
			}
		}
		slices.Sort(want)
		if have := got.IDs(); !slices.Equal(have, want) {
			return fmt.Errorf("%s has routes to %s instead of %s", n, m.names(have), m.names(want))
		}
	}
	return nil
}

// names shows server IDs as the names of the nodes.
func (m *Mesh) names(ids []string) string {
	var names []string
	for _, id := range ids {
		name := id + " (gone)"
		for _, n := range m.Nodes {
			if n.id == id {
				name = n.Name
			}
		}
		names = append(names, name)
	}
	return fmt.Sprintf("%q", names)
}

// Addresses are where the clients of the nodes connect, sorted.
func Addresses(nodes []*Node) []string {
	var addresses []string
	for _, n := range nodes {
		addresses = append(addresses, n.Addr())
	}
	slices.Sort(addresses)
	return addresses
}

// Stop stops all nodes that run. A node that had ended without being told to is an error.
func (m *Mesh) Stop() error {
	errs := make([]error, len(m.Nodes))
	var stopping sync.WaitGroup
	for i, n := range m.Nodes {
		stopping.Go(func() {
			if n.server != nil {
				errs[i] = n.Term()
			}
		})
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// Log is what all nodes have printed, earlier runs included.
func (m *Mesh) Log() string {
	var out strings.Builder
	for _, n := range m.Nodes {
		fmt.Fprintf(&out, "--- %s\n%s", n, n.Log())
	}
	return out.String()
}
