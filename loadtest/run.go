package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// run is one measurement.
type run struct {
	config    Config
	clock     clock
	mark      uint16 // tells our messages from those of others
	watch     func(Progress)
	latencies *latencies
	lateness  *latencies // of paced publishers

	pubs       []*publisher
	receivers  []*receiver
	responders []*responder
	readers    []*conn // of those whose reading is measured: receivers and responders
	conns      []*conn
	ledgers    []*ledger

	start int64        // when the publishers start
	from  atomic.Int64 // when the warm-up ends; far away as long as that is not known
	until int64        // when the publishers stop, if that is a matter of time

	failed  chan error    // the first failure
	over    chan struct{} // closed when the run ends
	reading sync.WaitGroup
}

// ErrInterrupted says that a run ended before anything was measured.
var ErrInterrupted = errors.New("interrupted before anything was measured")

// Run measures as config says. It calls watch a few times per second. The end of ctx ends the run
// early, with the results so far. A result may come together with an error: if messages are missing,
// for example.
func Run(ctx context.Context, config Config, watch func(Progress)) (*Result, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if len(config.Targets) == 0 {
		return nil, errors.New("there is no server to measure")
	}
	r := &run{
		config:    config,
		clock:     clock{time.Now()},
		mark:      uint16(rand.Uint32()),
		watch:     watch,
		latencies: newLatencies(),
		lateness:  newLatencies(),
		failed:    make(chan error, 1),
		over:      make(chan struct{}),
	}
	r.from.Store(math.MaxInt64)
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return nil, r.interruption(ctx, err)
	}
	r.read()
	if err := r.greet(ctx); err != nil {
		return nil, r.interruption(ctx, err)
	}
	return r.measure(ctx)
}

// interruption returns err unless the end of ctx is the reason for it.
func (r *run) interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// read starts the goroutine of every connection that reads.
func (r *run) read() {
	for _, p := range r.pubs {
		if r.config.Mode != Request {
			r.serve(p.conn, nobody{})
		}
	}
	for i, receiver := range r.receivers {
		r.serve(r.readers[i], receiver)
	}
	for i, responder := range r.responders {
		r.serve(r.readers[len(r.receivers)+i], responder)
	}
}

func (r *run) serve(c *conn, h handler) {
	r.reading.Go(func() { r.fail(c.serve(h)) })
}

// fail ends the run because of an error. What fails because the run has ended is of no interest.
func (r *run) fail(err error) {
	select {
	case <-r.over:
	case r.failed <- err:
	default:
	}
}

// close ends all goroutines and connections. It may be called again.
func (r *run) close() {
	select {
	case <-r.over:
	default:
		close(r.over)
	}
	for _, c := range r.conns {
		c.stream.Close()
	}
	r.reading.Wait()
}

// greet sends greetings until every receiver has heard every publisher. A subscription that its
// server has confirmed is not known to the other servers of a cluster at once, and what was
// published before that would look like a loss.
func (r *run) greet(ctx context.Context) error {
	timeout := time.NewTimer(r.config.Timeout)
	defer timeout.Stop()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		missing := 0
		for _, p := range r.pubs {
			for _, l := range p.credit.ledgers {
				if !l.hasHeard(p.index) {
					missing++
					if err := p.greet(); err != nil {
						return err
					}
					break
				}
			}
		}
		if missing == 0 {
			return nil
		}
		r.watch(Progress{Phase: "reaching the receivers"})
		select {
		case <-time.After(wait):
		case err := <-r.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return r.unreachable()
		}
	}
}

// unreachable explains why greetings do not arrive.
func (r *run) unreachable() error {
	subject, timeout := r.config.subject(max(r.config.Subjects-1, 0)), r.config.Timeout
	for _, l := range r.ledgers {
		switch {
		case l.refused.Load():
			return fmt.Errorf("nobody answers requests on %s (no responders)", subject)
		case l.unheard.Load() > 0 && r.config.Mode == Request:
			return fmt.Errorf("no reply to requests on %s within %s", subject, timeout)
		}
	}
	why := "may these clients publish and subscribe there?"
	if len(r.config.Targets) > 1 {
		why = "are the servers connected to each other?"
	}
	return fmt.Errorf("messages to %s do not reach all subscribers within %s: %s", subject, timeout, why)
}
