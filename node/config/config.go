// Package config reads configuration files of NATS servers, and says what is wrong in them and where.
//
// A file is what an operator has for nats-server already, with a few keys for what only shoal can do.
// Whatever shoal does not have is refused rather than ignored: a server that is less safe than its file
// says should not start.
package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"shoal/node"
	"shoal/node/auth"
	"shoal/node/certs"
)

// Settings are what a server is told, by a file or by flags.
type Settings struct {
	// Node has the options of the node, but for what has to be made of the fields below.
	Node node.Options
	// Auth says who may connect; its zero value is everybody.
	Auth auth.Config
	// TLS and ClusterTLS encrypt the connections of clients and of other servers; nil does not.
	TLS, ClusterTLS *certs.Files
	// WebSocketTLS encrypts those of WebSocket clients; nil leaves that to TLS.
	WebSocketTLS *certs.Files
	// WebSocketAuth changes Auth for WebSocket clients.
	WebSocketAuth WebSocketAuth

	Monitor Monitor
	Log     Log
	// ProfilePort serves Go's profiles on the loopback interface; 0 is off.
	ProfilePort int

	// PIDFile and AdminSocket are paths of files, PortsDir is that of a directory. Empty is none, but for
	// AdminSocket, where it is the usual place.
	PIDFile, PortsDir, AdminSocket string
	// GossipKeyFile has the keys that encrypt gossip; empty is none.
	GossipKeyFile string

	// Digest stands for the content of the file, as in sha256:…; empty is no file.
	Digest string

	keys map[string]Position // where the file has what it sets, by the path of the key
}

// Monitor is where the server is looked at over HTTP.
type Monitor struct {
	Host      string // empty is that for clients
	Port      int    // 0 is off, [node.RandomPort] any free one
	HTTPSPort int    // the same over TLS, with the certificate for clients
	BasePath  string // goes before the paths of all pages
}

// Log says what is logged, and where to.
type Log struct {
	File         string // empty is standard error, or a syslog
	SizeLimit    int    // in bytes, of a file that is then moved away; 0 is none
	MaxFiles     int    // with those that were moved away; 0 is no limit
	Syslog       bool   // of this machine
	RemoteSyslog string // as logtext.ParseSyslog takes it
	Format       string // text or json
	Time, UTC    bool
	Debug, Trace bool
}

// Default returns the settings of a server that is told nothing.
func Default() *Settings {
	return &Settings{
		Node: node.Options{
			Host:             node.DefaultHost,
			Port:             node.DefaultPort,
			MaxConnections:   node.DefaultMaxConnections,
			MaxControlLine:   node.DefaultMaxControlLine,
			MaxPayload:       node.DefaultMaxPayload,
			MaxPending:       node.DefaultMaxPending,
			PendingBudget:    node.DefaultPendingBudget,
			WriteDeadline:    node.DefaultWriteDeadline,
			PingInterval:     node.DefaultPingInterval,
			MaxPingsOut:      node.DefaultMaxPingsOut,
			MaxClosedClients: node.DefaultMaxClosedClients,
			// Those of AuthTimeout and LameDuckGrace depend on other options.
			LameDuckDuration: node.DefaultLameDuck,
			Cluster: node.ClusterOptions{
				ReadyTimeout: node.DefaultReadyTimeout,
				Compression:  node.CompressionOff,
			},
		},
		Log: Log{Format: "text", Time: true},
	}
}

// Load reads a file over the default settings. Its error is an [Errors] or an [Error], and has everything
// that is wrong. With ignoreUnsupported, what shoal does not have is a warning and not an error.
func Load(path string, ignoreUnsupported bool) (*Settings, []Warning, error) {
	values, digest, err := parse(path)
	if err != nil {
		return nil, nil, err
	}
	s := Default()
	s.Digest = digest
	s.keys = make(map[string]Position)
	l := &loader{settings: s, ignore: ignoreUnsupported, users: make(map[string]Position)}
	file := unwrap(values, Position{File: path})
	l.server(l.block(&file, ""))
	warnings, err := l.result()
	if err != nil {
		return nil, warnings, err
	}
	return s, warnings, nil
}

