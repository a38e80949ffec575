package node

import (
	"fmt"
	"log/slog"
	"time"
)

// Version is the version of shoal.
const Version = "0.1.0"

// ProtocolVersion is the version that INFO announces. Client libraries parse it as a semantic
// version and switch features on by it, so it names the nats-server release whose client protocol
// shoal speaks, not the version of shoal.
const ProtocolVersion = "2.15.2"

// LevelTrace is the log level of protocol lines, below [slog.LevelDebug].
const LevelTrace = slog.LevelDebug - 4

// LevelFatal is the log level of the one line that precedes an exit with an error.
const LevelFatal = slog.LevelError + 4

// Defaults of [Options]. They equal those of nats-server, so that a cluster can mix both.
const (
	DefaultHost           = "0.0.0.0"
	DefaultPort           = 4222
	DefaultMaxConnections = 64 << 10
	DefaultMaxControlLine = 4 << 10
	DefaultMaxPayload     = 1 << 20
	DefaultMaxPending     = 64 << 20
	DefaultPendingBudget  = 1 << 30
	DefaultWriteDeadline  = 10 * time.Second
	DefaultPingInterval   = 2 * time.Minute
	DefaultMaxPingsOut    = 2
	DefaultAuthTimeout    = 2 * time.Second
	DefaultLameDuck       = 2 * time.Minute
	DefaultLameDuckGrace  = 10 * time.Second
	// DefaultMaxClosedClients take a few megabytes.
	DefaultMaxClosedClients = 10000
)

// RandomPort as a port lets the kernel choose a free one.
const RandomPort = -1

// Options configure a [Node]. The zero value of every field means its default, so that
// Options{} describes a usable node on 0.0.0.0:4222.
type Options struct {
	// Leave has the process leave the cluster and end, at once if now, because another server was told to
	// have it. It reports whether it is about to. nil refuses.
	Leave func(now bool) bool
	// ServerName is the human name of the node; it defaults to the server ID.
	ServerName string
	// Host is the address that clients connect to; it defaults to 0.0.0.0.
	Host string
	// Port is the client port, 1 to 65535; it defaults to 4222. [RandomPort] picks a free one.
	Port int
	// ClientAdvertise is the host:port or host that clients are told instead of Host and Port.
	ClientAdvertise string

	// MaxConnections is the number of clients served at once; a negative value refuses everybody.
	MaxConnections int
	// MaxSubscriptions is the number of subscriptions of one connection; 0 is no limit.
	MaxSubscriptions int
	// MaxSubscriptionTokens is the number of tokens of a subscription's subject, up to 255; 0 is
	// no limit.
	MaxSubscriptionTokens int
	// MaxControlLine is the length in bytes of the arguments of one protocol line.
	MaxControlLine int
	// MaxPayload is the size in bytes of a message, headers included. It may not exceed
	// MaxPending.
	MaxPayload int
	// MaxPending is the number of bytes that may wait for one connection before it is closed as a
	// slow consumer.
	MaxPending int
	// PendingBudget is the number of bytes that may wait for all connections together. When it is
	// exceeded, connections that hold more than an equal share of it are closed as slow consumers.
	PendingBudget int
	// WriteDeadline is how long a blocked write may take before the connection is closed as a slow
	// consumer.
	WriteDeadline time.Duration
	// NoFastProducerStall keeps publishers at full speed when a consumer nears MaxPending: instead
	// of pausing the publisher, messages for that consumer are dropped.
	NoFastProducerStall bool

	// PingInterval is the time between two PINGs to a silent client.
	PingInterval time.Duration
	// MaxPingsOut is the number of unanswered PINGs after which a connection is stale.
	MaxPingsOut int

	// Authenticator decides who may connect; nil admits everybody.
	Authenticator Authenticator
	// AuthTimeout is the time a client has for a valid CONNECT when there is an Authenticator. It
	// defaults to 2 s, with TLS to a second more than the time for a handshake.
	AuthTimeout time.Duration

	// TLS encrypts the connections of clients; nil does not.
	TLS *TLSOptions

	// ProxyProtocol has the port for clients understand what a proxy sends ahead of a client, to tell its
	// address. Whoever reaches the port can say whatever he likes, or nothing.
	ProxyProtocol bool

	// WebSocket serves clients over WebSocket as well; nil does not.
	WebSocket *WebSocketOptions

	// Accounts are the accounts besides [GlobalAccount] and that of the system.
	Accounts []AccountOptions
	// SystemAccount is the name of the account for traffic about the servers themselves; it defaults
	// to [SystemAccount].
	SystemAccount string

	// MaxClosedClients is the number of clients that are remembered after they have gone, see
	// [Node.Connections]; a negative value remembers none.
	MaxClosedClients int

	// Tags are words about the node for whoever looks at it.
	Tags []string

	// Metadata are texts about the node, by names that the operator chooses.
	Metadata map[string]string

	// LameDuckDuration is the time over which [Node.LameDuck] closes the connections of clients,
	// LameDuckGrace the part of it that passes before the first is closed.
	LameDuckDuration, LameDuckGrace time.Duration

	// Cluster makes the node one of several.
	Cluster ClusterOptions

	// NoHeaders switches message headers off, as for very old clients.
	NoHeaders bool
	// MaxTracedPayload is the number of payload bytes that a traced message shows; 0 shows all.
	MaxTracedPayload int

	// Logger receives what the node has to say; nil discards it. Protocol lines are logged at
	// [LevelTrace] if the logger has that level enabled when the node starts.
	Logger *slog.Logger
}

