package loadtest

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// metered is a TCP connection that knows how long its user waited for it. That tells who is slow: a
// reader that never waits for data does not keep up with its server, and a writer that waits for
// room has a server that does not keep up with it.
//
// Reads come from one goroutine at a time, and so do writes.
type metered struct {
	*net.TCPConn
	raw    syscall.RawConn
	clock  clock
	reads  waiting
	writes waiting

	// What the callbacks work on. They are made once, since each would be an allocation.
	readFD, writeFD   func(fd uintptr) bool
	readBuf, writeBuf []byte
	readN, writeN     int
	readErr, writeErr error
}

func newMetered(conn *net.TCPConn, c clock) (*metered, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	m := &metered{TCPConn: conn, raw: raw, clock: c}
	m.readFD = func(fd uintptr) bool {
		m.readN, m.readErr = retried(syscall.Read, int(fd), m.readBuf)
		return m.ready(m.readErr, &m.reads)
	}
	m.writeFD = func(fd uintptr) bool {
		m.writeN, m.writeErr = retried(syscall.Write, int(fd), m.writeBuf)
		return m.ready(m.writeErr, &m.writes)
	}
	return m, nil
}

// retried makes a system call again if a signal came between.
func retried(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		if n, err := call(fd, b); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// ready reports whether a system call is done. If not, the caller waits until the socket is ready.
func (m *metered) ready(err error, w *waiting) bool {
	if errors.Is(err, syscall.EAGAIN) {
		w.begin(m.clock.now())
		return false
	}
	if w.since.Load() != 0 {
		w.end(m.clock.now())
	}
	return true
}

// Read implements [net.Conn].
func (m *metered) Read(b []byte) (int, error) {
	m.readBuf = b
	err := m.raw.Read(m.readFD)
	m.readBuf = nil
	switch {
	case err != nil: // closed, or the deadline has passed
		return 0, err
	case m.readErr != nil:
		return 0, os.NewSyscallError("read", m.readErr)
	case m.readN == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return m.readN, nil
}

// Write implements [net.Conn].
func (m *metered) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		m.writeBuf = b[written:]
		err := m.raw.Write(m.writeFD)
		m.writeBuf = nil
		if err == nil && m.writeErr != nil {
			err = os.NewSyscallError("write", m.writeErr)
		}
		if err != nil {
			return written, err
		}
		written += m.writeN
	}
	return written, nil
}
