package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"shoal/node"
)

// shutdownTime is how long clients may take to read what waits for them when the server ends. It is
// short: who stops a server, or the service manager that does, counts on it.
const shutdownTime = 3 * time.Second

// serve runs the server until a signal ends it.
func serve(ctx context.Context, s *settings, stderr io.Writer) (err error) {
	log, err := openLog(s, stderr)
	if err != nil {
		return err
	}
	defer log.close()
	if log.file != nil {
		// Standard error gets the reason from run; a log file would never know.
		defer func() {
			if err != nil {
				log.Log(ctx, node.LevelFatal, err.Error())
			}
		}()
	}
	// From here on no signal may catch the server with half of its files written.
	signals := make(chan os.Signal, 8)
	// QUIT is not among them: it keeps showing all goroutines, as in every Go program.
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	// A Go program dies by default when it logs to a pipe that nobody reads any more.
	signal.Ignore(syscall.SIGPIPE)

	s.node.Logger = log.Logger
	if s.node.Authenticator, err = s.authenticator(); err != nil {
		return err
	}
	if s.node.Cluster.GossipKeys, err = s.gossipKeys(log.Logger); err != nil {
		return err
	}
	if s.gossipKeyFile != "" {
		s.node.Cluster.KeepGossipKeys = func(keys [][]byte) error { return writeKeys(s.gossipKeyFile, keys) }
	}
	r := &running{signals: signals, log: log, ordered: make(chan bool, 1), manager: newNotifier(log.Logger)}
	s.node.Leave = r.order
	n, err := node.New(s.node)
	if err != nil {
		return optionError(err)
	}

	if err := openStateDir(s.node.Cluster.StateDir); err != nil {
		return err
	}
	x, err := openExtras(s, log.Logger)
	if err != nil {
		return err
	}
	defer x.close()

	r.monitored = &monitored{node: n, settings: s}
	orders := &admin{monitored: r.monitored, log: log.Logger, leave: r.order}
	x.serve(r.monitored, log.Logger)
	living, stop := context.WithCancel(ctx)
	defer stop()
	r.manager.starting(s.node.Cluster.ReadyTimeout)
	stopped, err := r.start(living, stop)
	if err != nil {
		return startError(err, &s.node)
	}
	if err := n.Err(); err != nil {
		return optionError(err)
	}
	if !stopped {
		r.phase.Store(phaseServing)
		if err = x.announce(r.monitored, orders.handler(), log.Logger); err == nil {
			r.manager.ready()
			defer r.manager.watch(n.Alive)()
			r.waitForEnd()
		}
	}

	log.Info("Initiating Shutdown...")
	r.phase.Store(phaseStopping)
	r.manager.stopping("Shutting down", shutdownTime)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if n.Shutdown(ctx) != nil {
		log.Warn("Some clients were too slow to take what was waiting for them")
	}
	log.Info("Server Exiting..")
	if err == nil && n.Err() != nil {
		err = optionError(n.Err()) // the node has stopped by itself
	}
	return err
}

// optionError writes the name of an option in front of err as a flag.
func optionError(err error) error {
	name, text, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(name, " ") {
		return err
	}
	return fmt.Errorf("%s: %s", dashed(name), text)
}
