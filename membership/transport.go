package membership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// label is in front of every packet and every stream of gossip, whatever the cluster is called: what
// belongs to another program is dropped before anything looks at it, and clusters can tell each other why
// they do not fit together.
const label = "shoal"

// labelHeader is how memberlist writes the label: a mark, the length, and the text.
var labelHeader = append([]byte{244, byte(len(label))}, label...)

const (
	// packetBacklog is how many packets may wait for memberlist. What comes then is dropped, as the
	// kernel would.
	packetBacklog = 512
	// longestPacket is the longest packet that a member can have sent: gossip fits one frame, the answer
	// to a query is little more than a kilobyte.
	longestPacket = 4096
	// mostStreams bounds the streams that others have open to this node.
	mostStreams = 256
	// streamPatience is how long the first bytes of a stream may take.
	streamPatience = 5 * time.Second
)

var errShut = errors.New("gossip has stopped")

// transport carries memberlist's packets and streams over sockets that belong to the caller. Packets go
// over UDP, and over a stream to members that UDP does not reach (see pipes).
type transport struct {
	self    netip.AddrPort
	udp     net.PacketConn // nil if there is none
	dial    func(ctx context.Context, addr string, named bool) (net.Conn, error)
	named   func(addr string) bool // whether it is the address of a seed that somebody has named
	journal *journal
	offers  func(nc net.Conn) // serves a stream that brings keys
	log     *slog.Logger
	limit   *limiter
	pipes   *pipes
	sources sources

	packets chan *memberlist.Packet
	streams chan net.Conn
	refused atomic.Uint64 // packets and streams that are not ours

	ctx  context.Context // ends when the transport does
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex          // guards the rest
	shut    bool                // no more goroutines are started
	conns   map[*stream]bool    // open streams, of either direction
	dialled map[string]string   // local address of a stream of ours -> the address that was dialled
	own     map[string]struct{} // addresses that turned out to be this node's own
	inbound int                 // streams that others have opened
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(o *Options, j *journal, limit *limiter) *transport {
	t := &transport{
		self: o.Advertise, udp: o.Packets, dial: o.Dial, journal: j, log: o.Logger, limit: limit,
		packets: make(chan *memberlist.Packet, packetBacklog), streams: make(chan net.Conn),
		conns: make(map[*stream]bool), dialled: make(map[string]string), own: make(map[string]struct{}),
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.pipes = newPipes(t)
	if t.udp != nil {
		t.wg.Go(t.receive)
	}
	return t
}

// FinalAdvertiseAddr implements memberlist's Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.self.Addr().AsSlice(), int(t.self.Port()), nil
}

// PacketCh implements memberlist's Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist's Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo implements memberlist's Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist's NodeAwareTransport. It never waits for a stream.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	now := time.Now()
	t.journal.sent(b, now)
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return now, err
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if to == t.self { // an answer to a question of our own
		t.deliver(bytes.Clone(b), net.UDPAddrFromAddrPort(to), now)
		return now, nil
	}
	if t.udp == nil || t.pipes.wanted(a.Addr, now) {
		t.pipes.send(a.Addr, b)
		return time.Now(), nil
	}
	_, err = t.udp.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return time.Now(), err
}

// deliver hands a packet to memberlist.
func (t *transport) deliver(b []byte, from net.Addr, at time.Time) {
	t.journal.received(b, at)
	select {
	case t.packets <- &memberlist.Packet{Buf: b, From: from, Timestamp: at}:
	default:
	}
}

// receive reads the UDP socket until the transport shuts down.
func (t *transport) receive() {
	buf := make([]byte, 1<<16)
	pause := time.Millisecond
	for {
		n, from, err := t.udp.ReadFrom(buf)
		now := time.Now()
		switch {
		case t.ctx.Err() != nil:
			return
		case err != nil:
			// An error of one packet, or for good: the caller has closed the socket too early.
			if errors.Is(err, net.ErrClosed) {
				t.log.Error("The socket for gossip packets was closed", "error", err)
				return
			}
			select {
			case <-t.ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, time.Second)
			continue
		case n > longestPacket || !bytes.HasPrefix(buf[:n], labelHeader):
			t.refuse("packets that are not gossip", from)
			continue
		}
		pause = time.Millisecond
		t.deliver(bytes.Clone(buf[:n]), from, now)
	}
}

