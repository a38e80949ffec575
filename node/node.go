package node

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"

	"shoal/membership"
	"shoal/node/auth"
)

// Authenticator decides who may connect. It is called for every CONNECT, by many goroutines at
// once. The error is logged; the client learns only that it was refused.
type Authenticator interface {
	// Authenticate returns who the credentials belong to.
	Authenticate(auth.Credentials) (*auth.Identity, error)
	// Expensive reports whether that will take as long as to hash a password, which is rationed.
	Expensive(auth.Credentials) bool
	// Anonymous returns who a client is that has come in that way and presents nothing, or nil if it has to.
	// The types are those of [auth.Credentials].
	Anonymous(connectionType string) *auth.Identity
	// Challenges reports whether clients need a nonce to sign.
	Challenges() bool
	// Renew returns who a client is now whom an earlier Authenticator has let in as id, or nil if it
	// would not be let in any more. id is nil for a client that has come when there was no
	// Authenticator.
	Renew(id *auth.Identity) *auth.Identity
}

// Node is one running broker. Make it with [New].
type Node struct {
	opts atomic.Pointer[Options] // replaced by Reload
	// reloading is held while Reload replaces opts and what depends on them.
	reloading sync.Mutex

	log   *slog.Logger
	trace atomic.Bool
	id    string
	name  string
	start time.Time

	port       *reservation            // for clients
	webPort    *webPort                // nil if there are no WebSocket clients
	advertised atomic.Pointer[address] // what INFO tells

	accounts accounts
	system   *SystemClient // nil if nothing is attached
	clients  clients
	alarms   *alarms

	clientDoor, routeDoor door

	cluster       clusterName
	routeListener net.Listener // nil if the node is to stay alone
	routeHost     string       // what peers are told
	routePort     int
	routes        routes
	routeRules    atomic.Pointer[auth.Rules] // of what peers tell each other, nil if that is everything
	targets       targets
	dialWake      chan struct{}
	interest      interest
	urls          urls
	readiness     readiness
	history       history
	members       members
	asks          asks
	secrets       secrets
	failures      *auth.Failures // of logins of clients
	peerFailures  *auth.Failures // and of peers: who guesses at one port is to disturb nobody at the other
	drain         drain
	failure       atomic.Pointer[error] // why the node has stopped by itself

	buffers    bufferPool
	works      sync.Pool // of *work
	budget     pendingBudget
	cacheBytes atomic.Int64
	cached     atomic.Int64 // subjects in all caches
	seed       maphash.Seed
	wideFanOut int
	lastID     atomic.Uint64

	firstPing, firstRoutePing time.Duration

	warnings         rateLimit
	handshakes       rateLimit
	slowConsumers    mishaps
	staleConnections mishaps

	hearUntil        atomic.Int64 // when clients are heard no more that go on to send, in Unix nanoseconds; 0 is no limit
	closed           closedClients
	totalConnections atomic.Uint64

	state state
	wg    sync.WaitGroup // of all goroutines
	done  chan struct{}
}

// New makes a node. It does nothing until it is started.
func New(opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	key, err := nkeys.CreateServer()
	if err != nil {
		return nil, fmt.Errorf("create server ID: %w", err)
	}
	id, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("create server ID: %w", err)
	}
	n := &Node{
		start:      time.Now(),
		log:        opts.Logger,
		id:         id,
		name:       opts.ServerName,
		alarms:     newAlarms(),
		seed:       maphash.MakeSeed(),
		wideFanOut: wideFanOut,
		failures:   auth.NewFailures(),

		firstPing:      firstPing,
		firstRoutePing: firstRoutePing,

		peerFailures: auth.NewFailures(),
		dialWake:     make(chan struct{}, 1),
		done:         make(chan struct{}),
	}
	n.opts.Store(&opts)
	n.trace.Store(opts.Logger.Enabled(context.Background(), LevelTrace))
	if n.name == "" {
		n.name = id
	}
	if err := n.accounts.init(n, &opts); err != nil {
		return nil, err
	}
	n.budget.limit.Store(int64(opts.PendingBudget))
	n.clients.init(opts.MaxConnections)
	n.routes.init()
	n.cluster.init(opts.Cluster.Name)
	n.targets.init(opts.Cluster.ConnectRetries, n.wakeDialer)
	n.interest.enabled = opts.Cluster.Port != 0
	n.interest.rules = opts.Cluster.Permissions.rules()
	n.routeRules.Store(n.interest.rules)
	n.urls.init(n)
	n.readiness.init(n)
	n.members.node = n
	n.asks.init(n)
	return n, nil
}

// options returns what the node is configured with at this moment. They are not changed, but replaced.
func (n *Node) options() *Options { return n.opts.Load() }

