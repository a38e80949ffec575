package node

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
)

// reservation is a TCP port that belongs to the node but that nobody can connect to yet. A client
// that comes before the node is ready is refused, and turns to another server at once, instead of
// waiting in vain for INFO.
type reservation struct {
	addr *net.TCPAddr
	file *os.File

	mu       sync.Mutex   // guards the rest
	listener net.Listener // nil until listen
	closed   bool
}

// reserve binds host and port, of which 0 is any free one.
func reserve(ctx context.Context, host, port string) (*reservation, error) {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	ip := ips[0]
	for _, other := range ips {
		if ip.IP.To4() == nil && other.IP.To4() != nil {
			ip = other // as the standard library chooses
		}
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil, err
	}
	r := &reservation{addr: &net.TCPAddr{IP: ip.IP, Port: number, Zone: ip.Zone}}
	failed := func(call string, err error) (*reservation, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: r.addr, Err: os.NewSyscallError(call, err)}
	}
	family, to := sockaddr(r.addr)
	fd, err := newSocket(family)
	if err != nil {
		return failed("socket", err)
	}
	r.file = os.NewFile(uintptr(fd), "reserved TCP port")
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		r.file.Close()
		return failed("setsockopt", err)
	}
	if family == syscall.AF_INET6 && r.addr.IP.IsUnspecified() {
		// [::] stands for both families, as everywhere in Go; where that cannot be had, for its own.
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
	}
	if err := syscall.Bind(fd, to); err != nil {
		r.file.Close()
		return failed("bind", err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		r.file.Close()
		return failed("getsockname", err)
	}
	switch b := bound.(type) {
	case *syscall.SockaddrInet4:
		r.addr.Port = b.Port
	case *syscall.SockaddrInet6:
		r.addr.Port = b.Port
	}
	return r, nil
}

// newSocket opens a socket that programs which this one starts do not inherit.
func newSocket(family int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	return fd, err
}

func sockaddr(addr *net.TCPAddr) (family int, to syscall.Sockaddr) {
	if ip := addr.IP.To4(); ip != nil {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	}
	to6 := &syscall.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
	if zone, err := net.InterfaceByName(addr.Zone); err == nil {
		to6.ZoneId = uint32(zone.Index)
	}
	return syscall.AF_INET6, to6
}

// backlog is the number of connections that may wait to be accepted. The system has a limit of its
// own, which is usually lower.
const backlog = 1 << 15

// listen lets clients connect.
func (r *reservation) listen() (net.Listener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	raw, err := r.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), backlog) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: r.addr, Err: os.NewSyscallError("listen", failed)}
	}
	l, err := net.FileListener(r.file)
	if err != nil {
		return nil, err
	}
	r.listener = l
	return l, r.file.Close() // l has a descriptor of its own
}

// close gives the port back. It may be called more than once.
func (r *reservation) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
	case r.listener != nil:
		r.listener.Close()
	default:
		r.file.Close()
	}
	r.closed = true
}
