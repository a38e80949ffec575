package config

import (
	"math"
	"time"

	"shoal/logtext"
	"shoal/node"
)

// server reads the keys of the file itself.
func (l *loader) server(b *block) {
	b.path = ""
	s := l.settings
	o := &s.Node
	b.address(&o.Host, &o.Port)
	b.serverName(o)
	b.text(&o.ClientAdvertise, "client_advertise")
	if tags, ok := b.texts("server_tags"); ok {
		o.Tags = tags
	}
	b.metadata(o)
	b.flag(&o.ProxyProtocol, "proxy_protocol")
	b.flag(&o.NoHeaders, "no_header_support")
	b.limits(o)
	b.times(o)
	b.logging(&s.Log, o)
	b.monitoring(s)

	b.text(&s.PIDFile, "pidfile", "pid_file")
	b.text(&s.PortsDir, "ports_file_dir")
	b.adminSocket(s)

	b.tls(s)
	b.cluster(s)
	b.webSocket(s)
	b.accounts(s)
	b.mappings(o)
	b.systemAccount(o)
	b.authorization(s)
	b.text(&s.Auth.NoAuthUser, "no_auth_user")

	if len(s.Auth.Users) == 0 {
		s.Auth.MapCertificates = false // there is nobody to map to
	}
	b.others()
	b.done()
	l.admitGuests()
	l.checkPasswords()
	l.checkAuth()
	l.checkWebSocketAuth()
}

// adminSocket reads a path, or off, which the format has as false.
func (b *block) adminSocket(s *Settings) {
	v := b.take("admin_socket")
	switch {
	case v == nil:
	case off(v):
		s.AdminSocket = "off"
	default:
		s.AdminSocket, _ = b.textOf(v, "admin_socket")
	}
}

func (b *block) serverName(o *node.Options) {
	b.text(&o.ServerName, "server_name", "name")
	b.withoutBlanks("server_name", o.ServerName)
}

// metadata reads texts about the server, whose names are up to the operator.
func (b *block) metadata(o *node.Options) {
	v := b.take("server_metadata")
	if v == nil {
		return
	}
	m := b.block(v, "server_metadata")
	o.Metadata = make(map[string]string)
	for _, e := range m.entries {
		if text, ok := m.textOf(&e.value, e.key); ok {
			o.Metadata[e.key] = text
		}
	}
}

func (b *block) limits(o *node.Options) {

	b.number(&o.MaxConnections, -1, most, "max_connections", "max_conn")
	if o.MaxConnections == 0 {
		b.warnf(b.settings.keys["max_connections"], "max_connections: 0 refuses everybody; leave it out for the default")
		o.MaxConnections = -1
	}
	b.limit(&o.MaxSubscriptions, "max_subscriptions", "max_subs")
	b.number(&o.MaxClosedClients, -1, most, "max_closed_clients")
	b.number(&o.MaxSubscriptionTokens, 1, math.MaxUint8, "max_subscription_tokens", "max_sub_tokens")
	b.number(&o.MaxControlLine, 1, most, "max_control_line")
	b.number(&o.MaxPayload, 1, most, "max_payload")
	b.number(&o.MaxPending, 1, math.MaxInt, "max_pending")
	b.number(&o.PendingBudget, 1, math.MaxInt, "pending_budget")
	b.number(&o.MaxPingsOut, 1, most, "ping_max")
	b.flag(&o.NoFastProducerStall, "no_fast_producer_stall")
}

func (b *block) times(o *node.Options) {
	b.duration(&o.PingInterval, false, "ping_interval")
	b.duration(&o.WriteDeadline, false, "write_deadline")
	b.duration(&o.LameDuckDuration, false, "lame_duck_duration")
	if v := b.take("lame_duck_grace_period"); v != nil {
		switch d, ok := b.durationOf(v, false, "lame_duck_grace_period"); {
		case !ok:
		case d < 0:
			b.fail(v.at, "lame_duck_grace_period", "%v is negative", d)
		default:
			o.LameDuckGrace = max(d, time.Nanosecond) // 0 would be the default
		}
	}
	b.writeTimeout()
}