// withDefaults returns o with every zero field set to its default.
func (o Options) withDefaults() Options {
	setDefault(&o.Host, DefaultHost)
	setDefault(&o.Port, DefaultPort)
	setDefault(&o.MaxConnections, DefaultMaxConnections)
	setDefault(&o.MaxControlLine, DefaultMaxControlLine)
	setDefault(&o.MaxPayload, DefaultMaxPayload)
	setDefault(&o.MaxPending, DefaultMaxPending)
	setDefault(&o.PendingBudget, DefaultPendingBudget)
	setDefault(&o.WriteDeadline, DefaultWriteDeadline)
	setDefault(&o.PingInterval, DefaultPingInterval)
	setDefault(&o.MaxPingsOut, DefaultMaxPingsOut)
	if o.TLS != nil {
		setDefault(&o.AuthTimeout, o.TLS.timeout()+time.Second)
	}
	setDefault(&o.AuthTimeout, DefaultAuthTimeout)
	setDefault(&o.SystemAccount, SystemAccount)
	setDefault(&o.MaxClosedClients, DefaultMaxClosedClients)
	setDefault(&o.LameDuckDuration, DefaultLameDuck)
	setDefault(&o.LameDuckGrace, min(DefaultLameDuckGrace, o.LameDuckDuration))
	o.WebSocket = o.WebSocket.withDefaults(&o)
	o.Cluster = o.Cluster.withDefaults(o.PingInterval)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// crowded is the number of waiting bytes above which publishers to a connection are slowed down.
func (o *Options) crowded() int { return o.MaxPending / 4 * 3 }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports the first option that no node could run with. The error names the option as
// the command line does.
func (o Options) Validate() error {
	o = o.withDefaults()
	if err := validPort("port", o.Port); err != nil {
		return err
	}
	if o.ClientAdvertise != "" {
		if _, _, err := splitAdvertised(o.ClientAdvertise); err != nil {
			return fmt.Errorf("client_advertise: %w", err)
		}
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"max_subscriptions", o.MaxSubscriptions},
		{"max_subscription_tokens", o.MaxSubscriptionTokens},
		{"max_control_line", o.MaxControlLine},
		{"max_payload", o.MaxPayload},
		{"max_pending", o.MaxPending},
		{"pending_budget", o.PendingBudget},
		{"write_deadline", int(o.WriteDeadline)},
		{"ping_interval", int(o.PingInterval)},
		{"ping_max", o.MaxPingsOut},
		{"auth_timeout", int(o.AuthTimeout)},
		{"lame_duck_duration", int(o.LameDuckDuration)},
		{"lame_duck_grace_period", int(o.LameDuckGrace)},
		{"max_traced_msg_len", o.MaxTracedPayload},
	} {
		if limit.value < 0 {
			return fmt.Errorf("%s: %d is negative", limit.name, limit.value)
		}
	}
	if o.MaxSubscriptionTokens > 255 {
		return fmt.Errorf("max_subscription_tokens: %d is more than 255", o.MaxSubscriptionTokens)
	}
	if o.MaxPayload > o.MaxPending {
		return fmt.Errorf("max_payload: %d exceeds max_pending (%d)", o.MaxPayload, o.MaxPending)
	}
	if o.TLS != nil {
		if err := o.TLS.validate(); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	if err := o.WebSocket.validate(); err != nil {
		return fmt.Errorf("websocket %w", err)
	}
	if o.LameDuckGrace > o.LameDuckDuration {
		return fmt.Errorf("lame_duck_grace_period: %v exceeds lame_duck_duration (%v)", o.LameDuckGrace, o.LameDuckDuration)
	}
	return o.Cluster.validate()
}

func validPort(name string, port int) error {
	if port != RandomPort && (port < 1 || port > 65535) {
		return fmt.Errorf("%s: %d is not a port, use 1 to 65535, or -1 for a random one", name, port)
	}
	return nil
}
