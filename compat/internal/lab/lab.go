// Package lab runs clusters on networks that can be broken: each node is in a network namespace of
// its own, and those are joined by two bridges with one line between them.
//
// Who measures is not on that network. Clients are connected inside the namespace of their node,
// over its loopback interface, so that no broken network comes between them. Nothing outlives the
// process, not even when it is killed: namespaces have no names, and nodes die with their parent.
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"shoal/compat/internal/broker"
)

// Check reports why no lab can be made here.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("only root may make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the program ip is missing, which iproute2 has")
	}
	l, err := New(Options{Nodes: 2, Kind: broker.Shoal, Cables: true})
	if err != nil {
		return err
	}
	l.Close()
	return nil
}

// Options say what lab to make.
type Options struct {
	// Nodes is how many there are, at most 200.
	Nodes int
	// Kind is the program that they run.
	Kind broker.Kind
	// Flags are more flags for all nodes.
	Flags []string
	// Join is the flag of the nodes that names the first node, --join by default for shoal.
	Join string
	// Cables has a relay of this process between each node and its bridge, for [Node.Break].
	Cables bool
}

// Lab is a network and the nodes on it.
type Lab struct {
	Nodes []*Node

	fabric *Namespace
}

// New makes the network, and starts no node yet. Close it at the end.
func New(o Options) (_ *Lab, err error) {
	if o.Join == "" {
		o.Join = "--routes"
		if o.Kind.Name == broker.Shoal.Name {
			o.Join = "--join"
		}
	}
	l := &Lab{}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if l.fabric, err = NewNamespace(); err != nil {
		return nil, err
	}
	err = l.fabric.IP(
		"link add left type bridge", "link set left up",
		"link add right type bridge", "link set right up",
		"link add line type veth peer name enil",
		"link set line master left up", "link set enil master right up")
	if err != nil {
		return nil, err
	}
	for i := range o.Nodes {
		n := &Node{Name: fmt.Sprintf("node-%d", i+1), IP: fmt.Sprintf("10.77.0.%d", i+1), kind: o.Kind, right: i >= o.Nodes/2}
		if n.space, err = NewNamespace(); err != nil {
			return nil, err
		}
		l.Nodes = append(l.Nodes, n)
		n.flags = append([]string{
			"-a", "0.0.0.0", "-p", clientPort, "-m", monitorPort, "-n", n.Name,
			"--cluster", "nats://0.0.0.0:" + clusterPort, "--cluster_name", "lab",
		}, o.Flags...)
		if i > 0 {
			n.flags = append(n.flags, o.Join, l.Nodes[0].RouteURL())
		}
		if err := l.connect(n, fmt.Sprintf("port%d", i+1), o.Cables); err != nil {
			return nil, err
		}
	}
	if o.Nodes > manyNodes {
		if err := l.introduce(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// connect joins a node to its bridge.
func (l *Lab) connect(n *Node, port string, cables bool) (err error) {
	if cables {
		if n.cable, err = plug(n.space, "eth0", l.fabric, port); err != nil {
			return err
		}
	} else if err := l.fabric.IP(fmt.Sprintf("link add %s type veth peer name eth0 netns %d", port, n.space.thread)); err != nil {
		return err
	}
	bridge := "left"
	if n.right {
		bridge = "right"
	}
	if err := l.fabric.IP("link set " + port + " master " + bridge + " up"); err != nil {
		return err
	}
	return n.space.IP("link set eth0 address "+hardware(n.IP), "addr add "+n.IP+"/16 dev eth0", "link set eth0 up")
}

// hardware is the address of the interface that has an IP address.
func hardware(ip string) string {
	parts := strings.Split(ip, ".")
	last, _ := strconv.Atoi(parts[len(parts)-1])
	return fmt.Sprintf("02:00:0a:4d:00:%02x", last)
}

// manyNodes is from when on nodes are told each other's hardware addresses. The kernel's table of
// those it has asked for is one for all namespaces, and holds 1024 of them unless told otherwise.
const manyNodes = 20

// introduce tells all nodes each other's hardware addresses.
func (l *Lab) introduce() error {
	for _, n := range l.Nodes {
		var lines []string
		for _, other := range l.Nodes {
			if other != n {
				lines = append(lines, fmt.Sprintf("neigh add %s lladdr %s dev eth0 nud permanent", other.IP, hardware(other.IP)))
			}
		}
		if err := n.space.IP(lines...); err != nil {
			return err
		}
	}
	return nil
}

// Start starts the first node and then all others at once, and returns when they accept clients.
func (l *Lab) Start() error {
	if err := l.Nodes[0].Start(); err != nil {
		return err
	}
	errs := make([]error, len(l.Nodes))
	var starting sync.WaitGroup
	for i, n := range l.Nodes {
		if i > 0 {
			starting.Go(func() { errs[i] = n.Start() })
		}
	}
	starting.Wait()
	return errors.Join(errs...)
}

// Part takes the line between the two halves of the network away.
func (l *Lab) Part() error { return l.fabric.IP("link set line down") }

// Mend puts it back.
func (l *Lab) Mend() error { return l.fabric.IP("link set line up") }

// Halves returns the nodes on either side of the line.
func (l *Lab) Halves() (left, right []*Node) {
	for _, n := range l.Nodes {
		if n.right {
			right = append(right, n)
		} else {
			left = append(left, n)
		}
	}
	return left, right
}

// logLines are the lines of each node's log that are shown of clusters with many nodes.
const logLines = 5

// Log is what the nodes have printed.
func (l *Lab) Log() string {
	var out strings.Builder
	for _, n := range l.Nodes {
		log := n.Log()
		if lines := strings.Split(strings.TrimSpace(log), "\n"); len(l.Nodes) > manyNodes && len(lines) > logLines {
			log = "...\n" + strings.Join(lines[len(lines)-logLines:], "\n") + "\n"
		}
		fmt.Fprintf(&out, "--- %s\n%s", n.Name, log)
	}
	return out.String()
}

// Close kills all nodes and takes the network away.
func (l *Lab) Close() {
	var closing sync.WaitGroup
	for _, n := range l.Nodes {
		closing.Go(n.close)
	}
	closing.Wait()
	if l.fabric != nil {
		l.fabric.Close()
	}
}
