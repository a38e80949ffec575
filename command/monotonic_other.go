//go:build !linux

package command

import (
	"errors"
	"time"
)

// monotonic is the time of the clock by which systemd orders what it is told, which runs on Linux alone.
func monotonic() (time.Duration, error) { return 0, errors.ErrUnsupported }
