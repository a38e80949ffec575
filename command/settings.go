package command

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/auth"
)

// settings are what the command line says about the server.
type settings struct {
	node node.Options
	auth login

	pidFile     string
	portsDir    string
	httpPort    int // 0 is off
	profilePort int // 0 is off

	logFile   string
	logFormat string
	logTime   bool
	debug     bool // -D
	trace     bool // -V or -VV
	both      bool // -DV or -DVV

	signal string

	gossipKeyFile string
	adminSocket   string
}

func newSettings() *settings {
	return &settings{node: node.Options{
		Port:           node.DefaultPort,
		MaxConnections: node.DefaultMaxConnections,
		MaxControlLine: node.DefaultMaxControlLine,
		MaxPayload:     node.DefaultMaxPayload,
		MaxPending:     node.DefaultMaxPending,
		PendingBudget:  node.DefaultPendingBudget,
		WriteDeadline:  node.DefaultWriteDeadline,
		PingInterval:   node.DefaultPingInterval,
		MaxPingsOut:    node.DefaultMaxPingsOut,
		AuthTimeout:    node.DefaultAuthTimeout,
		// That of the grace period depends on it.
		LameDuckDuration: node.DefaultLameDuck,
		Cluster:          node.ClusterOptions{ReadyTimeout: node.DefaultReadyTimeout},
	}}
}

// The categories of --help, in the order of flags.
const (
	categoryServer  = "Server"
	categoryCluster = "Cluster"
	categoryLimits  = "Limits"
	categoryAuth    = "Authentication"
	categoryLogging = "Logging"
	categoryHTTP    = "Monitoring"
)

