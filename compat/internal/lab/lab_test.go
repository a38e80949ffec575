package lab

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

// makeLab makes a network without servers.
func makeLab(t *testing.T, cables bool) *Lab {
	t.Helper()
	if err := Check(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	l, err := New(Options{Nodes: 4, Kind: broker.Shoal, Cables: cables})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// arrive sends packets from one node to another, and returns how many arrive and how long it takes
// from the first that is sent to the last that arrives.
func arrive(t *testing.T, from, to *Node, count int) (arrived int, took time.Duration) {
	t.Helper()
	var (
		in  net.PacketConn
		out net.Conn
		err error
	)
	to.space.Do(func() { in, err = net.ListenPacket("udp4", ":9000") })
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if out, err = from.space.Dial("udp4", to.IP+":9000"); err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	began := time.Now()
	go func() {
		for range count {
			_, _ = out.Write(make([]byte, 1000)) // nobody listens any more when it is too late
			time.Sleep(100 * time.Microsecond)
		}
	}()
	buffer := make([]byte, 2000)
	for arrived < count {
		_ = in.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
		if _, _, err := in.ReadFrom(buffer); err != nil {
			break
		}
		arrived++
		took = time.Since(began)
	}
	return arrived, took
}

func TestPart(t *testing.T) {
	l := makeLab(t, false)
	if n, _ := arrive(t, l.Nodes[0], l.Nodes[3], 10); n == 0 {
		t.Error("nothing arrives before the network is parted")
	}
	if err := l.Part(); err != nil {
		t.Fatal(err)
	}
	if n, _ := arrive(t, l.Nodes[0], l.Nodes[3], 10); n > 0 {
		t.Error("packets arrive from the other side of a network that is parted")
	}
	if n, _ := arrive(t, l.Nodes[0], l.Nodes[1], 10); n == 0 {
		t.Error("nothing arrives from the same side")
	}
	if err := l.Mend(); err != nil {
		t.Fatal(err)
	}
	if n, _ := arrive(t, l.Nodes[0], l.Nodes[3], 10); n == 0 {
		t.Error("nothing arrives after the network is mended")
	}
}

func TestFaults(t *testing.T) {
	const packets = 1000
	l := makeLab(t, true)
	a, b := l.Nodes[0], l.Nodes[1]
	if n, _ := arrive(t, a, b, packets); n < packets*9/10 {
		t.Errorf("only %d of %d packets pass a cable without a fault", n, packets)
	}
	b.Break(Fault{Loss: 0.3})
	if n, _ := arrive(t, a, b, packets); n < packets*5/10 || n > packets*8/10 {
		t.Errorf("%d of %d packets pass a cable that loses 30 %%", n, packets)
	}
	b.Break(Fault{Loss: 1, OnlyUDP: true})
	if n, _ := arrive(t, a, b, 10); n > 0 {
		t.Errorf("%d packets pass a cable that loses all of UDP", n)
	}
	// TCP is spared: nobody listens, and that is an answer.
	if _, err := a.space.Dial("tcp", b.IP+":9000"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("TCP got %v instead of a refusal", err)
	}
	b.Break(Fault{Delay: 300 * time.Millisecond})
	if n, took := arrive(t, a, b, 1); n != 1 || took < 300*time.Millisecond {
		t.Errorf("%d packets took %v on a cable that takes 0.3 s", n, took)
	}
	b.Break(Fault{Rate: 1e6})
	if n, took := arrive(t, a, b, 300); n != 300 || took < 250*time.Millisecond {
		t.Errorf("%d of 300 packets of 1 kB took %v on a cable for 1 MB/s", n, took)
	}
}

// TestThreads makes many namespaces, of which some threads must not be those that a process starts with.
func TestThreads(t *testing.T) {
	makeLab(t, false)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		n, err := NewNamespace()
		if err != nil {
			t.Fatal(err)
		}
		var there string
		n.Do(func() { there, err = os.Readlink("/proc/thread-self/ns/net") })
		if err != nil || there == own {
			t.Errorf("on the thread of a namespace: %s, %v", there, err)
		}
		n.Close()
		if now, _ := os.Readlink("/proc/thread-self/ns/net"); now != own {
			t.Errorf("this thread is in %s instead of %s", now, own)
		}
	}
}
