package compat

import (
	"bytes"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestFloodedServerServesOthers has publishers send as fast as the server reads, one more than there
// are processors, and a quiet client that wants its PINGs answered. It needs a process of its own
// for the server: in the test's own, other goroutines keep the scheduler attentive.
func TestFloodedServerServesOthers(t *testing.T) {
	const (
		pings = 40
		// most is a hundred times what is normal; a server that forgets the others takes longer.
		most = 5 * time.Second
	)
	server := startServer(t, subject(), nil)
	batch := bytes.Repeat([]byte("PUB flood 16\r\n0123456789abcdef\r\n"), 2000)
	var stop atomic.Bool
	ended := make(chan struct{})
	floods := runtime.NumCPU() + 1
	for range floods {
		socket := rawConnect(t, server.Addr, "CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG\r\n")
		go func() {
			defer func() { ended <- struct{}{} }()
			for !stop.Load() {
				if _, err := socket.Write(batch); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	quiet := rawConnect(t, server.Addr, "CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG\r\n")
	answer := make([]byte, len("PONG\r\n"))
	for range pings {
		began := time.Now()
		_, err := quiet.Write([]byte("PING\r\n"))
		must(t, err)
		must(t, quiet.SetReadDeadline(began.Add(patience)))
		_, err = io.ReadFull(quiet, answer)
		must(t, err)
		if took := time.Since(began); took > most {
			t.Errorf("a PING was answered after %v", took)
		}
		if string(answer) == "PING\r\n" { // the server's own; its answer and ours are still to come
			_, err = quiet.Write([]byte("PONG\r\n"))
			must(t, err)
			_, err = io.ReadFull(quiet, answer)
			must(t, err)
		}
	}
	stop.Store(true)
	for range floods {
		<-ended
	}
}
