package membership

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// streamBurst and streamRate are how many streams an address may open at once, and per second after
	// that. Each can make this node tell and hear all there is to know. A machine may have many servers,
	// which all come back at once when it starts.
	streamBurst, streamRate = 512, 64
	// mostSources bounds the addresses that are remembered.
	mostSources = 4096
)

// sources keeps anybody from keeping a node busy by opening streams.
type sources struct {
	mu   sync.Mutex // guards byIP
	byIP map[netip.Addr]*source
}

// source is what an address may still open.
type source struct {
	left float64
	last time.Time
}

// allow reports whether an address may open a stream.
func (s *sources) allow(from net.Addr, now time.Time) bool {
	at, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return true // no network
	}
	ip := at.Addr().Unmap()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.byIP[ip]
	if b == nil {
		if s.byIP == nil || len(s.byIP) >= mostSources {
			s.byIP = make(map[netip.Addr]*source)
		}
		b = &source{left: streamBurst, last: now}
		s.byIP[ip] = b
	}
	b.left = min(streamBurst, b.left+streamRate*now.Sub(b.last).Seconds())
	b.last = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