// refuse counts something that is not for us, and logs the first and then one a while.
func (t *transport) refuse(what string, from net.Addr) {
	t.refused.Add(1)
	if held, ok := t.limit.allow(what, time.Now()); ok {
		t.log.Warn("Refused "+what, "from", from, "repeated", held)
	}
}

// DialTimeout implements memberlist's Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist's NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	nc, err := t.dial(ctx, a.Addr, t.named(a.Addr))
	if err != nil {
		return nil, err
	}
	s := &stream{Conn: nc, t: t, local: nc.LocalAddr().String()}
	if !t.add(s, a.Addr) {
		nc.Close()
		return nil, errShut
	}
	return s, nil
}

// accept takes a stream that somebody has opened to this node.
func (t *transport) accept(nc net.Conn) {
	if !t.sources.allow(nc.RemoteAddr(), time.Now()) {
		t.refuse("streams of somebody who opens too many", nc.RemoteAddr())
		nc.Close()
		return
	}
	s := &stream{Conn: nc, t: t, inbound: true}
	if !t.add(s, "") {
		nc.Close()
	}
}

// add notes an open stream, and serves it if it came from outside. It reports whether there may be one
// more.
func (t *transport) add(s *stream, dialled string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut || s.inbound && t.inbound >= mostStreams {
		return false
	}
	t.conns[s] = true
	if s.inbound {
		t.inbound++
		t.wg.Go(func() { t.serve(s) })
	} else {
		t.dialled[s.local] = dialled
	}
	return true
}

// serve finds out what a stream is for from its first bytes, and gives it to whom it concerns.
func (t *transport) serve(s *stream) {
	_ = s.SetDeadline(time.Now().Add(streamPatience))
	head := make([]byte, 1, len(labelHeader))
	if _, err := io.ReadFull(s.Conn, head); err != nil {
		s.Close()
		return
	}
	t.recognise(s)
	switch head[0] {
	case pipeMark:
		t.pipes.serve(s)
		return
	case offerMark:
		t.offers(s)
		s.Close()
		return
	}
	if head[0] == labelHeader[0] {
		head = head[:len(labelHeader)]
		if _, err := io.ReadFull(s.Conn, head[1:]); err != nil {
			s.Close()
			return
		}
	}
	if !bytes.Equal(head, labelHeader) {
		t.refuse("a stream that is not gossip", s.RemoteAddr())
		s.Close()
		return
	}
	s.unread = head
	_ = s.SetDeadline(time.Time{})
	select {
	case t.streams <- s:
	case <-t.ctx.Done():
		s.Close()
	}
}

// recognise notes, if a stream is one that this node has opened itself, that the address it dialled leads
// back to it. Nothing is sent on a stream before the transport has noted that it was dialled.
func (t *transport) recognise(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if addr, ok := t.dialled[s.RemoteAddr().String()]; ok && len(t.own) < mostMembers {
		t.own[addr] = struct{}{}
	}
}

// isOwn reports whether an address is this node's own.
func (t *transport) isOwn(addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.own[addr]
	return ok || addr == t.self.String()
}

// Shutdown implements memberlist's Transport. It returns when no goroutine of the transport is left.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	t.shut = true
	conns := make([]*stream, 0, len(t.conns))
	for s := range t.conns {
		conns = append(conns, s)
	}
	t.mu.Unlock()
	t.stop()
	for _, s := range conns {
		s.Close()
	}
	if t.udp != nil {
		// The socket is the caller's, so it is only woken up.
		if err := t.udp.SetReadDeadline(time.Now()); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
			t.log.Debug("Cannot stop reading gossip packets", "error", err)
		}
	}
	t.wg.Wait()
	return nil
}

// stream is a stream of gossip that the transport knows to be open.
type stream struct {
	net.Conn
	t       *transport
	inbound bool
	local   string // address, of a stream that was dialled
	unread  []byte // was read to find out what the stream is for
	once    sync.Once
}

func (s *stream) Read(b []byte) (int, error) {
	if len(s.unread) > 0 {
		n := copy(b, s.unread)
		s.unread = s.unread[n:]
		return n, nil
	}
	return s.Conn.Read(b)
}

func (s *stream) Close() error {
	s.once.Do(func() {
		s.t.mu.Lock()
		delete(s.t.conns, s)
		if s.inbound {
			s.t.inbound--
		} else {
			delete(s.t.dialled, s.local)
		}
		s.t.mu.Unlock()
	})
	return s.Conn.Close()
}

// String is what memberlist shows of a stream.
func (s *stream) String() string { return fmt.Sprint(s.RemoteAddr()) }
