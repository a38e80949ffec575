package command

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/auth"
	"shoal/node/config"
)

// settings are what a file and the command line say about the server.
type settings struct {
	*config.Settings
	login login
	both  bool // -DV or -DVV
	tls   tlsFlags
	web   node.WebSocketOptions // what a file and the flags say
	// systemUser is admitted besides everybody else.
	systemUser systemUser

	configFile        string
	ignoreUnsupported bool
	test              bool
	signal            string
}

func newSettings() *settings { return &settings{Settings: config.Default()} }

// readSettings returns what the file at path, if it is not empty, and the flags in args say. Flags count more,
// and have been read without error before.
func readSettings(path string, ignoreUnsupported bool, args []string) (*settings, []config.Warning, error) {
	s := newSettings()
	var warnings []config.Warning
	if path != "" {
		var err error
		if s.Settings, warnings, err = config.Load(path, ignoreUnsupported); err != nil {
			return nil, warnings, err
		}
	}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	for _, f := range s.flags() {
		if err := f.Apply(set); err != nil {
			return nil, nil, err
		}
	}
	if err := set.Parse(args); err != nil {
		return nil, nil, err
	}
	set.Visit(func(f *flag.Flag) { s.Forget(f.Name) })
	s.settle()
	return s, warnings, nil
}

// settle has the fields of Settings be what flags of another form ask for.
func (s *settings) settle() {
	if s.both {
		s.Log.Debug, s.Log.Trace = true, true
	}
	if s.login != (login{}) {
		s.Auth.User, s.Auth.Password, s.Auth.Token = s.login.User, s.login.Password, s.login.Token
	}
	s.settleTLS()
	s.settleWebSocket()
}

// monitorHost is where the server listens for monitoring.
func (s *settings) monitorHost() string { return cmp.Or(s.Monitor.Host, s.Node.Host) }

// The categories of --help, in the order of flags.
const (
	categoryServer  = "Server"
	categoryCluster = "Cluster"
	categoryLimits  = "Limits"
	categoryAuth    = "Authentication"
	categoryTLS     = "TLS"
	categoryWeb     = "WebSocket"
	categoryLogging = "Logging"
	categoryHTTP    = "Monitoring"
)