// Where returns the place in the file that sets an option, whose name is the path of its key, such as
// cluster.pool_size, or the name that errors of [node.Options] have for it.
func (s *Settings) Where(option string) (Position, bool) {
	for _, path := range pathsOf(option) {
		if at, ok := s.keys[path]; ok {
			return at, true
		}
	}
	return Position{}, false
}

// Forget has nobody look for an option in the file, because something else has set it.
func (s *Settings) Forget(option string) {
	for _, path := range pathsOf(option) {
		delete(s.keys, path)
	}
}

// pathsOf returns the keys that an option may have in a file.
func pathsOf(option string) []string {
	if name, ok := strings.CutPrefix(option, "account "); ok {
		if name, err := strconv.Unquote(name); err == nil {
			return []string{"accounts." + name}
		}
	}
	if name, ok := strings.CutPrefix(option, "websocket "); ok {
		return []string{"websocket." + name, "websocket"}
	}
	return append(slices.Clone(otherKeys[option]), option, "cluster."+option)
}

// otherKeys are the keys of options that errors call something else.
var otherKeys = map[string][]string{
	"addr":              {"host", "listen"},
	"port":              {"port", "listen"},
	"name":              {"server_name"},
	"cluster":           {"cluster.port", "cluster.listen"},
	"cluster port":      {"cluster.port", "cluster.listen"},
	"cluster host":      {"cluster.host", "cluster.listen"},
	"cluster_name":      {"cluster.name"},
	"cluster_advertise": {"cluster.advertise"},
	"no_gossip":         {"cluster.gossip"},
	"gossip_profile":    {"cluster.gossip.profile"},
	"gossip_key":        {"cluster.gossip.key_file"},
	"log":               {"logfile"},
	"log_size_limit":    {"logfile_size_limit"},
	"pid":               {"pidfile"},
	"http_port":         {"http_port", "http"},
	"profile":           {"prof_port"},
	"state_dir":         {"cluster.gossip.state_dir"},
	"ws_host":           {"websocket.host", "websocket.listen"},
	"ws_port":           {"websocket.port", "websocket.listen"},
	"ws_advertise":      {"websocket.advertise"},
	"ws_origins":        {"websocket.allowed_origins"},
	"ws_no_tls":         {"websocket.no_tls"},
	"ws_compression":    {"websocket.compression"},
}

// HasAuth reports whether the settings keep anybody out.
func (s *Settings) HasAuth() bool {
	a := &s.Auth
	return a.User != "" || a.Password != "" || a.Token != "" || len(a.Users) > 0 || a.NoAuthUser != "" || a.MapCertificates
}

// admitGuests lets anybody work in the global account if all that the file says of users is who may look
// at the servers.
func (l *loader) admitGuests() {
	s := l.settings
	if _, ok := s.keys["authorization"]; ok || len(s.Auth.Users) == 0 || s.Auth.NoAuthUser != "" {
		return
	}
	system := cmp.Or(s.Node.SystemAccount, node.SystemAccount)
	for _, a := range s.Node.Accounts {
		if a.Name != system && a.Name != node.GlobalAccount {
			return
		}
	}
	s.Auth.Users = append(s.Auth.Users, auth.User{Name: node.GlobalAccount})
	s.Auth.NoAuthUser = node.GlobalAccount
}

// checkPasswords makes sure that nobody becomes a user just by its name, unless that is whom everybody becomes.
func (l *loader) checkPasswords() {
	s := l.settings
	for _, u := range s.Auth.Users {
		switch {
		case u.NKey != "", u.Password != "", s.Auth.MapCertificates, u.Name == s.Auth.NoAuthUser, u.Name == s.WebSocketAuth.NoAuthUser:
		default:
			l.errorf(l.users[u.Name], "user %q has no password, so whoever knows the name could be it", u.Name)
		}
	}
}

// checkAuth makes sure that the users make sense together.
func (l *loader) checkAuth() {
	if !l.settings.HasAuth() || len(l.errors) > 0 {
		return
	}
	if err := l.settings.Auth.Validate(); err != nil {
		named, _, _ := strings.Cut(err.Error(), ":")
		var at Position
		for _, key := range []string{named, "authorization", "no_auth_user", "accounts", "tls"} {
			if at.Line == 0 {
				at = l.settings.keys[key]
			}
		}
		l.errorf(at, "%v", err)
	}
}
