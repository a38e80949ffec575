package membership

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// pipeMark is the first byte of a stream that carries packets: each is two bytes of length, high
	// byte first, and the packet.
	pipeMark = 'P'
	// pipeQueue is how many packets may wait for a stream. They age quickly, so few do.
	pipeQueue = 32
	// pipeIdle is how long a stream without packets is kept.
	pipeIdle = time.Minute
	// pipeRetry is how long packets are dropped after a stream has broken.
	pipeRetry = time.Second
	// pipeMemory is how long a member that UDP does not reach gets its packets over a stream, before UDP
	// is tried again.
	pipeMemory = 5 * time.Minute
)

// pipes carry packets to members that UDP does not reach, because there is no socket or because a network
// in between drops them. memberlist on its own would find such members alive, with a probe over TCP for
// each one over UDP that fails, but news, answers and the round trip would take ten times as long.
//
// A packet is dropped rather than waited for, as with UDP: a member that does not read must not hold up
// the others.
type pipes struct {
	t *transport

	mu     sync.Mutex           // guards the rest
	byAddr map[string]*pipe     // those that have a goroutine
	until  map[string]time.Time // addresses that UDP did not reach, and when to try again
}

// pipe is the stream to one member.
type pipe struct {
	queue chan []byte
}

func newPipes(t *transport) *pipes {
	return &pipes{t: t, byAddr: make(map[string]*pipe), until: make(map[string]time.Time)}
}

// prefer has packets for an address go over a stream for a while. It reports whether that is new.
func (p *pipes) prefer(addr string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := now.Before(p.until[addr])
	if len(p.until) >= mostMembers {
		clear(p.until)
	}
	p.until[addr] = now.Add(pipeMemory)
	return !was
}

// wanted reports whether packets for an address go over a stream.
func (p *pipes) wanted(addr string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until[addr]
	if ok && now.After(until) {
		delete(p.until, addr)
		ok = false
	}
	return ok
}

// blocked returns how many members UDP does not reach.
func (p *pipes) blocked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.until)
}

// send queues a copy of a packet.
func (p *pipes) send(addr string, b []byte) {
	if len(b) > longestPacket {
		return
	}
	frame := make([]byte, 2+len(b))
	binary.BigEndian.PutUint16(frame, uint16(len(b)))
	copy(frame[2:], b)

	p.mu.Lock()
	defer p.mu.Unlock()
	to := p.byAddr[addr]
	if to == nil {
		if len(p.byAddr) >= mostMembers {
			return
		}
		to = &pipe{queue: make(chan []byte, pipeQueue)}
		if !p.t.start(func() { p.carry(addr, to) }) {
			return
		}
		p.byAddr[addr] = to
	}
	select {
	case to.queue <- frame:
	default:
	}
}

// start runs f in a goroutine that Shutdown waits for, unless it has begun. It reports whether it did.
func (t *transport) start(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		return false
	}
	t.wg.Go(f)
	return true
}

// carry writes packets to one member until there are none for a while or the stream breaks.
func (p *pipes) carry(addr string, to *pipe) {
	broken := p.write(addr, to)
	if broken {
		select {
		case <-time.After(pipeRetry):
		case <-p.t.ctx.Done():
		}
	}
	p.mu.Lock()
	delete(p.byAddr, addr)
	p.mu.Unlock()
}

// write writes packets to one member. It reports whether something has gone wrong.
func (p *pipes) write(addr string, to *pipe) (broken bool) {
	nc, err := p.t.DialTimeout(addr, streamPatience)
	if err != nil {
		return true
	}
	defer nc.Close()
	w := bufio.NewWriter(nc)
	w.WriteByte(pipeMark)
	idle := time.NewTimer(pipeIdle)
	defer idle.Stop()
	for {
		select {
		case <-p.t.ctx.Done():
			return false
		case <-idle.C:
			return false
		case frame := <-to.queue:
			w.Write(frame)
			if len(to.queue) > 0 {
				continue
			}
			_ = nc.SetWriteDeadline(time.Now().Add(streamPatience))
			if w.Flush() != nil {
				return true
			}
			idle.Reset(pipeIdle)
		}
	}
}

// serve reads packets from a stream until it ends.
func (p *pipes) serve(s *stream) {
	defer s.Close()
	from := s.RemoteAddr()
	if addr, err := netip.ParseAddrPort(from.String()); err == nil {
		from = net.UDPAddrFromAddrPort(addr)
	}
	r := bufio.NewReader(s.Conn)
	var head [2]byte
	for {
		_ = s.SetReadDeadline(time.Now().Add(2 * pipeIdle))
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		if n > longestPacket {
			p.t.refuse("a stream that is not gossip", s.RemoteAddr())
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		if len(b) < len(labelHeader) || string(b[:len(labelHeader)]) != string(labelHeader) {
			p.t.refuse("packets that are not gossip", s.RemoteAddr())
			continue
		}
		p.t.deliver(b, from, time.Now())
	}
}