// flags returns the flags of the server, which write to s.
func (s *settings) flags() []cli.Flag {
	number := func(n *int, min, max int) cli.Generic { return numberValue{number: n, min: min, max: max} }
	size := func(n *int) cli.Generic { return sizeValue{n, math.MaxInt32} }
	// The environment may be meant for the client commands, so a file that has users counts more.
	environment := func(name string) []string {
		if s.HasAuth() {
			return nil
		}
		return []string{name}
	}
	o := &s.Node
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Category: categoryServer, Name: "config", Aliases: []string{"c"},
			Usage: "read settings from this `FILE`, which has the format of nats-server; flags count more", Value: s.configFile, Destination: &s.configFile},
		&cli.BoolFlag{Category: categoryServer, Name: "t",
			Usage: "only say whether the settings are valid", Destination: &s.test},
		&cli.BoolFlag{Category: categoryServer, Name: "ignore_unsupported",
			Usage: "warn about what the file has and shoal has not, rather than not to start", Destination: &s.ignoreUnsupported},
		&cli.StringFlag{Category: categoryServer, Name: "addr", Aliases: []string{"a", "net"},
			Usage: "listen on this `HOST`", Value: o.Host, Destination: &o.Host},
		&cli.GenericFlag{Category: categoryServer, Name: "port", Aliases: []string{"p"},
			Usage: "listen on this `PORT`, -1 is any free one", Value: portValue{&o.Port}},
		&cli.StringFlag{Category: categoryServer, Name: "name", Aliases: []string{"n", "server_name"},
			Usage: "`NAME` of this server", DefaultText: "its ID", Value: o.ServerName, Destination: &o.ServerName},
		&cli.StringFlag{Category: categoryServer, Name: "client_advertise",
			Usage: "tell clients this `HOST:PORT` instead", Value: o.ClientAdvertise, Destination: &o.ClientAdvertise},
		&cli.StringFlag{Category: categoryServer, Name: "pid", Aliases: []string{"P"},
			Usage: "write the process number to `FILE`", Value: s.PIDFile, Destination: &s.PIDFile},
		&cli.StringFlag{Category: categoryServer, Name: "ports_file_dir",
			Usage: "write NAME_PID.ports to `DIR`, JSON with all URLs", Value: s.PortsDir, Destination: &s.PortsDir},
		&cli.StringFlag{Category: categoryServer, Name: "admin_socket",
			Usage:       "take orders, such as shoal drain, on the Unix socket `PATH`, which only this user may use; off is none",
			DefaultText: "PORT.sock in a directory of this user", Value: s.AdminSocket, Destination: &s.AdminSocket},
		&cli.BoolFlag{Category: categoryServer, Name: "no_header_support",
			Usage: "switch message headers off", Value: o.NoHeaders, Destination: &o.NoHeaders},
		&cli.StringFlag{Category: categoryServer, Name: "signal", Aliases: []string{"sl"},
			Usage: "send a running server stop (kills it), quit, term, ldm (lame duck), reload (its configuration) or reopen (its log); " +
				"PID may be a pid file, `CMD[=PID]`",
			Destination: &s.signal},
	}, clusterFlags(o), gossipFlags(s), s.systemUser.flags(), []cli.Flag{
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
			Usage: "drop messages for a slow consumer instead of pausing who publishes",
			Value: o.NoFastProducerStall, Destination: &o.NoFastProducerStall},

		&cli.StringFlag{Category: categoryAuth, Name: "user", EnvVars: environment("SHOAL_USER"),
			Usage: "`NAME` that clients must give", Destination: &s.login.User},
		&cli.StringFlag{Category: categoryAuth, Name: "pass", EnvVars: environment("SHOAL_PASS"),
			Usage: "`PASSWORD` of --user, or its bcrypt hash", Destination: &s.login.Password},
		&cli.StringFlag{Category: categoryAuth, Name: "auth", EnvVars: environment("SHOAL_AUTH"),
			Usage: "`TOKEN` that clients must give, or its hash", Destination: &s.login.Token},
		&cli.GenericFlag{Category: categoryAuth, Name: "auth_timeout",
			Usage: "`TIME` that a client has to log in", DefaultText: node.DefaultAuthTimeout.String(), Value: durationValue{&o.AuthTimeout}},
	}, s.tlsFlags(), s.webSocketFlags(), []cli.Flag{
		&cli.StringFlag{Category: categoryLogging, Name: "log", Aliases: []string{"l"},
			Usage: "append to this `FILE`", DefaultText: "standard error", Value: s.Log.File, Destination: &s.Log.File},
		&cli.GenericFlag{Category: categoryLogging, Name: "log_size_limit",
			Usage: "move the file away, and begin a new one, at this `SIZE`", DefaultText: "never", Value: sizeValue{&s.Log.SizeLimit, math.MaxInt}},
		&cli.BoolFlag{Category: categoryLogging, Name: "syslog", Aliases: []string{"s"},
			Usage: "log to the syslog of this machine", Value: s.Log.Syslog, Destination: &s.Log.Syslog},
		&cli.GenericFlag{Category: categoryLogging, Name: "remote_syslog", Aliases: []string{"r"},
			Usage: "log to the syslog at this `URL`, udp://host:514, tcp://host:514 or unixgram:///path", Value: syslogValue{&s.Log.RemoteSyslog}},
		&cli.StringFlag{Category: categoryLogging, Name: "log_format",
			Usage: "text or json, `FORMAT`", Value: s.Log.Format, Destination: &s.Log.Format},
		&cli.BoolFlag{Category: categoryLogging, Name: "logtime", Aliases: []string{"T"},
			Usage: "begin lines with date and time", Value: s.Log.Time, Destination: &s.Log.Time},
		&cli.BoolFlag{Category: categoryLogging, Name: "debug", Aliases: []string{"D"},
			Usage: "log what helps to find a fault", Value: s.Log.Debug, Destination: &s.Log.Debug},
		&cli.BoolFlag{Category: categoryLogging, Name: "trace", Aliases: []string{"V", "VV"},
			Usage: "log the protocol, line by line", Value: s.Log.Trace, Destination: &s.Log.Trace},
		&cli.BoolFlag{Category: categoryLogging, Name: "DV", Aliases: []string{"DVV"},
			Usage: "both of these", Destination: &s.both},
		&cli.GenericFlag{Category: categoryLogging, Name: "max_traced_msg_len",
			Usage: "bytes of a message that -V shows, `N`", DefaultText: "all",
			Value: number(&o.MaxTracedPayload, 0, math.MaxInt32)},

		&cli.GenericFlag{Category: categoryHTTP, Name: "http_port", Aliases: []string{"m"},
			Usage: "tell about the server over HTTP on this `PORT`, see /", DefaultText: "off", Value: portValue{&s.Monitor.Port}},
		&cli.GenericFlag{Category: categoryHTTP, Name: "https_port", Aliases: []string{"ms"},
			Usage: "the same over TLS on this `PORT`", DefaultText: "off", Value: portValue{&s.Monitor.HTTPSPort}},
		&cli.GenericFlag{Category: categoryHTTP, Name: "max_closed_clients",
			Usage: "clients to remember that have gone, -1 is none, `N`",
			Value: numberValue{&o.MaxClosedClients, -1, math.MaxInt32, "use -1 to remember none"}},
		&cli.GenericFlag{Category: categoryHTTP, Name: "profile",
			Usage: "serve Go's profiles on 127.0.0.1:`PORT`", DefaultText: "off", Value: portValue{&s.ProfilePort}},
	})
}

