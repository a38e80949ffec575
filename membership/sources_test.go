package membership

import (
	"net"
	"testing"
	"time"
)

func TestSources(t *testing.T) {
	var s sources
	now := time.Now()
	greedy, modest := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1}
	count := func(from net.Addr, now time.Time) (allowed int) {
		for range 2 * streamBurst {
			if s.allow(from, now) {
				allowed++
			}
		}
		return allowed
	}
	for _, tt := range []struct {
		from net.Addr
		at   time.Duration
		want int
	}{
		{greedy, 0, streamBurst},
		{greedy, 0, 0},
		{modest, 0, streamBurst},
		{greedy, time.Second, streamRate},
		{greedy, time.Hour, streamBurst},
		{&net.UnixAddr{Name: "s", Net: "unix"}, 0, 2 * streamBurst},
	} {
		if got := count(tt.from, now.Add(tt.at)); got != tt.want {
			t.Errorf("%v after %v: %d streams, want %d", tt.from, tt.at, got, tt.want)
		}
	}
	for i := range 2 * mostSources {
		s.allow(&net.TCPAddr{IP: net.IPv4(11, 0, byte(i>>8), byte(i))}, now)
	}
	if len(s.byIP) > mostSources {
		t.Errorf("%d addresses are remembered", len(s.byIP))
	}
}
