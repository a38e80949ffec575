package main

import (
	"fmt"
	"strconv"
	"strings"
)

// bar is what a ratio shoal/nats-server should reach (goal) and must reach
// (floor). Zero means that there is none.
type bar struct {
	goal, floor float64
}

// kind says what a row measures besides the server's CPU time.
type kind int

const (
	flood    kind = iota // as fast as possible: throughput counts
	paced                // fixed rate: throughput is given, latency counts
	closed               // request/reply closed loop: throughput and latency
	memory               // bytes of RSS per connection or subscription
	announce             // time until a new node knows all subscriptions
)

// scenario is one row of the table.
type scenario struct {
	name  string
	kind  kind
	quick bool
	unit  string   // what is counted
	args  []string // for the load generator, mode first
	nodes int      // of a full mesh; 0 = a single server
	subs  int      // announce: how many
	// config is the configuration file of the servers, which have none if it is empty.
	config string
	// tls has clients use TLS, with a certificate that is made for the run.
	tls bool
	// size of the payload; rows of 16 B to 1 KiB whose messages are delivered
	// make up the headline figure.
	size int
	// checked rows look at every message while measuring, the others are run
	// once more in verify mode.
	checked bool

	rate, cpu, p50, p99, bytes, ms bar
}

// fresh tells whether every run of the row has servers of its own and its
// figures are no throughput.
func (s scenario) fresh() bool { return s.kind == memory || s.kind == announce }

// headline tells whether the row counts in the geometric mean, which is about
// single servers.
func (s scenario) headline() bool {
	return !s.fresh() && s.nodes == 0 && s.config == "" && !s.tls && s.size >= 16 && s.size <= 1024 && s.name != publishOnly
}

// verifyArgs are the arguments of the run that checks every message; nil for
// rows that check while measuring.
func (s scenario) verifyArgs() []string {
	if s.checked || s.name == publishOnly {
		return nil
	}
	return append([]string{"verify"}, s.args[1:]...)
}

const publishOnly = "publish only, 16 B"

// anyRow is the bar of rows without one of their own: no row of a single server
// may cost more than 0.80 of nats-server's CPU.
var anyRow = bar{floor: 0.80}

func pubsub(name string, size int, rate, cpu bar, args ...string) scenario {
	return scenario{
		name: name, kind: flood, unit: "msg", size: size, rate: rate, cpu: cpu,
		args: append([]string{"flood", "--size", strconv.Itoa(size)}, args...),
	}
}

func atRate(name string, size int, cpu bar, args ...string) scenario {
	return scenario{
		name: name, kind: paced, unit: "msg", size: size, cpu: cpu, checked: true,
		args: append([]string{"paced", "--size", strconv.Itoa(size)}, args...),
	}
}

func requests(name string, size int, b bool, args ...string) scenario {
	s := scenario{
		name: name, kind: closed, unit: "req", size: size, checked: true, cpu: anyRow,
		args: append([]string{"request", "--size", strconv.Itoa(size)}, args...),
	}
	if b {
		s.rate, s.cpu, s.p50, s.p99 = bar{2, 1.3}, bar{0.45, 0.65}, bar{0.5, 0.75}, bar{1.0, 1.1}
	}
	return s
}

// across makes it a row over a full mesh of so many nodes: publishers and
// requesters at the first, subscribers and responders spread over the others.
// The bar that any row of a single server has does not apply.
func across(nodes int, s scenario) scenario {
	s.nodes = nodes
	if s.cpu == anyRow {
		s.cpu = bar{}
	}
	return s
}

func inQuick(s scenario) scenario {
	s.quick = true
	return s
}

// encrypted has the clients use TLS.
func encrypted(s scenario) scenario {
	s.tls = true
	s.args = append(s.args, "--tls")
	return s
}

// permitted has the clients be a user with a list of 20 subjects for publishing and another for
// subscribing, of which those of the load generator match the last. What that costs shows in the
// CPU time of the same row without it.
func permitted(s scenario) scenario {
	var list strings.Builder
	for i := range 19 {
		fmt.Fprintf(&list, "%q, ", fmt.Sprintf("app%d.*.events.>", i))
	}
	list.WriteString(`"bench.>"`)
	s.config = fmt.Sprintf(`authorization {
  users = [
    {
      user: bench, password: bench
      permissions: { publish: { allow: [%s] }, subscribe: { allow: [%s] } }
    }
  ]
}
no_auth_user: bench
`, &list, &list)
	return s
}