// Start binds the client port and serves it until ctx ends or [Node.Shutdown] is called. It returns
// as soon as clients can connect. A node can be started once.
func (n *Node) Start(ctx context.Context) error {
	if !n.state.begin() {
		return errors.New("the node was started before")
	}
	if err := n.listen(ctx); err != nil {
		close(n.done)
		return err
	}
	n.setAdvertised(n.options().ClientAdvertise)

	n.log.Info("Starting shoal")
	n.log.Info("  Version:  " + Version)
	n.log.Info("  Protocol: " + ProtocolVersion)
	n.log.Info("  Name:     " + n.name)
	n.log.Info("  ID:       " + n.id)
	n.system.start(ctx)
	running, stop := context.WithCancel(ctx)
	n.state.set(stop)
	alarms, stopAlarms := context.WithCancel(context.WithoutCancel(ctx))
	n.wg.Go(func() { n.alarms.run(alarms) })
	n.wg.Go(func() { n.history.run(running, n) })
	n.wg.Go(func() {
		defer stopAlarms()
		<-running.Done()
		n.windUp()
	})
	var failed error
	if n.routeListener != nil {
		failed = n.startCluster(running)
	}
	if failed == nil {
		listener, err := n.port.listen()
		if err == nil {
			n.wg.Go(func() { n.accept(running, listener, &n.clientDoor, "client", n.serve) })
		} else if running.Err() == nil {
			failed = fmt.Errorf("listen on %s: %w", n.port.addr, err)
		}
	}
	if failed == nil && n.webPort != nil {
		failed = n.webPort.listen(running)
	}
	if failed != nil {
		stop()
	}
	go func() { // ends when everything else has; done is how others wait for it
		n.wg.Wait()
		close(n.done)
	}()
	if failed != nil {
		<-n.done
		return failed
	}
	n.drain.allow(true)
	n.log.Info("Listening for client connections on " + n.listening())
	if n.options().ProxyProtocol {
		n.log.Info("PROXY protocol enabled for client connections")
	}
	switch t := n.options().TLS; {
	case t == nil:
	case t.HandshakeFirst && t.HandshakeDelay == 0:
		n.log.Info("TLS required for client connections")
		n.log.Warn("Clients that do not begin with the TLS handshake cannot connect")
	case t.AllowPlain:
		n.log.Info("TLS available for client connections")
	default:
		n.log.Info("TLS required for client connections")
	}
	if n.webPort != nil {
		n.log.Info("Listening for WebSocket clients on " + n.webPort.listening())
	}
	n.log.Info("Server is ready")
	return nil
}

// listen takes the ports, and opens that for routes.
func (n *Node) listen(ctx context.Context) error {
	number := func(port int) string { return strconv.Itoa(max(port, 0)) }
	port, err := reserve(ctx, n.options().Host, number(n.options().Port))
	if err != nil {
		return fmt.Errorf("listen on %s: %w", net.JoinHostPort(n.options().Host, number(n.options().Port)), err)
	}
	webPort, err := n.reserveWebPort(ctx)
	if err != nil {
		port.close()
		return &WebSocketListenError{err}
	}
	if cluster := &n.options().Cluster; cluster.Port != 0 {
		addr := net.JoinHostPort(cluster.Host, number(cluster.Port))
		n.routeListener, err = new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			port.close()
			webPort.close()
			return &ClusterListenError{fmt.Errorf("listen on %s: %w", addr, err)}
		}
	}
	n.port, n.webPort = port, webPort
	return nil
}

// startCluster begins to serve and to dial peers, and waits for their interest, so that the first
// message of the first client reaches everybody.
func (n *Node) startCluster(running context.Context) error {
	opts := &n.options().Cluster
	n.routeHost, n.routePort = opts.Host, n.routeListener.Addr().(*net.TCPAddr).Port
	if opts.Advertise != "" {
		host, port, _ := splitAdvertised(opts.Advertise) // was validated
		n.routeHost = host
		if port != 0 {
			n.routePort = port
		}
	}
	n.asks.start(running)
	name, fixed := n.cluster.get()
	if !fixed {
		n.log.Info("Cluster name was not configured, calling it " + name)
	}
	n.log.Info("Cluster name is " + name)
	n.log.Info("Listening for route connections on " + n.ClusterAddr().String())
	if opts.TLS != nil && opts.TLS.Config().InsecureSkipVerify {
		n.log.Warn("The certificates of servers that this one connects to are not verified, as insecure wants it")
	}
	for _, u := range opts.Routes {
		n.targets.configure(u)
	}
	if !opts.NoGossip {
		switch err := n.members.start(running); {
		case err == nil:
			n.wg.Go(func() { n.members.run(running) })
		case len(opts.Join) > 0:
			return fmt.Errorf("gossip: %w", err)
		default:
			n.log.Warn("This node does not gossip", "error", err)
		}
	}
	n.wg.Go(func() { n.urls.run(running) })
	n.wg.Go(func() { n.acceptRoutes(running) })
	n.wg.Go(func() { n.dialAll(running) })
	n.readiness.wait(running, opts.ReadyTimeout)
	n.members.setState(membership.Active)
	return nil
}

