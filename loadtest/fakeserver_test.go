package loadtest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"shoal/wire"
)

// fakeServer is a server that makes mistakes. It knows no wildcards but in inboxes, and writes
// every message at once.
type fakeServer struct {
	listener net.Listener
	serving  sync.WaitGroup
	// deliver is asked for every message; it returns how often to deliver it, and whether to do so
	// only after the next one.
	deliver func(s *fakeServer, n int) (times int, later bool)

	mu    sync.Mutex // guards what follows
	conns []net.Conn
	subs  []fakeSub
	n     int    // messages that were published, greetings left out
	held  []byte // what is delivered after the next message
	deaf  bool   // whether it reads without doing anything
}

type fakeSub struct {
	conn         net.Conn
	subject, sid string
}

func startFakeServer(t *testing.T, deliver func(s *fakeServer, n int) (int, bool)) *fakeServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{listener: listener, deliver: deliver}
	s.serving.Go(s.accept)
	t.Cleanup(func() { s.hangUp(); s.serving.Wait() })
	return s
}

func (s *fakeServer) target() Target {
	return Target{URL: "nats://fake", Address: s.listener.Addr().String()}
}

// hangUp closes everything.
func (s *fakeServer) hangUp() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeAll()
}

func (s *fakeServer) closeAll() {
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *fakeServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.serving.Go(func() { s.serve(c) })
	}
}

func (s *fakeServer) serve(c net.Conn) {
	defer c.Close()
	_, _ = c.Write((&wire.ServerInfo{ID: "fake"}).Append(nil))
	p := wire.Parser{Headers: true}
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := c.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for {
			n, err := p.Next(buf)
			if err != nil {
				return
			}
			if n == 0 {
				break
			}
			s.handle(c, &p.Op)
			buf = buf[n:]
		}
	}
}

func (s *fakeServer) handle(c net.Conn, op *wire.Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.deaf:
	case op.Verb == wire.Ping:
		_, _ = c.Write([]byte(wire.PongLine))
	case op.Verb == wire.Sub:
		s.subs = append(s.subs, fakeSub{c, strings.TrimSuffix(string(op.Subject), "*"), string(op.SID)})
	case op.Verb == wire.Pub:
		s.publish(op)
	}
}

func (s *fakeServer) publish(op *wire.Op) {
	times, later := 1, false
	if !isGreeting(op) {
		times, later = s.deliver(s, s.n)
		s.n++
	}
	for _, sub := range s.subs {
		if !strings.HasPrefix(string(op.Subject), sub.subject) {
			continue
		}
		msg := wire.Op{Verb: wire.Msg, Subject: op.Subject, SID: []byte(sub.sid), Reply: op.Reply, Payload: op.Payload}
		b := msg.Append(nil)
		if later {
			s.held = b
			continue
		}
		for range times {
			_, _ = sub.conn.Write(b)
		}
		if len(s.held) > 0 {
			_, _ = sub.conn.Write(s.held)
			s.held = nil
		}
	}
}

// isGreeting reports whether a message only finds out who can be reached. The mark of the run does
// not matter.
func isGreeting(op *wire.Op) bool {
	s, _ := readStamp(op.Payload, 0)
	return s.seq == greeting
}
