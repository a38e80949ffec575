package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	announceRest    = time.Second            // between the last SUB and the start of the new node
	announcePoll    = 2 * time.Millisecond   // how often the new node is asked
	announceTimeout = 30 * time.Second       // for all subscriptions to be known
	arriveTimeout   = 10 * time.Second       // for the messages that prove it
	arriveRest      = 100 * time.Millisecond // in which a second copy would come
)

// announceOnce measures how long a new node takes to learn of the
// subscriptions of another node's clients.
//
// The first node runs and has the clients. The clock starts just before the
// second node's process does, which is told of the first by --routes, and
// stops with the first answer of the second's /routez that counts all the
// subscriptions. Every 2 ms it is asked; that is the error of the measurement,
// and for both servers the same. Starting the process is part of the time: it
// is what a cluster waits for when a node joins. Then the count is put to the
// proof: a client of the second node publishes one message to every subject at
// once, and each must arrive, once.
func (b *bench) announceOnce(ctx context.Context, l launch, s scenario, res *rowResult) (sample, error) {
	l.node = true
	first, err := b.start(ctx, l)
	if err != nil {
		return sample{}, err
	}
	defer first.stop()
	res.versions[first.name] = first.version
	h, err := hold(first, s.subs)
	if err != nil {
		return sample{}, err
	}
	defer h.close()
	if err := rest(ctx, announceRest); err != nil {
		return sample{}, err
	}

	l.peers = cluster{first}
	for range 3 { // another program may take a port in between
		var r sample
		var retry bool
		if r, retry, err = b.announceTo(ctx, l, s.subs, h); err == nil || !retry {
			return r, err
		}
	}
	return sample{}, err
}

// announceTo starts the new node; retry tells that it ended by itself.
func (b *bench) announceTo(ctx context.Context, l launch, subs int, h *holder) (r sample, retry bool, err error) {
	first := l.peers[0]
	used, before := ownCPU(), readMachine(l.peers)
	began := time.Now()
	second, err := b.spawn(l)
	if err != nil {
		return r, false, err
	}
	defer second.stop()
	if err := awaitSubs(ctx, second, subs); err != nil {
		last, dead := second.dead()
		if dead {
			err = fmt.Errorf("%s does not start: %w; its last words: %s", l.name, err, last)
		}
		return r, dead, err
	}
	took := time.Since(began)
	after := readMachine(cluster{first, second})
	cpu := int64(after.server - before.server)
	r = sample{
		Mode: "announce", Sent: int64(subs), Delivered: int64(subs), Seconds: took.Seconds(), Rate: float64(subs) / took.Seconds(),
		CPU: cpu, CPUTicks: cpu, CPUThreads: cpu, PeakRSS: peakRSS(first.pid()) + peakRSS(second.pid()),
	}
	r.Steal, r.Other = before.until(after, ownCPU()-used)

	return r, false, h.prove(ctx, second)
}

// awaitSubs returns when the new node knows so many subscriptions.
func awaitSubs(ctx context.Context, s *server, want int) error {
	deadline := time.Now().Add(announceTimeout)
	got := "no answer"
	for time.Now().Before(deadline) {
		// No answer means that it does not listen yet.
		if r, err := s.routez(ctx); err == nil {
			n := r.clientSubs()
			if n >= want {
				return nil
			}
			got = fmt.Sprintf("%d subscriptions", n)
		}
		if _, dead := s.dead(); dead {
			return errors.New("it ended")
		}
		if err := rest(ctx, announcePoll); err != nil {
			return err
		}
	}
	return &faultError{server: s.name, kind: "lost", text: fmt.Sprintf("a new node shows %s after %v, not %d", got, announceTimeout, want)}
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// ownCPU is the CPU time of this program so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
