package node

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deafen has the system drop all packets for a TCP connection, as if they got lost, until listen is called.
func deafen(t *testing.T, nc net.Conn) (listen func()) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control := func(f func(fd int) error) {
		t.Helper()
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	})
	return func() {
		control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
	}
}

// TestAPeerOutOfReach has nothing get through to a peer that should have answered: it has more time, and when
// it is out of reach, none.
func TestAPeerOutOfReach(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	r := n.routes.registered()[0]
	if got := r.reach(); got != reachable {
		t.Errorf("a peer that has got everything: %v", got)
	}
	listen := deafen(t, p.nc)
	r.probe(time.Hour)
	eventually(t, "it is late", func() bool { return r.reach() == struggling })
	r.probe(time.Millisecond)
	if at := r.checkProbe(time.Now().Add(time.Second)); at.IsZero() {
		t.Error("it has no more time")
	}
	listen()
	p.want("PING\r\n")
	p.send("PONG\r\n")
	p.sync()
	if r.reach() != reachable || len(n.Routes()) != 1 {
		t.Errorf("it is back: %v", r.reach())
	}
	deafen(t, p.nc)
	r.sendLine([]byte("+OK\r\n"))
	eventually(t, "it is out of reach", func() bool { return r.reach() == unreachable })
	r.probe(0)
	eventually(t, "it is given up", func() bool { return len(n.Routes()) == 0 })
}

// TestNothingGetsThrough has nothing get through to a peer of which nobody says that it has failed: its route is
// given up when it is out of reach, and not before.
func TestNothingGetsThrough(t *testing.T) {
	n := startLone(t)
	p := joinRoute(t, n, "X")
	r := n.routes.registered()[0]
	deafen(t, p.nc)
	r.sendLine([]byte("+OK\r\n"))
	r.giveUp()
	if len(n.Routes()) != 1 {
		t.Error("it is given up at once")
	}
	eventually(t, "it is given up", func() bool { r.giveUp(); return len(n.Routes()) == 0 })
}