// login is what the flags say about who may connect. It takes the place of the only user or token that a
// file has.
type login struct{ User, Password, Token string }

// authenticator returns what decides who may connect, nil if that is everybody.
func (s *settings) authenticator() (node.Authenticator, error) {
	switch a := s.login; {
	case !s.HasAuth():
		return nil, nil
	case a == login{}:
		return auth.New(s.Auth)
	case a.Token != "" && (a.User != "" || a.Password != ""):
		return nil, errors.New("--auth: a token replaces --user and --pass, use either")
	case a.Password != "" && a.User == "":
		return nil, errors.New("--pass: needs --user as well")
	case a.User != "" && a.Password == "":
		return nil, errors.New("--user: needs --pass as well")
	}
	name, what := "--pass", "password"
	if s.Auth.Token != "" {
		name, what = "--auth", "token"
	}
	if err := auth.CheckSecret(cmp.Or(s.Auth.Token, s.Auth.Password)); err != nil {
		return nil, fmt.Errorf("%s: the %s %w, quote it so that the shell leaves its $ alone", name, what, err)
	}
	return auth.New(s.Auth)
}

// place writes in front of an error where the option that it begins with comes from: the place in the file,
// or the flag.
func (s *settings) place(err error) error {
	name, text, ok := strings.Cut(err.Error(), ": ")
	if web, ok := strings.CutPrefix(name, "websocket "); ok {
		if _, found := s.Where(name); !found {
			name = webSocketFlag(web)
		}
	}
	option := strings.TrimLeft(name, "-")
	at, found := s.Where(option)
	switch {
	case !ok, !found && (option != name || strings.Contains(name, " ") || name == gossipKeyVariable):
		return err
	case found:
		return fmt.Errorf("%s: %s: %s", at, option, text)
	}
	return fmt.Errorf("%s: %s", dashed(name), text)
}