// flags returns the flags of the server, which write to s.
func (s *settings) flags() []cli.Flag {
	number := func(n *int, min, max int) cli.Generic { return numberValue{number: n, min: min, max: max} }
	size := func(n *int) cli.Generic { return sizeValue{n, math.MaxInt32} }
	o := &s.node
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Category: categoryServer, Name: "addr", Aliases: []string{"a", "net"},
			Usage: "listen on this `HOST`", Value: node.DefaultHost, Destination: &o.Host},
		&cli.GenericFlag{Category: categoryServer, Name: "port", Aliases: []string{"p"},
			Usage: "listen on this `PORT`, -1 is any free one", Value: portValue{&o.Port}},
		&cli.StringFlag{Category: categoryServer, Name: "name", Aliases: []string{"n", "server_name"},
			Usage: "`NAME` of this server", DefaultText: "its ID", Destination: &o.ServerName},
		&cli.StringFlag{Category: categoryServer, Name: "client_advertise",
			Usage: "tell clients this `HOST:PORT` instead", Destination: &o.ClientAdvertise},
		&cli.StringFlag{Category: categoryServer, Name: "pid", Aliases: []string{"P"},
			Usage: "write the process number to `FILE`", Destination: &s.pidFile},
		&cli.StringFlag{Category: categoryServer, Name: "ports_file_dir",
			Usage: "write NAME_PID.ports to `DIR`, JSON with all URLs", Destination: &s.portsDir},
		&cli.StringFlag{Category: categoryServer, Name: "admin_socket",
			Usage:       "take orders, such as shoal drain, on the Unix socket `PATH`, which only this user may use; off is none",
			DefaultText: "PORT.sock in a directory of this user", Destination: &s.adminSocket},
		&cli.BoolFlag{Category: categoryServer, Name: "no_header_support",
			Usage: "switch message headers off", Destination: &o.NoHeaders},
		&cli.StringFlag{Category: categoryServer, Name: "signal", Aliases: []string{"sl"},
			Usage: "send a running server stop (kills it), quit, term, ldm (lame duck) or reopen (its log); " +
				"PID may be a pid file, `CMD[=PID]`",
			Destination: &s.signal},
	}, clusterFlags(o), gossipFlags(s), []cli.Flag{
		&cli.GenericFlag{Category: categoryLimits, Name: "max_connections",
			Usage: "clients at once, -1 refuses everybody, `N`",
			Value: numberValue{&o.MaxConnections, -1, math.MaxInt32, "0 is no limit that makes sense, use -1 to refuse everybody"}},
		&cli.GenericFlag{Category: categoryLimits, Name: "max_subscriptions",
			Usage: "subscriptions of a client, `N`", DefaultText: "no limit",
			Value: number(&o.MaxSubscriptions, 0, math.MaxInt32)},
		&cli.GenericFlag{Category: categoryLimits, Name: "max_subscription_tokens",
			Usage: "tokens of a subscription, `N`", DefaultText: "no limit",
			Value: number(&o.MaxSubscriptionTokens, 0, 255)},
		&cli.GenericFlag{Category: categoryLimits, Name: "max_control_line",
			Usage: "length of a protocol line, `SIZE`", Value: size(&o.MaxControlLine)},
		&cli.GenericFlag{Category: categoryLimits, Name: "max_payload",
			Usage: "`SIZE` of a message with its headers", Value: size(&o.MaxPayload)},
		&cli.GenericFlag{Category: categoryLimits, Name: "max_pending",
			Usage: "`SIZE` of what may wait for one client", Value: size(&o.MaxPending)},
		&cli.GenericFlag{Category: categoryLimits, Name: "pending_budget",
			Usage: "`SIZE` of what may wait for all clients", Value: sizeValue{&o.PendingBudget, math.MaxInt}},
		&cli.GenericFlag{Category: categoryLimits, Name: "write_deadline",
			Usage: "`TIME` that a blocked write may take", Value: durationValue{&o.WriteDeadline}},
		&cli.GenericFlag{Category: categoryLimits, Name: "ping_interval",
			Usage: "`TIME` between two pings of a silent client", Value: durationValue{&o.PingInterval}},
		&cli.GenericFlag{Category: categoryLimits, Name: "ping_max",
			Usage: "unanswered pings that end a connection, `N`", Value: number(&o.MaxPingsOut, 1, math.MaxInt32)},
		&cli.BoolFlag{Category: categoryLimits, Name: "no_fast_producer_stall",
			Usage:       "drop messages for a slow consumer instead of pausing who publishes",
			Destination: &o.NoFastProducerStall},

		&cli.StringFlag{Category: categoryAuth, Name: "user", EnvVars: []string{"SHOAL_USER"},
			Usage: "`NAME` that clients must give", Destination: &s.auth.User},
		&cli.StringFlag{Category: categoryAuth, Name: "pass", EnvVars: []string{"SHOAL_PASS"},
			Usage: "`PASSWORD` of --user, or its bcrypt hash", Destination: &s.auth.Password},
		&cli.StringFlag{Category: categoryAuth, Name: "auth", EnvVars: []string{"SHOAL_AUTH"},
			Usage: "`TOKEN` that clients must give, or its hash", Destination: &s.auth.Token},
		&cli.GenericFlag{Category: categoryAuth, Name: "auth_timeout",
			Usage: "`TIME` that a client has to log in", Value: durationValue{&o.AuthTimeout}},

		&cli.StringFlag{Category: categoryLogging, Name: "log", Aliases: []string{"l"},
			Usage: "append to this `FILE`", DefaultText: "standard error", Destination: &s.logFile},
		&cli.StringFlag{Category: categoryLogging, Name: "log_format",
			Usage: "text or json, `FORMAT`", Value: "text", Destination: &s.logFormat},
		&cli.BoolFlag{Category: categoryLogging, Name: "logtime", Aliases: []string{"T"},
			Usage: "begin lines with date and time", Value: true, Destination: &s.logTime},
		&cli.BoolFlag{Category: categoryLogging, Name: "debug", Aliases: []string{"D"},
			Usage: "log what helps to find a fault", Destination: &s.debug},
		&cli.BoolFlag{Category: categoryLogging, Name: "trace", Aliases: []string{"V", "VV"},
			Usage: "log the protocol, line by line", Destination: &s.trace},
		&cli.BoolFlag{Category: categoryLogging, Name: "DV", Aliases: []string{"DVV"},
			Usage: "both of these", Destination: &s.both},
		&cli.GenericFlag{Category: categoryLogging, Name: "max_traced_msg_len",
			Usage: "bytes of a message that -V shows, `N`", DefaultText: "all",
			Value: number(&o.MaxTracedPayload, 0, math.MaxInt32)},

		&cli.GenericFlag{Category: categoryHTTP, Name: "http_port", Aliases: []string{"m"},
			Usage: "serve /varz, /routez, /clusterz and /healthz on this `PORT`", DefaultText: "off", Value: portValue{&s.httpPort}},
		&cli.GenericFlag{Category: categoryHTTP, Name: "profile",
			Usage: "serve Go's profiles on 127.0.0.1:`PORT`", DefaultText: "off", Value: portValue{&s.profilePort}},
	})
}

// login is what the flags say about who may connect.
type login struct{ User, Password, Token string }

// authenticator returns what --user, --pass and --auth ask for, nil if that is nothing.
func (s *settings) authenticator() (node.Authenticator, error) {
	switch a := s.auth; {
	case a == login{}:
		return nil, nil
	case a.Token != "" && (a.User != "" || a.Password != ""):
		return nil, errors.New("--auth: a token replaces --user and --pass, use either")
	case a.Password != "" && a.User == "":
		return nil, errors.New("--pass: needs --user as well")
	case a.User != "" && a.Password == "":
		return nil, errors.New("--user: needs --pass as well")
	}
	name, what := "--pass", "password"
	if s.auth.Token != "" {
		name, what = "--auth", "token"
	}
	if err := auth.CheckSecret(cmp.Or(s.auth.Token, s.auth.Password)); err != nil {
		return nil, fmt.Errorf("%s: the %s %w, quote it so that the shell leaves its $ alone", name, what, err)
	}
	return auth.New(auth.Config{User: s.auth.User, Password: s.auth.Password, Token: s.auth.Token})
}
