package node

import (
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how often the system has sent something again over a TCP connection that the other
// side has not acknowledged, 0 if it may be on its way yet, and when it has acknowledged something last.
func unacknowledged(fd uintptr) (repeats int, silence time.Duration) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Unacked == 0 {
		return 0, 0
	}
	return max(int(info.Retransmits), min(1, int(info.Retrans))), time.Duration(info.Last_ack_recv) * time.Millisecond
}
