package loadtest

import (
	"fmt"
	"net"
	"runtime"
	"time"
)

// Load is who worked how much during the measurement.
type Load struct {
	// Cores is how many this process may use, and CoresUsed how many it did use on average.
	Cores     int     `json:"cores"`
	CoresUsed float64 `json:"cores_used"`
	// Readers and Publishers are the shares of the time in which the busiest of each did not wait
	// for anything, from 0 to 1.
	Readers    float64 `json:"readers_busy"`
	Publishers float64 `json:"publishers_busy"`
	// Machine is the share of all cores of this machine that anybody used; 0 if it is not known.
	Machine float64 `json:"machine_busy"`
	// SharesMachine says that a server is on this machine, too.
	SharesMachine bool `json:"shares_machine"`
	// LateP99 is how late a paced publisher was for 99 % of its messages, in nanoseconds.
	LateP99 int64 `json:"late_p99_ns"`
	// Seconds is how long all that was looked at.
	Seconds float64 `json:"seconds"`
}

// Limit says what kept the figures from being better.
type Limit struct {
	// Who is one of the constants below.
	Who Limiter `json:"who"`
	// Client is whether the figures show this client rather than the server.
	Client bool `json:"client"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
}

// Limiter is who or what can be the limit.
type Limiter string

const (
	// LimitClient means that this program could not do more.
	LimitClient Limiter = "client"
	// LimitMachine means that client and server were short of the same cores.
	LimitMachine Limiter = "machine"
	// LimitServer means that this program had room for more, and the server, or the way to it, did
	// not.
	LimitServer Limiter = "server"
	// LimitRate means that the pace was set from outside, and was kept.
	LimitRate Limiter = "rate"
	// LimitUnknown means that the run was too short to tell.
	LimitUnknown Limiter = "unknown"
)

// From where on we call somebody busy.
const (
	busyCores   = 0.85
	busyClient  = 0.90 // a goroutine
	busyMachine = 0.95
	// longEnough is how long it takes to tell.
	longEnough = 200 * time.Millisecond
)

// load compares two observations.
func (r *run) load(begin, end observation) Load {
	elapsed := end.at - begin.at
	l := Load{
		Cores:      runtime.GOMAXPROCS(0),
		Readers:    busiest(begin.readers, end.readers, elapsed),
		Publishers: busiest(begin.pubs, end.pubs, elapsed),
		Machine:    share(end.machine.busy-begin.machine.busy, end.machine.total-begin.machine.total),
		Seconds:    time.Duration(elapsed).Seconds(),
		LateP99:    r.lateness.merged().ValueAtQuantile(99),
	}
	if elapsed > 0 {
		l.CoresUsed = float64(end.cpu-begin.cpu) / float64(elapsed)
	}
	for _, target := range r.config.Targets {
		l.SharesMachine = l.SharesMachine || isLocal(target.Address)
	}
	return l
}

// isLocal reports whether address is on this machine.
func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	if ip.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, addr := range addrs {
		if network, ok := addr.(*net.IPNet); ok && network.IP.Equal(ip) {
			return true
		}
	}
	return false
}

// judge tells from the load what the limit was.
func (res *Result) judge() Limit {
	l := &res.Load
	used := fmt.Sprintf("it used %.1f of %d cores", l.CoresUsed, l.Cores)
	if l.Cores == 1 {
		used = fmt.Sprintf("it used %.0f %% of the only core that it has", 100*l.CoresUsed)
	}
	client := func(reason string) Limit {
		return Limit{LimitClient, true, "The client is the limit, not the server: " + reason + "."}
	}
	late := res.Rate > 0 && l.LateP99 > int64(time.Millisecond) && l.LateP99 > res.Latency.P99/2
	switch {
	case l.Seconds < longEnough.Seconds():
		return Limit{LimitUnknown, false, "The run was too short to tell whether the client was the limit."}
	case l.CoresUsed > busyCores*float64(l.Cores):
		return client(used)
	case res.Mode != Request && l.Readers > busyClient:
		return client(fmt.Sprintf("a subscriber had more to read than it could in %.0f %% of the time", 100*l.Readers))
	case l.Readers > busyClient:
		return client(fmt.Sprintf("a client had more to read than it could in %.0f %% of the time", 100*l.Readers))
	case l.SharesMachine && l.Machine > busyMachine:
		return Limit{LimitMachine, false, fmt.Sprintf("The cores of this machine are the limit: all are busy, %.1f of %d with the "+
			"client, the others with the server and whatever else runs here.", l.CoresUsed, l.Cores)}
	case res.Rate == 0 && l.Publishers > busyClient:
		return client(fmt.Sprintf("a publisher was busy in %.0f %% of the time, more of them would publish more", 100*l.Publishers))
	case late:
		return client(fmt.Sprintf("it was up to %s late with messages (p99)", time.Duration(l.LateP99).Round(10*time.Microsecond)))
	case res.Rate > 0 && res.Published.PerSecond > 0.98*float64(res.Rate):
		return Limit{LimitRate, false, "The rate was kept, and the client is not the limit: " + used + "."}
	}
	return Limit{LimitServer, false, "The client is not the limit: " + used + "."}
}
