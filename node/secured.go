package node

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// cipherStep is the number of bytes that are encrypted before they are written: whole records, in a
// buffer that a processor's cache holds.
const cipherStep = 3 << 14

// recordOverhead is what a record adds to its bytes, at most.
const recordOverhead = 64

// secured is TLS on a connection. crypto/tls can only block, and would make a write to the socket of
// every record. So it reads from memory and writes to memory here, and the bytes are moved between there
// and the socket as those of a plain connection are: without waiting, and as many at once as there are.
//
// Reading belongs to one goroutine, writing to one. It is a [net.Conn] for those who want to wait; its
// deadlines are those of the socket, and to close it is to close that.
type secured struct {
	net.Conn // the socket
	tls      *tls.Conn
	pool     *bufferPool
	wire     socket
	in       inbound // was received, and not yet decrypted
	shaking  bool    // during the handshake crypto/tls has the socket to itself
	more     bool    // there may be decrypted bytes that nobody has read
	idle     func()  // of the caller of read

	mu     sync.Mutex // guards the rest; a reader may have to write as well, to end the connection
	buf    *buffer    // where unsent begins, nil if it is not pooled
	unsent []byte     // was encrypted, and not yet written
}

// newSecured makes nc, of which some bytes have been read already, a connection with TLS. side is
// [tls.Server] or [tls.Client].
func newSecured(nc net.Conn, read []byte, pool *bufferPool, config *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) *secured {
	s := &secured{Conn: nc, pool: pool}
	s.wire.init(nc)
	s.in.init(&s.wire, pool, func() { s.idle() })
	s.idle = func() {}
	if len(read) > 0 {
		s.in.buf = pool.get(len(read))
		s.in.end = copy(s.in.buf.data, read)
	}
	s.tls = side(memoryConn{nc, s}, config)
	return s
}

// handshake waits for the handshake, as long as the deadline of the socket allows.
func (s *secured) handshake() error {
	s.shaking = true
	err := s.tls.Handshake()
	s.shaking, s.more = false, true
	return err
}

// memoryConn is what crypto/tls has for a socket.
type memoryConn struct {
	net.Conn
	s *secured
}

func (m memoryConn) Read(b []byte) (int, error) {
	s := m.s
	if unread := s.in.unread(); len(unread) > 0 {
		n := copy(b, unread)
		s.in.advance(n)
		return n, nil
	}
	if s.shaking {
		return s.Conn.Read(b)
	}
	return 0, errNothingYet
}

// SetWriteDeadline implements net.Conn. crypto/tls sets one to tell the other side that it closes, which
// does not wait here.
func (m memoryConn) SetWriteDeadline(time.Time) error { return nil }

func (m memoryConn) Write(b []byte) (int, error) {
	s := m.s
	if s.shaking {
		return s.Conn.Write(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsent = append(s.unsent, b...)
	return len(b), nil
}

// nothingYet is an error that crypto/tls does not take for the end.
type nothingYet struct{}

var errNothingYet net.Error = nothingYet{}

func (nothingYet) Error() string   { return "nothing was received yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// read is socket.read for what was decrypted.
func (s *secured) read(into func() []byte, idle func()) (int, error) {
	s.idle = idle
	for {
		if s.more || len(s.in.unread()) > 0 {
			if n, err := s.decrypt(into()); n > 0 || err != errNothingYet {
				return n, err
			}
		}
		if err := s.in.fill(); err != nil {
			return 0, err
		}
	}
}

// decrypt fills b as far as what was received allows.
func (s *secured) decrypt(b []byte) (n int, err error) {
	s.more = false
	for n < len(b) {
		m, err := s.tls.Read(b[n:])
		n += m
		if err != nil {
			if n > 0 {
				s.more = err != errNothingYet // crypto/tls tells again what ends the connection
				return n, nil
			}
			return 0, err
		}
	}
	s.more = true
	return n, nil
}

// Read implements net.Conn.
func (s *secured) Read(b []byte) (int, error) {
	return s.read(func() []byte { return b }, func() {})
}

// Write implements net.Conn.
func (s *secured) Write(b []byte) (int, error) {
	if err := s.write(net.Buffers{b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite tells the other side that nothing more comes, without waiting for it.
func (s *secured) CloseWrite() error {
	if err := s.tls.CloseWrite(); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	return half.CloseWrite()
}

// tryWrite is socket.tryWrite. It takes at least as much as it writes: what was encrypted and did not fit
// the socket goes before what comes next, see behind.
func (s *secured) tryWrite(b []byte) (n int, err error) {
	for {
		if err := s.flush(); err != nil || s.behind() || n == len(b) {
			return n, err
		}
		step := b[n:min(len(b), n+cipherStep)]
		if err := s.encrypt(step); err != nil {
			return n, err
		}
		n += len(step)
	}
}

// encrypt adds b to what is unsent.
func (s *secured) encrypt(b []byte) error {
	s.mu.Lock()
	if s.buf == nil && s.unsent == nil {
		s.buf = s.pool.get(len(b) + (len(b)>>14+1)*recordOverhead)
		s.unsent = s.buf.data[:0]
	}
	s.mu.Unlock()
	_, err := s.tls.Write(b)
	return err
}

// flush writes what is unsent as far as the socket takes it at once.
func (s *secured) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unsent) == 0 {
		return nil
	}
	n, err := s.wire.tryWrite(s.unsent)
	s.wrote(n)
	return err
}

// wrote notes that n unsent bytes have been written. The caller holds the lock.
func (s *secured) wrote(n int) {
	if s.unsent = s.unsent[n:]; len(s.unsent) == 0 {
		s.pool.put(s.buf)
		s.buf, s.unsent = nil, nil
	}
}

// behind reports whether there is something unsent.
func (s *secured) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unsent) > 0
}

// write is socket.write.
func (s *secured) write(pieces net.Buffers) error {
	plain := s.pool.get(cipherStep)
	defer s.pool.put(plain)
	size := 0
	for _, p := range pieces {
		for len(p) > 0 {
			n := copy(plain.data[size:cipherStep], p)
			p, size = p[n:], size+n
			if size == cipherStep {
				if err := s.writeAll(plain.data[:size]); err != nil {
					return err
				}
				size = 0
			}
		}
	}
	return s.writeAll(plain.data[:size])
}

// writeAll encrypts and writes b after what is unsent, for which it may wait.
func (s *secured) writeAll(b []byte) error {
	if len(b) > 0 {
		if err := s.encrypt(b); err != nil {
			return err
		}
	}
	for s.behind() {
		// Only the goroutine that writes takes from the front, so what is there now can be written without
		// the lock.
		s.mu.Lock()
		unsent := s.unsent
		s.mu.Unlock()
		n, err := s.Conn.Write(unsent)
		s.mu.Lock()
		s.wrote(n)
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}
