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

	"shoal/node/auth"
	"shoal/subjects"
)

// Authenticator decides who may connect. It is called for every CONNECT, by many goroutines at
// once. The error is logged; the client learns only that it was refused.
type Authenticator interface {
	// Authenticate returns the name of the user that the credentials belong to.
	Authenticate(auth.Credentials) (user string, err error)
}

// Node is one running broker. Make it with [New].
type Node struct {
	opts  Options
	log   *slog.Logger
	trace bool
	id    string
	name  string
	start time.Time

	listener   net.Listener
	advertised atomic.Pointer[address] // what INFO tells

	index   *subjects.Index[*subscription]
	clients clients
	alarms  *alarms

	buffers    bufferPool
	works      sync.Pool // of *work
	budget     pendingBudget
	cacheBytes atomic.Int64
	seed       maphash.Seed
	firstPing  time.Duration
	wideFanOut int
	lastID     atomic.Uint64

	warnings         rateLimit
	slowConsumers    atomic.Uint64
	staleConnections atomic.Uint64
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
		opts:       opts,
		log:        opts.Logger,
		trace:      opts.Logger.Enabled(context.Background(), LevelTrace),
		id:         id,
		name:       opts.ServerName,
		index:      subjects.NewIndex[*subscription](),
		alarms:     newAlarms(),
		seed:       maphash.MakeSeed(),
		firstPing:  firstPing,
		wideFanOut: wideFanOut,
		done:       make(chan struct{}),
	}
	if n.name == "" {
		n.name = id
	}
	n.budget.limit = int64(opts.PendingBudget)
	n.clients.init(opts.MaxConnections)
	return n, nil
}

// Start binds the client port and serves it until ctx ends or [Node.Shutdown] is called. It returns
// as soon as clients can connect. A node can be started once.
func (n *Node) Start(ctx context.Context) error {
	if !n.state.begin() {
		return errors.New("the node was started before")
	}
	addr := net.JoinHostPort(n.opts.Host, strconv.Itoa(max(n.opts.Port, 0)))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		close(n.done)
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	n.start = time.Now()
	n.listener = listener
	n.setAdvertised(n.opts.ClientAdvertise)

	n.log.Info("Starting shoal")
	n.log.Info("  Version:  " + Version)
	n.log.Info("  Protocol: " + ProtocolVersion)
	n.log.Info("  Name:     " + n.name)
	n.log.Info("  ID:       " + n.id)
	n.log.Info("Listening for client connections on " + n.listening())

	running, stop := context.WithCancel(ctx)
	n.state.set(stop)
	n.wg.Go(func() { n.alarms.run(running) })
	n.wg.Go(func() { n.acceptAll(running) })
	n.wg.Go(func() {
		<-running.Done()
		listener.Close()
		n.clients.close(&ending{reason: reasonServerShutdown})
	})
	go func() { // ends when everything else has; done is how others wait for it
		n.wg.Wait()
		close(n.done)
	}()
	n.log.Info("Server is ready")
	return nil
}

// Shutdown stops the node: it accepts nobody any more, sends what is waiting, and closes all
// connections. When ctx ends first, it drops what is still waiting and returns the error of ctx.
// A node that was never started is stopped already.
func (n *Node) Shutdown(ctx context.Context) error {
	stop := n.state.end()
	if stop == nil {
		return nil
	}
	stop()
	select {
	case <-n.done:
		return nil
	case <-ctx.Done():
		n.clients.cut(&ending{reason: reasonServerShutdown})
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
	if n.listener == nil {
		return nil
	}
	return n.listener.Addr()
}

// listening returns the configured host with the actual port.
func (n *Node) listening() string {
	port := n.listener.Addr().(*net.TCPAddr).Port
	return net.JoinHostPort(n.opts.Host, strconv.Itoa(port))
}

// ClientURL returns a URL under which a client on the same machine reaches the node, such as
// nats://127.0.0.1:4222. It is empty before Start.
func (n *Node) ClientURL() string {
	addr, ok := n.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "nats://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