// clusterPort returns the number of the port for routes and gossip.
func (n *Node) clusterPort() int { return n.routeListener.Addr().(*net.TCPAddr).Port }

// windUp ends everything in good order. Peers and clients are told before anything is closed, and
// routes are closed when the last client has gone, so that what clients sent until then arrives.
func (n *Node) windUp() {
	n.drain.allow(false)
	n.port.close()
	n.webPort.close()
	why := &ending{reason: reasonServerShutdown}
	if n.routeListener != nil {
		n.routeListener.Close()
		n.withdraw(true)
		n.urls.retire()
	}
	if n.system != nil {
		n.system.service.Leaves()
	}
	var left sync.WaitGroup
	left.Go(n.members.leave)
	n.clients.close(why)
	<-n.clients.empty
	n.system.stop()
	n.routes.close(why)
	left.Wait()
	n.members.close()
}

// fail stops the node for a reason that [Node.Err] tells.
func (n *Node) fail(err error) {
	if !n.failure.CompareAndSwap(nil, &err) {
		return
	}
	n.log.Error("Stopping: " + err.Error())
	if stop := n.state.end(); stop != nil {
		stop()
	}
}

// Err returns why the node has stopped by itself, or nil.
func (n *Node) Err() error {
	if err := n.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// withdraw tells the peers that no client should come here any more, nor any request for a queue
// group; and if leaving, not to look for this node again.
func (n *Node) withdraw(leaving bool) {
	n.interest.withdrawQueues(&n.buffers, n.hasMembersElsewhere)
	info := n.routeInfo(nil)
	info.LameDuck = true
	info.Shoal.Leaving = leaving
	n.routes.broadcast(info.Append(nil))
}

// ClusterListenError says that the port for routes could not be opened, rather than that for clients.
type ClusterListenError struct{ Err error }

// Error implements error.
func (e *ClusterListenError) Error() string { return "cluster: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *ClusterListenError) Unwrap() error { return e.Err }

// Shutdown stops the node: it accepts nobody any more, sends what is waiting, and closes all
// connections. When ctx ends first, it drops what is still waiting and returns the error of ctx.
// A node that was never started is stopped already.
func (n *Node) Shutdown(ctx context.Context) error {
	stop := n.state.end()
	if stop == nil {
		return nil
	}
	if end, ok := ctx.Deadline(); ok {
		// The rest is for the peers to get what clients have said.
		n.hearUntil.Store(time.Now().Add(time.Until(end) * 2 / 3).UnixNano())
	}
	stop()
	select {
	case <-n.done:
		return nil
	case <-ctx.Done():
		n.clients.cut(&ending{reason: reasonServerShutdown})
		n.routes.cut(&ending{reason: reasonServerShutdown})
		<-n.done
		return ctx.Err()
	}
}

// Done is closed when the node has stopped, after which none of its goroutines is left.
func (n *Node) Done() <-chan struct{} { return n.done }

// ID returns the server ID, which is new for every Node.
func (n *Node) ID() string { return n.id }

// Name returns the server name.
func (n *Node) Name() string { return n.name }

// Addr returns the address of the client listener, or nil before Start.
func (n *Node) Addr() net.Addr {
	if n.port == nil {
		return nil
	}
	return n.port.addr
}

// ClusterAddr returns the address of the listener for routes, or nil if there is none.
func (n *Node) ClusterAddr() net.Addr {
	if n.routeListener == nil {
		return nil
	}
	return n.routeListener.Addr()
}

// listening returns the configured host with the actual port.
func (n *Node) listening() string {
	return net.JoinHostPort(n.options().Host, strconv.Itoa(n.port.addr.Port))
}

// ClientURL returns a URL under which a client on the same machine reaches the node, such as
// nats://127.0.0.1:4222. It is empty before Start.
func (n *Node) ClientURL() string {
	if n.port == nil {
		return ""
	}
	scheme := "nats://"
	if n.options().TLS != nil {
		scheme = "tls://"
	}
	return scheme + nearby(n.port.addr)
}

// nearby returns the host:port under which programs on the same machine reach a listener.
func nearby(addr *net.TCPAddr) string {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
