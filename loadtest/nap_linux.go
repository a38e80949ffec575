package loadtest

import (
	"syscall"
	"time"
)

// nap sleeps with the precision of the system, some 50 µs. [time.Sleep] rounds up to a
// millisecond on Linux when nothing else is to do, which would spoil latencies that count from
// when a message was due.
func nap(d time.Duration) {
	request := syscall.NsecToTimespec(int64(d))
	// An early end is no harm: the caller looks at the clock.
	_ = syscall.Nanosleep(&request, nil)
}
