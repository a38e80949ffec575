package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shoal/node"
	"shoal/node/certs"
	"shoal/node/config"
	"shoal/node/monitor"
	"shoal/node/system"
)

// shutdownTime is how long clients may take to read what waits for them when the server ends. It is
// short: who stops a server, or the service manager that does, counts on it.
const shutdownTime = 3 * time.Second

// tooSlow is what the log says if that is not enough.
const tooSlow = "Some clients or peers were too slow to take what was waiting for them"

// start runs the server that args ask for until a signal ends it, or does what else they want.
func start(ctx context.Context, s *settings, args []string, std streams) error {
	path, ignore, test := s.configFile, s.ignoreUnsupported, s.test
	read := func() (*settings, []config.Warning, error) { return readSettings(path, ignore, args) }
	s, warnings, err := read()
	if err != nil {
		return err
	}
	if !test {
		return serve(ctx, s, warnings, read, std.err)
	}
	if path == "" {
		return errors.New("-t: needs --config, whose file it tests")
	}
	for _, w := range warnings {
		fmt.Fprintf(std.err, "shoal: %s\n", w)
	}
	if err := s.prepare(slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if _, err := node.New(s.Node); err != nil {
		return s.place(err)
	}
	for _, w := range s.outdated(time.Now()) {
		fmt.Fprintf(std.err, "shoal: %s\n", w)
	}
	_, err = fmt.Fprintf(std.out, "shoal: configuration file %s is valid (%s)\n", path, s.Digest)
	return err
}

// prepare makes what the node needs out of the settings and the files that they name.
func (s *settings) prepare(log *slog.Logger) (err error) {
	if err := s.checkLog(); err != nil {
		return err
	}
	if s.Node.Authenticator, err = s.authenticator(); err != nil {
		return err
	}
	if s.Node.Authenticator, err = s.systemUser.beside(s.Node.Authenticator, s.Node.SystemAccount, log); err != nil {
		return err
	}
	if s.Node.Cluster.GossipKeys, err = s.gossipKeys(log); err != nil {
		return s.place(err)
	}
	if s.Node.TLS, err = tlsOptions(s.TLS, certs.Load); err != nil {
		return s.tlsError(err)
	}
	if s.Node.Cluster.TLS, err = tlsOptions(s.ClusterTLS, certs.LoadMutual); err != nil {
		return s.place(fmt.Errorf("cluster.tls: %w", err))
	}
	if err := s.prepareWebSocket(); err != nil {
		return err
	}
	if s.Node.AuthTimeout == 0 {
		s.Node.AuthTimeout = node.DefaultAuthTimeout
		if s.Node.TLS != nil {
			s.Node.AuthTimeout = cmp.Or(s.Node.TLS.Timeout, node.DefaultTLSTimeout) + time.Second
		}
	}
	return nil
}

// tlsOptions returns what the files of TLS are to the node, nil if there are none.
func tlsOptions(files *certs.Files, load func(certs.Files) (*certs.Source, error)) (*node.TLSOptions, error) {
	if files == nil {
		return nil, nil
	}
	source, err := load(*files)
	if err != nil {
		return nil, err
	}
	return node.NewTLSOptions(source), nil
}

// serve runs the server until a signal ends it. A reload reads the settings again.
func serve(ctx context.Context, s *settings, warnings []config.Warning, read readFunc, stderr io.Writer) (err error) {
	log, err := openLog(s, stderr)
	if err != nil {
		return err
	}
	defer log.close()
	if !log.onStandardError() {
		// Standard error gets the reason from run; the log would never know.
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

	for _, w := range warnings {
		log.Warn(w.String())
	}
	s.Node.Logger = log.Logger
	if err := s.prepare(log.Logger); err != nil {
		return err
	}
	for _, w := range s.outdated(time.Now()) {
		log.Warn(w)
	}
	r := &running{
		monitored: &monitored{},
		signals:   signals,
		ordered:   make(chan bool, 1),
		reloads:   make(chan chan<- reloaded),
		read:      read,
		log:       log,
		manager:   newNotifier(log.Logger),
	}
	r.become(s)
	s.Node.Leave, s.Node.Cluster.KeepGossipKeys = r.order, r.keepKeys
	n, err := node.New(s.Node)
	if err != nil {
		return s.place(err)
	}
	r.node = n
	r.documents = monitor.New(r.monitored)
	system.New(n, r.documents, func(ctx context.Context) error {
		_, err := r.askReload(ctx)
		return err
	}, log.Logger)

	if err := openStateDir(s.Node.Cluster.StateDir); err != nil {
		return err
	}
	x, err := openExtras(s, n, log.Logger)
	if err != nil {
		return err
	}
	r.extras = x
	defer func() { r.extras.close() }()

	orders := &admin{monitored: r.monitored, log: log.Logger, leave: r.order, reload: r.askReload}
	x.serve(&extras{}, r.monitored, log.Logger)
	living, stop := context.WithCancel(ctx)
	defer stop()
	r.manager.starting(s.Node.Cluster.ReadyTimeout)
	stopped, err := r.start(living, stop)
	if err != nil {
		return s.place(startError(err, &s.Node))
	}
	if err := n.Err(); err != nil {
		return s.place(err)
	}
	if !stopped {
		r.phase.Store(phaseServing)
		if err = r.announce(orders.handler()); err == nil {
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
		log.Warn(tooSlow)
	}
	r.leaving.Wait() // it may have something to say of how it ended
	log.Info("Server Exiting..")
	if err == nil && n.Err() != nil {
		err = r.settings().place(n.Err()) // the node has stopped by itself
	}
	return err
}
