package node

import (
	"runtime"
	"sync"
)

// wideFanOut is the number of receivers from which a batch is no longer written by its reader. So
// many writes take tens of milliseconds, and the publisher's PONG is behind them.
const wideFanOut = 2048

// wideFlush writes the batch of one reader to very many receivers, by goroutines of its own. The
// reader queues the bytes, which keeps them in order, and goes on; before its next wide batch it
// waits for the last one, so that it cannot run away from what the receivers take.
type wideFlush struct {
	wg    sync.WaitGroup
	conns []*conn // whose queues are to be written
}

// start waits for the last flush and makes ready for the next.
func (f *wideFlush) start() {
	f.wg.Wait()
	f.conns = f.conns[:0]
}

// add queues s for a connection, and returns the number of bytes that wait.
func (f *wideFlush) add(c *conn, s *stream) (waiting int) {
	waiting, mine := c.offer(s, true)
	if mine {
		f.conns = append(f.conns, c)
	}
	return waiting
}

// run starts the goroutines, which leave half of the processors to others.
func (f *wideFlush) run(n *Node) {
	workers := max(1, runtime.GOMAXPROCS(0)/2)
	share := (len(f.conns) + workers - 1) / workers
	for rest := f.conns; len(rest) > 0; {
		part := rest[:min(share, len(rest))]
		rest = rest[len(part):]
		f.wg.Add(1)
		n.wg.Go(func() {
			defer f.wg.Done()
			for _, c := range part {
				c.out.mu.Lock()
				c.combine()
			}
			clear(part) // a reader may keep its memory for long, but not the connections
		})
	}
}
