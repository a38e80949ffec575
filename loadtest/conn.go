package loadtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"shoal/wire"
)

// readBuffer is what a reader asks for at once.
const readBuffer = 64 << 10

// conn is one client of the server.
type conn struct {
	name   string // for people, such as "subscriber 3"
	url    string
	stream net.Conn
	meter  *metered // stream, or what TLS runs over
	clock  clock
	pongs  chan struct{}

	writing sync.Mutex // orders the writers; a reader answers PING while a publisher publishes

	// The rest belongs to the reader.
	parser     wire.Parser
	buf        []byte
	start, end int // what of buf has been read and not parsed
}

// dial connects and logs in.
func dial(ctx context.Context, target Target, name string, timeout time.Duration, c clock) (*conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	stream, err := dialer.DialContext(ctx, "tcp", target.Address)
	if err != nil {
		return nil, fmt.Errorf("%s cannot connect to %s: %w", name, target.URL, reason(err))
	}
	cn := &conn{name: name, url: target.URL, stream: stream, clock: c, pongs: make(chan struct{}, 1),
		buf: make([]byte, readBuffer), parser: wire.Parser{Role: wire.FromServer}}
	// An end of ctx ends the login as well, as closing the connection does.
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	if err := cn.login(target, timeout); err != nil {
		cn.stream.Close()
		return nil, fmt.Errorf("%s cannot connect to %s: %w", name, target.URL, err)
	}
	return cn, nil
}

func (c *conn) login(target Target, timeout time.Duration) error {
	tcp, ok := c.stream.(*net.TCPConn)
	if !ok {
		return errors.New("it is not a TCP connection")
	}
	meter, err := newMetered(tcp, c.clock)
	if err != nil {
		return reason(err)
	}
	c.meter, c.stream = meter, meter
	if err := c.stream.SetDeadline(time.Now().Add(timeout)); err != nil {
		return reason(err)
	}
	if target.TLS != nil && target.TLSFirst {
		if err := c.secure(target.TLS); err != nil {
			return err
		}
	}
	if err := c.await(wire.Info); err != nil {
		return err
	}
	if target.TLS != nil && !target.TLSFirst {
		if err := c.secure(target.TLS); err != nil {
			return err
		}
	}
	hello := wire.ConnectOptions{Echo: true, Headers: true, NoResponders: true, Protocol: 1, Lang: "go", Name: "shoal bench",
		User: target.User, Pass: target.Password, Token: target.Token, TLSRequired: target.TLS != nil}
	if err := c.write(append(hello.Append(nil), wire.PingLine...)); err != nil {
		return err
	}
	if err := c.await(wire.Pong); err != nil {
		return err
	}
	return nil
}

// secure encrypts the connection.
func (c *conn) secure(config *tls.Config) error {
	secure := tls.Client(c.meter, config)
	if err := secure.Handshake(); err != nil {
		return reason(err)
	}
	c.stream = secure
	return nil
}

// subscribe subscribes and waits until the server has taken it. It is for the time before serve.
func (c *conn) subscribe(group string, timeout time.Duration, subjects ...string) error {
	var b []byte
	for i, subject := range subjects {
		op := wire.Op{Verb: wire.Sub, Subject: []byte(subject), Queue: []byte(group), SID: fmt.Append(nil, i+1)}
		b = op.Append(b)
	}
	err := c.stream.SetDeadline(time.Now().Add(timeout))
	if err == nil {
		err = c.write(append(b, wire.PingLine...))
	}
	if err == nil {
		err = c.await(wire.Pong)
	}
	if err == nil {
		err = c.stream.SetDeadline(time.Time{})
	}
	if err != nil {
		return fmt.Errorf("%s cannot subscribe: %w", c.name, reason(err))
	}
	return nil
}

// await reads until an operation of one kind has come.
func (c *conn) await(verb wire.Verb) error {
	for {
		op, err := c.next()
		switch {
		case err != nil:
			return err
		case op == nil:
			if err := c.fill(); err != nil {
				return reason(err)
			}
		case op.Verb == verb:
			return nil
		case op.Verb == wire.Err:
			return fmt.Errorf("the server says %s", complaint(op))
		}
	}
}

// handler takes what a reader reads, in batches that arrived together.
type handler interface {
	begin(now int64)
	message(op *wire.Op)
	end() error
}

// nobody is the handler of a client that only publishes.
type nobody struct{}

func (nobody) begin(int64)      {}
func (nobody) message(*wire.Op) {}
func (nobody) end() error       { return nil }

// serve reads until the connection ends, and returns why it did.
func (c *conn) serve(h handler) error {
	for {
		if err := c.batch(h); err != nil {
			return err
		}
		if err := c.fill(); err != nil {
			return c.lost(err)
		}
	}
}

// batch handles the operations that have arrived.
func (c *conn) batch(h handler) error {
	h.begin(c.clock.now())
	for {
		op, err := c.next()
		if err != nil {
			return fmt.Errorf("%s cannot read what %s sends: %w", c.name, c.url, err)
		}
		if op == nil {
			return h.end()
		}
		switch op.Verb {
		case wire.Msg, wire.HMsg:
			h.message(op)
		case wire.Ping:
			if err := c.write([]byte(wire.PongLine)); err != nil {
				return c.lost(err)
			}
		case wire.Pong:
			select {
			case c.pongs <- struct{}{}:
			default:
			}
		case wire.Err:
			return fmt.Errorf("%s says to %s: %s", c.url, c.name, complaint(op))
		}
	}
}

// next returns the next operation that has arrived completely, or nil if there is none.
func (c *conn) next() (*wire.Op, error) {
	n, err := c.parser.Next(c.buf[c.start:c.end])
	if err != nil || n == 0 {
		return nil, err
	}
	c.start += n
	return &c.parser.Op, nil
}

// fill reads more.
func (c *conn) fill() error {
	if c.start > 0 {
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
	}
	if want := max(c.parser.Want(), c.end+1); want > len(c.buf) {
		c.buf = append(c.buf[:c.end], make([]byte, max(want, 2*len(c.buf))-c.end)...)
	}
	n, err := c.stream.Read(c.buf[c.end:])
	c.end += n
	return err
}

// write sends b.
func (c *conn) write(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.stream.Write(b)
	return err
}

// lost explains the end of a connection.
func (c *conn) lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("%s closed the connection of %s", c.url, c.name)
	}
	return fmt.Errorf("%s lost its connection to %s: %w", c.name, c.url, reason(err))
}

// reason drops from an error of the network what the reader of the message knows.
func reason(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the server closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the server does not answer")
	case errors.As(err, &errno):
		return errno
	}
	return err
}

// complaint returns the text of an -ERR.
func complaint(op *wire.Op) []byte { return bytes.Trim(op.Arg, "'") }
