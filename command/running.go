package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// running is a server that signals may reach.
type running struct {
	*monitored
	signals <-chan os.Signal
	ordered chan bool // to leave; true is at once
	reloads chan chan<- reloaded
	read    readFunc
	extras  *extras
	kept    atomic.Pointer[[][]byte] // the keys of gossip, if they have changed
	log     *logging
	manager *notifier
	leaving sync.WaitGroup // the lame duck
}

// start starts the node, which lives until ctx ends. A node with peers waits for them first, and a
// signal may end that: then stop, which ends ctx, has been called, and stopped is true.
func (r *running) start(ctx context.Context, stop context.CancelFunc) (stopped bool, err error) {
	started := make(chan error, 1)
	go func() { started <- r.node.Start(ctx) }()
	for {
		select {
		case err := <-started:
			if stopped {
				return true, nil
			}
			return false, err
		case sig := <-r.signals:
			// There are no clients yet for a lame duck to be gentle to.
			if !r.carryOut(sig) || sig == syscall.SIGUSR2 {
				stopped = true
				stop()
			}
		}
	}
}

// waitForEnd returns when a signal ends the server, or when the node has ended by itself.
func (r *running) waitForEnd() {
	for {
		select {
		case <-r.node.Done():
			return
		case now := <-r.ordered:
			if now {
				return
			}
			r.leave()
		case done := <-r.reloads:
			r.manager.reload(func() { done <- r.reload() })
		case sig := <-r.signals:
			if !r.carryOut(sig) {
				return
			}
		}
	}
}

// announce has others find the server, and takes orders from then on.
func (r *running) announce(orders http.Handler) error {
	if r.extras.admin != nil {
		if err := r.extras.admin.publish(portOf(r.node.Addr()), orders, r.log.Logger); err != nil {
			return err
		}
	}
	return r.extras.announce(&extras{}, r.monitored, r.log.Logger)
}

// order has the server leave as a lame duck, or stop at once. It reports whether it is about to.
func (r *running) order(now bool) bool {
	if !now && !r.phase.CompareAndSwap(phaseServing, phaseLeaving) {
		return false
	}
	select {
	case r.ordered <- now:
		return true
	default:
		return false
	}
}

// carryOut does what a signal asks for. It reports whether the server goes on.
func (r *running) carryOut(sig os.Signal) (goesOn bool) {
	r.log.Info(fmt.Sprintf("Trapped %q signal", sig))
	leaving := r.phase.Load() == phaseLeaving
	switch sig {
	case syscall.SIGUSR1:
		r.log.reopen()
	case syscall.SIGHUP:
		if r.phase.Load() == phaseStarting {
			r.log.Warn("Ignored the signal: the server is starting, and has just read its settings")
			break
		}
		r.manager.reload(func() { r.reload() })
	case syscall.SIGUSR2:
		if leaving {
			r.log.Info("Ignored the signal: the lame duck is under way already")
		} else if r.phase.CompareAndSwap(phaseServing, phaseLeaving) {
			r.leave()
		}
	case syscall.SIGTERM:
		// Service managers send it right behind the signal for the lame duck.
		if leaving {
			r.log.Info("Ignored the signal: the lame duck ends the server, or an interrupt at once")
		}
		return leaving
	default:
		return false
	}
	return true
}

// leave has the node leave like a lame duck, which ends it some time.
func (r *running) leave() {
	within := r.settings().Node.LameDuckDuration + shutdownTime
	r.manager.stopping("Sending clients to other servers", within)
	r.leaving.Go(func() { // ends with the node
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		switch err := r.node.LameDuck(ctx); {
		case errors.Is(err, context.DeadlineExceeded):
			r.log.Warn(tooSlow)
		case err != nil:
			r.log.Error("The lame duck failed", "err", err)
		}
	})
}