// writeTimeout reads what becomes of a client whose write took too long. shoal closes all of them.
func (b *block) writeTimeout() {
	v := b.take("write_timeout")
	if v == nil {
		return
	}
	if policy, ok := b.textOf(v, "write_timeout"); ok && policy != "default" && policy != "close" {
		b.refuse(v.at, "%swrite_timeout: shoal knows only default and close, not %q", b.shownPath(), policy)
	}
}

func (b *block) logging(log *Log, o *node.Options) {
	b.text(&log.File, "logfile", "log_file")
	b.number(&log.SizeLimit, 0, math.MaxInt, "logfile_size_limit", "log_size_limit")
	b.number(&log.MaxFiles, 0, most, "logfile_max_num", "log_max_num")
	b.flag(&log.Syslog, "syslog")
	if v := b.take("remote_syslog"); v != nil {
		if address, ok := b.textOf(v, "remote_syslog"); ok {
			if _, _, err := logtext.ParseSyslog(address); err != nil && address != "" {
				b.fail(v.at, "remote_syslog", "%q %v", address, err)
			}
			log.RemoteSyslog = address
		}
	}
	if v := b.take("log_format"); v != nil {
		if format, ok := b.textOf(v, "log_format"); ok {
			if format != "text" && format != "json" {
				b.fail(v.at, "log_format", "%q is not a format, use text or json", format)
			}
			log.Format = format
		}
	}
	b.flag(&log.Time, "logtime")
	b.flag(&log.UTC, "logtime_utc")
	b.flag(&log.Debug, "debug")
	b.flag(&log.Trace, "trace")
	var verbose, headers bool
	b.flag(&verbose, "trace_verbose")
	b.flag(&headers, "trace_headers")
	log.Trace = log.Trace || verbose || headers
	b.limit(&o.MaxTracedPayload, "max_traced_msg_len")
}

func (b *block) monitoring(s *Settings) {
	m := &s.Monitor
	b.listen(&m.Host, &m.Port, true, "http")
	b.listen(&m.Host, &m.HTTPSPort, true, "https")
	b.port(&m.Port, true, "http_port", "monitor_port")
	b.port(&m.HTTPSPort, true, "https_port")
	for _, scheme := range []string{"http", "https"} {
		if at, ok := s.keys[scheme+"_port"]; ok && b.has(scheme) {
			b.errorf(at, "%s_port: says the same as %s, take one of them", scheme, scheme)
		}
	}
	b.text(&m.BasePath, "http_base_path")
	b.port(&s.ProfilePort, true, "prof_port")
}

// others takes the keys of what shoal does not have, or does not need.
func (b *block) others() {
	b.unsupported("JetStream", "jetstream")
	b.unsupported("JetStream", "store_dir", "storedir")
	b.unsupported("JetStream", "default_js_domain")
	b.unsupported("gateways", "gateway")
	b.unsupported("leaf nodes", "leafnodes", "leaf")
	b.unsupported("MQTT", "mqtt")
	b.unsupported("operators and their JWTs", "operator", "operators", "roots", "root", "root_operators", "root_operator")
	b.unsupported("operators and their JWTs", "trusted_keys", "trusted")
	b.unsupported("operators and their JWTs", "default_sentinel")
	b.unsupported("account resolver", "resolver", "account_resolver", "accounts_resolver")
	b.unsupported("account resolver", "resolver_tls")
	b.unsupported("account resolver", "resolver_preload")
	b.unsupported("account resolver", "resolver_pinned_accounts")
	b.unsupported("OCSP", "ocsp")
	b.unsupported("OCSP", "ocsp_cache")
	b.unsupported("proxies that it trusts", "proxies")
	b.needless("shoal's cache of subjects is always on", "disable_sublist_cache", "no_sublist_cache")
	b.needless("repeated errors are logged less and less often anyway", "connect_error_reports")
	b.needless("repeated errors are logged less and less often anyway", "reconnect_error_reports")
	b.needless("shoal samples no blocking", "prof_block_rate")
	b.needless("shoal has no such flags", "feature_flags")
}
