package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// slowLog is a handler of a log that waits for the receipt of a message to "slow" to be written.
type slowLog struct {
	slog.Handler
	begun, goOn chan struct{}
}

func (l slowLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "<<- [PUB slow ") {
		close(l.begun)
		<-l.goOn
	}
	return l.Handler.Handle(ctx, r)
}

// TestASlowReaderIsNoStaleClient has a node be so slow to carry out what a client has sent that it sees the
// answers to its PINGs late.
func TestASlowReaderIsNoStaleClient(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secure), func(t *testing.T) {
			l := slowLog{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: LevelTrace}), make(chan struct{}), make(chan struct{})}
			o := Options{Logger: slog.New(l), PingInterval: time.Hour}
			pki := newPKI(t)
			if secure {
				o.TLS = pki.options(nil)
			}
			n := startNode(t, o)
			nc, _ := plain(t, n)
			if secure {
				nc = tls.Client(nc, pki.client(""))
			}
			p := &peer{t: t, nc: nc, r: bufio.NewReader(nc)}
			p.send(quiet)
			p.sync()
			c := n.clients.all()[0]
			p.send("PUB slow 0\r\n\r\n")
			<-l.begun
			for i := range 5 { // as often as the alarm rings while the reader is busy
				c.checkPing(time.Now().Add(time.Duration(i+1) * time.Hour))
			}
			for range n.options().MaxPingsOut {
				p.want("PING\r\n")
				p.send("PONG\r\n")
			}
			close(l.goOn)
			p.sync()
			if got := n.Stats().StaleConnections; got != 0 {
				t.Errorf("%d clients are stale", got)
			}
		})
	}
}

// TestAPartOfAMessageShowsLife has a client be in the middle of a message for longer than it may leave PINGs
// without an answer.
func TestAPartOfAMessageShowsLife(t *testing.T) {
	const parts = 6
	n := startNode(t, Options{PingInterval: time.Hour})
	p := dial(t, n, quiet)
	p.sync()
	c := n.clients.all()[0]
	p.send(fmt.Sprintf("SUB a 1\r\nPUB a %d\r\n", parts))
	for range parts {
		before := c.heard.Load()
		p.send("x")
		eventually(t, "it has come", func() bool { return c.heard.Load() != before })
		c.lastIn.Store(0) // no operation has come for long
		c.checkPing(time.Now())
	}
	p.send("\r\n")
	p.want("PING\r\nPING\r\n" + message("a", "1", strings.Repeat("x", parts)))
}
