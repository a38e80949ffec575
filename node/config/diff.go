package config

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"shoal/node"
)

// Change is an option that has another value than before.
type Change struct {
	Option string
	// Old and New are the values; both are empty if they are secret, or too long to be shown.
	Old, New string
}

// String writes the change like max_payload = 2097152 (was 1048576).
func (c Change) String() string {
	if c.Old == "" && c.New == "" {
		return c.Option + " (changed)"
	}
	return fmt.Sprintf("%s = %s (was %s)", c.Option, c.New, c.Old)
}

// option is an option with its value. Hidden ones are not shown.
type option struct {
	name   string
	value  any
	hidden bool
}

// Diff returns the options in which two settings differ.
func Diff(old, new *Settings) []Change {
	var changes []Change
	before := old.options()
	for i, o := range new.options() {
		was := before[i]
		switch {
		case reflect.DeepEqual(was.value, o.value):
		case o.hidden:
			changes = append(changes, Change{Option: o.name})
		default:
			changes = append(changes, Change{o.name, shown(was.value), shown(o.value)})
		}
	}
	return changes
}

// options returns everything that can be set, by the name of its key.
func (s *Settings) options() []option {
	o, c := &s.Node, &s.Node.Cluster
	return slices.Concat(s.webSocketOptions(), []option{
		{"host", o.Host, false},
		{"port", o.Port, false},
		{"server_name", o.ServerName, false},
		{"server_tags", list(o.Tags), false},
		{"server_metadata", o.Metadata, false},
		{"client_advertise", o.ClientAdvertise, false},
		{"proxy_protocol", o.ProxyProtocol, false},
		{"no_header_support", o.NoHeaders, false},
		{"max_connections", o.MaxConnections, false},
		{"max_subscriptions", o.MaxSubscriptions, false},
		{"max_subscription_tokens", o.MaxSubscriptionTokens, false},
		{"max_control_line", o.MaxControlLine, false},
		{"max_payload", o.MaxPayload, false},
		{"max_pending", o.MaxPending, false},
		{"pending_budget", o.PendingBudget, false},
		{"write_deadline", o.WriteDeadline, false},
		{"no_fast_producer_stall", o.NoFastProducerStall, false},
		{"ping_interval", o.PingInterval, false},
		{"ping_max", o.MaxPingsOut, false},
		{"lame_duck_duration", o.LameDuckDuration, false},
		{"lame_duck_grace_period", o.LameDuckGrace, false},
		{"max_traced_msg_len", o.MaxTracedPayload, false},
		{"max_closed_clients", o.MaxClosedClients, false},
		{"logfile", s.Log.File, false},
		{"logfile_size_limit", s.Log.SizeLimit, false},
		{"logfile_max_num", s.Log.MaxFiles, false},
		{"syslog", s.Log.Syslog, false},
		{"remote_syslog", s.Log.RemoteSyslog, false},
		{"log_format", s.Log.Format, false},
		{"logtime", s.Log.Time, false},
		{"logtime_utc", s.Log.UTC, false},
		{"debug", s.Log.Debug, false},
		{"trace", s.Log.Trace, false},
		{"http", s.Monitor, false},
		{"prof_port", s.ProfilePort, false},
		{"pid_file", s.PIDFile, false},
		{"ports_file_dir", s.PortsDir, false},
		{"admin_socket", s.AdminSocket, false},
		{"authorization", s.Auth, true},
		{"authorization.timeout", o.AuthTimeout, false},
		{"accounts", o.Accounts, true},
		{"system_account", o.SystemAccount, false},
		{"tls", s.TLS, true},
		{"cluster.host", c.Host, false},
		{"cluster.port", c.Port, false},
		{"cluster.name", c.Name, false},
		{"cluster.advertise", c.Advertise, false},
		{"cluster.no_advertise", c.NoAdvertise, false},
		{"cluster.routes", urls(c.Routes), false},
		{"cluster.routes (credentials)", credentials(c.Routes), true},
		{"cluster.join", list(c.Join), false},
		{"cluster.gossip", !c.NoGossip, false},
		{"cluster.gossip.profile", c.GossipProfile, false},
		{"cluster.gossip.key_file", s.GossipKeyFile, false},
		{"cluster.gossip (keys)", bytes.Join(c.GossipKeys, []byte{0}), true},
		{"cluster.gossip.state_dir", c.StateDir, false},
		{"cluster.authorization", [2]string{c.User, c.Password}, true},
		{"cluster.authorization.timeout", c.AuthTimeout, false},
		{"cluster.permissions", c.Permissions, true},
		{"cluster.connect_retries", c.ConnectRetries, false},
		{"cluster.pool_size", c.PoolSize, false},
		{"cluster.compression", c.Compression, false},
		{"cluster.ping_interval", c.PingInterval, false},
		{"cluster.ping_max", c.MaxPingsOut, false},
		{"cluster.write_deadline", c.WriteDeadline, false},
		{"cluster.ready_timeout", c.ReadyTimeout, false},
		{"cluster.tls", s.ClusterTLS, true},
	})
}

// webSocketOptions are those for WebSocket clients.
func (s *Settings) webSocketOptions() []option {
	w := s.Node.WebSocket
	if w == nil {
		w = &node.WebSocketOptions{}
	}
	return []option{
		{"websocket", onOff(s.Node.WebSocket != nil), false},
		{"websocket.host", w.Host, false},
		{"websocket.port", w.Port, false},
		{"websocket.advertise", w.Advertise, false},
		{"websocket.no_tls", w.NoTLS, false},
		{"websocket.tls", s.WebSocketTLS, true},
		{"websocket.same_origin", w.SameOrigin, false},
		{"websocket.allowed_origins", list(w.AllowedOrigins), false},
		{"websocket.compression", w.Compression, false},
		{"websocket.handshake_timeout", w.HandshakeTimeout, false},
		{"websocket.ping_interval", w.PingInterval, false},
		{"websocket.headers", w.Headers, true},
		{"websocket.user_cookie", w.UserCookie, false},
		{"websocket.pass_cookie", w.PassCookie, false},
		{"websocket.token_cookie", w.TokenCookie, false},
		{"websocket.authorization", s.WebSocketAuth, true},
		{"websocket.authorization.timeout", w.AuthTimeout, false},
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// list returns texts, of which none at all are always the same.
func list(texts []string) []string { return append([]string{}, texts...) }

// urls returns the URLs without credentials.
func urls(routes []*url.URL) []string {
	texts := make([]string, len(routes))
	for i, u := range routes {
		bare := *u
		bare.User = nil
		texts[i] = bare.String()
	}
	return texts
}

// credentials returns those that URLs have.
func credentials(routes []*url.URL) []string {
	var texts []string
	for _, u := range routes {
		if u.User != nil {
			texts = append(texts, u.String())
		}
	}
	return texts
}

// shown returns a value as a file would have it. No value is -, since nothing at all says that it is secret.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return v
		}
		return "-"
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case map[string]string:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+": "+v[name])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case time.Duration:
		if v == 0 {
			return "default"
		}
	case Monitor:
		var parts []string
		for _, p := range []struct {
			name string
			port int
		}{{"http", v.Port}, {"https", v.HTTPSPort}} {
			if p.port != 0 {
				parts = append(parts, fmt.Sprintf("%s://%s:%d%s", p.name, v.Host, p.port, v.BasePath))
			}
		}
		if parts == nil {
			return "off"
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(v)
}
