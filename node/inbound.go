package node

import "io"

// errEndOfStream is what a read reports when the other side has closed.
var errEndOfStream = io.EOF

// maxReadBuffer is the largest buffer that is taken for more than one operation. Beyond it a larger
// read saves nothing that a socket's own buffer has not lost already.
const maxReadBuffer = 256 << 10

// calmReads is the number of reads in a row that must use less than a quarter of the buffer before
// the next one is smaller.
const calmReads = 16

// inbound holds what was read from a connection and not yet parsed. Between two batches, while it
// waits for the socket, it holds no buffer unless there is half an operation in it.
type inbound struct {
	sock *socket
	pool *bufferPool
	idle func() // called before waiting

	buf        *buffer // nil while there is nothing unread
	start, end int     // the unread bytes of buf
	size       int     // of the next buffer, as an index in bufferPool.sizes
	calm       int     // small reads in a row

	// Made once, see socket.read.
	spaceFn func() []byte
	waitFn  func()
}

func (in *inbound) init(sock *socket, pool *bufferPool, idle func()) {
	in.sock, in.pool, in.idle = sock, pool, idle
	in.spaceFn, in.waitFn = in.space, in.wait
}

// unread returns the bytes to parse. They stay where they are until the next call of fill.
func (in *inbound) unread() []byte {
	if in.buf == nil {
		return nil
	}
	return in.buf.data[in.start:in.end]
}

// advance drops n bytes from the front of the unread ones.
func (in *inbound) advance(n int) { in.start += n }

// fill waits for bytes and appends what is there to the unread ones.
func (in *inbound) fill() error {
	n, err := in.sock.read(in.spaceFn, in.waitFn)
	in.end += n
	if err == nil {
		in.adapt(n)
	}
	return err
}

// space returns the free part of the buffer, of which there is always some: it makes room by moving
// what is unread to the front, and, if an operation fills the whole buffer, by taking a larger one.
// So a connection occupies memory for what it has sent, not for what it has announced.
func (in *inbound) space() []byte {
	switch {
	case in.buf == nil:
		in.buf = in.pool.get(bufferBytes(in.size))
		in.start, in.end = 0, 0
	case in.start == 0 && in.end == len(in.buf.data):
		in.move(4 * in.end)
	case in.buf.size != in.size && in.end-in.start < bufferBytes(in.size):
		in.move(bufferBytes(in.size))
	case in.start > 0:
		in.end = copy(in.buf.data, in.unread())
		in.start = 0
	}
	return in.buf.data[in.end:]
}

// wait gives back all memory that is not needed while the socket is empty.
func (in *inbound) wait() {
	if in.start == in.end {
		in.release()
	} else if n := in.end - in.start; bufferSize(n+1) < in.buf.size {
		in.move(n + 1)
	}
	in.idle()
}

// move puts the unread bytes into another buffer of at least n bytes.
func (in *inbound) move(n int) {
	old := in.buf
	in.buf = in.pool.get(n)
	in.end = copy(in.buf.data, old.data[in.start:in.end])
	in.start = 0
	in.pool.put(old)
}

func (in *inbound) release() {
	in.pool.put(in.buf)
	in.buf = nil
	in.start, in.end = 0, 0
}

// adapt chooses the size of the next buffer by what the last read, of n bytes, made of this one.
func (in *inbound) adapt(n int) {
	switch {
	case in.end == len(in.buf.data) && bufferBytes(in.size) < maxReadBuffer:
		in.size = max(in.size, min(in.buf.size+1, bufferSize(maxReadBuffer)))
		in.calm = 0
	case n > len(in.buf.data)/4:
		in.calm = 0
	default:
		if in.calm++; in.calm >= calmReads {
			in.size = max(in.size-1, 0)
			in.calm = 0
		}
	}
}
