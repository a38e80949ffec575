package node

import (
	"net"
	"os"
	"syscall"
	"time"
)

// socket is the byte stream under a connection. A kernel socket is read and written without
// blocking, through the guard of [syscall.RawConn], so that a closed and reused descriptor can
// never get another connection's bytes. Any other stream can only block.
type socket struct {
	nc    net.Conn
	raw   syscall.RawConn // nil if the stream can only block
	tls   *secured        // nil if nothing is encrypted
	codec *codec          // nil if nothing is compressed

	frames *frames // nil if it is no WebSocket connection

	// Arguments and results of the callbacks, which are made once so that an operation does not
	// allocate. Reads belong to the reading goroutine, writes to whoever has outbound.writing.
	readFrom  func(fd uintptr) bool
	readInto  func() []byte
	wouldWait func()
	nread     int
	readErr   error
	streak    int  // reads since the last wait
	hasty     bool // reads do not wait
	writeTo   func(fd uintptr) bool
	unwritten []byte
	writeErr  error
}

func (s *socket) init(nc net.Conn) {
	s.nc = nc
	s.frames, _ = nc.(*frames)
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
			s.readFrom = s.rawRead
			s.writeTo = s.rawWrite
		}
	}
}

// read reads at least one byte. It asks into for the buffer only when there may be bytes to read,
// and calls idle before it waits. A stream that can only block asks at once.
func (s *socket) read(into func() []byte, idle func()) (int, error) {
	switch {
	case s.codec != nil:
		return s.codec.r.Read(into())
	case s.tls != nil:
		return s.tls.read(into, idle)
	case s.frames != nil:
		return s.frames.read(into, idle)
	case s.raw == nil:
		return s.nc.Read(into())
	}
	s.readInto, s.wouldWait = into, idle
	s.nread, s.readErr = 0, nil
	if err := s.raw.Read(s.readFrom); err != nil {
		return 0, err
	}
	return s.nread, s.readErr
}

func (s *socket) rawRead(fd uintptr) bool {
	b := s.readInto()
	read := sysRead
	if s.streak >= busyStreak {
		read = announcedRead
	}
	for {
		n, err := read(fd, b)
		switch {
		case n > 0:
			s.nread = n
			s.streak++
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN && s.hasty:
			s.readErr = os.ErrDeadlineExceeded
		case err == syscall.EAGAIN:
			s.streak = 0
			s.wouldWait()
			return false
		case err != nil:
			s.readErr = err
		default:
			s.readErr = errEndOfStream
		}
		return true
	}
}

// wait has reads wait for bytes, or report [os.ErrDeadlineExceeded] if there are none. It reports whether
// that is possible: some streams can only wait.
func (s *socket) wait(yes bool) bool {
	switch {
	case s.codec != nil || s.raw == nil:
		return false
	case s.tls != nil:
		return s.tls.wire.wait(yes)
	}
	s.hasty = !yes
	return true
}

// unacknowledged returns how often something was sent again that the other side has not acknowledged, and how
// long ago it has acknowledged something, 0 if nothing is known or overdue.
func (s *socket) unacknowledged() (repeats int, silence time.Duration) {
	if s.raw != nil {
		_ = s.raw.Control(func(fd uintptr) { repeats, silence = unacknowledged(fd) }) // an error says that it is closed
	}
	return repeats, silence
}

// busyStreak is the number of reads without a wait in between from which on a reader announces them
// to the scheduler. A process in which all goroutines are busy and none makes an announced call is
// not looked at by the runtime's monitor, and then nobody serves the other connections.
const busyStreak = 4

// announcedRead is sysRead as the standard library does it.
func announcedRead(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

// tryWrite writes as much of b as the socket takes at once. It returns len(b) or fewer without an
// error if the socket is full, and 0 for a stream that can only block.
func (s *socket) tryWrite(b []byte) (int, error) {
	switch {
	case s.raw == nil || s.codec != nil:
		return 0, nil
	case s.tls != nil:
		return s.tls.tryWrite(b)
	}
	s.unwritten, s.writeErr = b, nil
	if err := s.raw.Write(s.writeTo); err != nil {
		return 0, err
	}
	n := len(b) - len(s.unwritten)
	s.unwritten = nil
	return n, s.writeErr
}

// write writes all pieces, for which it may wait.
func (s *socket) write(pieces net.Buffers) error {
	switch {
	case s.codec != nil:
		return s.codec.write(pieces)
	case s.tls != nil:
		return s.tls.write(pieces)
	case s.frames != nil:
		return s.frames.write(pieces)
	}
	_, err := pieces.WriteTo(s.nc)
	return err
}

// behind reports whether something that tryWrite has taken still has to be written, by write.
func (s *socket) behind() bool { return s.tls != nil && s.codec == nil && s.tls.behind() }

// stream returns the connection as one that can only block, with TLS if there is any.
func (s *socket) stream() net.Conn {
	if s.tls != nil {
		return s.tls
	}
	return s.nc
}

func (s *socket) rawWrite(fd uintptr) bool {
	for len(s.unwritten) > 0 {
		n, err := sysWrite(fd, s.unwritten)
		switch {
		case n > 0:
			full := n < len(s.unwritten)
			s.unwritten = s.unwritten[n:]
			if full {
				return true
			}
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return true
		default:
			s.writeErr = err
			return true
		}
	}
	return true
}
