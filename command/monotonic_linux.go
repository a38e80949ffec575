package command

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the time of the clock by which systemd orders what it is told.
func monotonic() (time.Duration, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano()), err
}
