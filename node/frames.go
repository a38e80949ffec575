package node

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// frames is a WebSocket connection as a stream of bytes: what is written becomes binary messages, and
// what is read are the messages of the client, of any kind and size, one behind the other. The borders
// between messages mean nothing.
//
// Reading belongs to one goroutine, writing to one. Deadlines are those of the stream under it.
type frames struct {
	*framed
	ws      *websocket.Conn
	pool    *bufferPool
	message io.Reader // what is being read, nil between two messages
}

// framed is the stream under the frames, as the WebSocket library has it.
type framed struct {
	net.Conn
	r *bufio.Reader // what the library reads from

	within bool        // the library is somewhere in a message
	stays  func() bool // whether to go on when a read in a message has timed out
	err    error       // how the last read has failed
	silent atomic.Bool // what is written is dropped
}

// Read implements io.Reader. A reader that is woken in the middle of a message goes on as long as stays
// says: the library cannot resume where it has stopped.
func (f *framed) Read(b []byte) (int, error) {
	for {
		n, err := f.Conn.Read(b)
		if n > 0 || !f.within || !isTimeout(err) || !f.stays() {
			f.err = err
			return n, err
		}
	}
}

// Write implements io.Writer.
func (f *framed) Write(b []byte) (int, error) {
	if f.silent.Load() {
		return len(b), nil
	}
	return f.Conn.Write(b)
}

// framing is a response to a request for a WebSocket connection that hands the library a framed stream.
type framing struct {
	http.ResponseWriter
	stream *framed // nil until then
}

// Hijack implements [http.Hijacker].
func (f *framing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(f.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	f.stream = &framed{Conn: nc, r: rw.Reader}
	return f.stream, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(f.stream)), nil
}

// init has the connection read and write in frames.
func (f *frames) init(c *conn) {
	f.pool = &c.node.buffers
	granted := false
	f.stays = func() bool {
		if c.wake() {
			return true
		}
		// The connection ends, but what has begun to come may still be a message that counts.
		first := !granted
		granted = true
		if first {
			f.SetReadDeadline(time.Now().Add(lingerTime))
		}
		return first
	}
}

// read is socket.read.
func (f *frames) read(into func() []byte, idle func()) (n int, err error) {
	for {
		if f.message == nil {
			if f.r.Buffered() == 0 {
				idle()
			}
			if _, err := f.r.Peek(1); err != nil {
				return 0, err // nothing is lost, so that the next call can go on
			}
		}
		f.within, f.err = true, nil
		if f.message == nil {
			_, f.message, err = f.ws.Reader(context.Background())
		} else {
			n, err = f.message.Read(into())
		}
		f.within = false
		if err == io.EOF {
			f.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, f.cause(err)
		}
	}
}

// cause returns what is behind an error of the library: the stream, the client who has said that it
// closes, or one who does not keep to the protocol.
func (f *frames) cause(err error) error {
	var failed net.Error
	switch {
	case err == nil:
		return nil
	case websocket.CloseStatus(err) != -1:
		return errEndOfStream
	case f.err != nil:
		return f.err
	case errors.Is(err, net.ErrClosed), errors.As(err, &failed):
		return err
	}
	return &ending{reason: reasonProtocol, err: err}
}

// Read implements net.Conn.
func (f *frames) Read(b []byte) (int, error) {
	return f.read(func() []byte { return b }, func() {})
}

// Write implements net.Conn.
func (f *frames) Write(b []byte) (int, error) {
	if err := f.ws.Write(context.Background(), websocket.MessageBinary, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// write is socket.write. All pieces become one message.
func (f *frames) write(pieces net.Buffers) error {
	if len(pieces) == 1 {
		_, err := f.Write(pieces[0])
		return err
	}
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	buf := f.pool.get(size)
	defer f.pool.put(buf)
	all := buf.data[:0]
	for _, p := range pieces {
		all = append(all, p...)
	}
	_, err := f.Write(all)
	return err
}

// sayWhy tells the client, in a frame of its own, that the connection ends and why, unless the library has
// found fault with its frames and told it. Nothing is written after it. Nobody may be writing.
func (f *frames) sayWhy(e *ending) {
	if f.told() {
		f.silent.Store(true)
		return
	}
	frame := []byte{0x88, byte(2 + len(e.reason))} // a final frame of type close
	frame = binary.BigEndian.AppendUint16(frame, uint16(closeStatus(e.reason)))
	frame = append(frame, e.reason...)
	f.SetWriteDeadline(time.Now().Add(lingerTime))
	if !f.silent.Swap(true) {
		_, _ = f.Conn.Write(frame) // whoever has gone need not know
	}
}

// told reports whether the library has told the client that the connection ends: it lets nothing be
// written then. The beginning of a message that it may accept stays in its buffer.
func (f *frames) told() bool {
	w, err := f.ws.Writer(context.Background(), websocket.MessageBinary)
	if err == nil {
		_, err = w.Write(nil)
	}
	return err != nil
}

// closeStatus returns the status of the frame with which a connection is closed.
func closeStatus(r closeReason) websocket.StatusCode {
	switch r {
	case reasonClientClosed:
		return websocket.StatusNormalClosure
	case reasonServerShutdown, reasonDraining, reasonStale, reasonReadError, reasonWriteError:
		return websocket.StatusGoingAway
	case reasonProtocol, reasonBadClientProto:
		return websocket.StatusProtocolError
	case reasonMaxPayload:
		return websocket.StatusMessageTooBig
	case reasonMissingHeaders:
		return websocket.StatusInternalError
	}
	return websocket.StatusPolicyViolation
}

// CloseWrite implements what ends the half of a connection that goes to the other side: nothing is
// written any more.
func (f *frames) CloseWrite() error {
	if !f.silent.Load() {
		return errors.New("the client has not been told why the connection ends")
	}
	return nil
}

// release gives back what the library holds. The stream must have been closed.
func (f *frames) release() { _ = f.ws.CloseNow() }