// scenarios is the table. The bars are those that the project set itself.
var scenarios = []scenario{
	inQuick(pubsub("1:1, 16 B", 16, bar{6, 3}, bar{0.15, 0.30})),
	pubsub("1:1, 128 B", 128, bar{4, 2.5}, bar{0.20, 0.35}),
	inQuick(pubsub("1:1, 1 KiB", 1024, bar{1.6, 1.3}, bar{0.45, 0.60})),
	pubsub("1:1, 16 KiB", 16384, bar{1.7, 1.2}, bar{0.50, 0.75}),
	pubsub(publishOnly, 16, bar{}, anyRow, "--subs", "0"),
	pubsub("fan-out 1:10, 128 B", 128, bar{8, 4}, bar{0.12, 0.25}, "--subs", "10"),
	inQuick(pubsub("fan-out 1:100, 128 B", 128, bar{8, 4}, bar{0.12, 0.25}, "--subs", "100")),
	pubsub("fan-out 1:100, 128 B, all sids different", 128, bar{3.5, 2.5}, bar{0.25, 0.40}, "--subs", "100", "--diffsids"),
	pubsub("fan-out 1:1000, 128 B", 128, bar{8, 4}, bar{0.10, 0.25}, "--subs", "1000"),
	pubsub("fan-out 1:100, 16 KiB", 16384, bar{1.5, 1.2}, bar{0.50, 0.75}, "--subs", "100"),
	pubsub("10:1, 128 B", 128, bar{4, 2.5}, bar{0.25, 0.40}, "--pubs", "10"),
	pubsub("10:10, 128 B", 128, bar{4, 2.5}, bar{0.25, 0.40}, "--pubs", "10", "--subs", "10"),
	inQuick(pubsub("queue group of 10, 128 B", 128, bar{3, 2}, bar{0.25, 0.40}, "--subs", "10", "--queue")),
	pubsub("50,000 subjects, 16 B", 16, bar{3, 2}, bar{0.30, 0.50}, "--subjects", "50000", "--random"),
	pubsub("wildcard mix, 100k subscriptions, 128 B", 128, bar{}, anyRow, "--background", "100000", "--subjects", "5000", "--random"),
	inQuick(atRate("paced 10k/s, single messages, 16 B", 16, bar{0.40, 0.60}, "--rate", "10000")),
	atRate("20 publishers to 1, paced 20k/s, 128 B", 128, bar{0.65, 1.0}, "--pubs", "20", "--rate", "20000"),
	atRate("cold subjects, each once, paced 10k/s, 16 B", 16, anyRow, "--subjects", "100000", "--literal", "--rate", "10000"),
	atRate("latency 1:1 at 5k/s, 128 B", 128, anyRow, "--rate", "5000"),
	inQuick(requests("request/reply, 1 in flight, 16 B", 16, true)),
	permitted(pubsub("1:1, 128 B, 20 permissions", 128, bar{}, anyRow)),
	permitted(pubsub("fan-out 1:10, 128 B, 20 permissions", 128, bar{}, anyRow, "--subs", "10")),
	permitted(pubsub("5,000 subjects, 16 B, 20 permissions", 16, bar{}, anyRow, "--subjects", "5000", "--random")),
	encrypted(pubsub("1:1, 128 B, TLS", 128, bar{2, 1.5}, bar{0.30, 0.60})),
	encrypted(pubsub("1:1, 1 KiB, TLS", 1024, bar{2, 1.5}, bar{0.30, 0.60})),
	encrypted(pubsub("fan-out 1:10, 128 B, TLS", 128, bar{2, 1.5}, bar{0.30, 0.60}, "--subs", "10")),
	encrypted(pubsub("10:1, 128 B, TLS", 128, bar{2, 1.5}, bar{0.30, 0.60}, "--pubs", "10")),
	pubsub("5,000 subjects, 16 B", 16, bar{}, anyRow, "--subjects", "5000", "--random"),
	requests("request/reply, 8 in flight, 16 B", 16, false, "--conns", "8", "--responders", "2"),
	requests("request/reply, 64 in flight, 128 B", 128, true, "--conns", "64", "--responders", "4"),
	openLoop("request/reply, open loop 2k/s, 128 B", 128, "--conns", "8", "--responders", "2", "--rate", "2000"),
	{
		name: "10k idle connections", kind: memory, unit: "conn", bytes: bar{0.10, 0.20}, checked: true,
		args: []string{"idle", "--n", "10000", "--settle", "6"},
	},
	{
		name: "1M subscriptions", kind: memory, unit: "sub", bytes: bar{0.30, 0.40}, checked: true,
		args: []string{"subs", "--n", "1000000", "--settle", "3"},
	},
	{
		name: "1M subscriptions, a fifth wildcards", kind: memory, unit: "sub", bytes: bar{0.30, 0.40}, checked: true,
		args: []string{"subs", "--n", "1000000", "--mix", "--settle", "3"},
	},
	inQuick(across(2, pubsub("relay, 2 nodes, 128 B", 128, bar{3, 3}, bar{0.4, 0.4}))),
	across(3, pubsub("mesh fan-out, 3 nodes, 128 B", 128, bar{}, bar{}, "--subs", "20")),
	across(2, atRate("relay latency at 5k/s, 2 nodes, 128 B", 128, bar{}, "--rate", "5000")),
	across(2, requests("request/reply over 2 nodes, 1 in flight, 128 B", 128, false)),
	across(2, requests("request/reply over 2 nodes, 64 in flight, 128 B", 128, false, "--conns", "64", "--responders", "4")),
	{
		name: "100k subscriptions announced", kind: announce, unit: "sub", ms: bar{1.5, 1.5}, checked: true,
		nodes: 2, subs: 100_000,
	},
}

// openLoop is request/reply at a fixed rate: like a paced row.
func openLoop(name string, size int, args ...string) scenario {
	s := requests(name, size, false, args...)
	s.kind = paced
	return s
}
