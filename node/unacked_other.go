//go:build !linux

package node

import "time"

// unacknowledged knows nothing here.
func unacknowledged(uintptr) (repeats int, silence time.Duration) { return 0, 0 }
