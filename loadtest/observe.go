package loadtest

import (
	"syscall"
	"time"
)

// observation is what there is to know at one moment about who works and who waits.
type observation struct {
	at      int64
	cpu     time.Duration // that this process has used
	machine machineTime
	readers []int64 // for how long each has waited for data
	pubs    []int64 // for how long each has waited for room, credit, or its time
}

// machineTime is the time of all cores together, if the system tells; otherwise it is zero.
type machineTime struct{ busy, total float64 }

func (r *run) observe() observation {
	now := r.clock.now()
	o := observation{at: now, cpu: cpuTime(), machine: readMachineTime()}
	for _, c := range r.readers {
		o.readers = append(o.readers, c.meter.reads.at(now))
	}
	for _, p := range r.pubs {
		o.pubs = append(o.pubs, p.conn.meter.writes.at(now)+p.credit.waits.at(now)+p.slept.at(now))
	}
	return o
}

// cpuTime returns the time that this process has spent on all cores.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// busiest returns the largest share of the time in which one of them did not wait.
func busiest(begin, end []int64, elapsed int64) float64 {
	most := 0.0
	for i := range min(len(begin), len(end)) {
		most = max(most, share(float64(elapsed-(end[i]-begin[i])), float64(elapsed)))
	}
	return most
}

// share returns part/whole, or 0 if there is no whole.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(max(part/whole, 0), 1)
}
