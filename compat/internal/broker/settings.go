package broker

import (
	"fmt"
	"sort"
	"strings"
)

// Settings are server options under the names that nats-server's config file uses, such as
// "max_payload": "1024". The same settings can be given to every [Kind] of server.
type Settings map[string]string

// configKey is the setting that is the text of a configuration file, to which others add.
const configKey = "config"

// AddConfig adds text to the configuration file that a server is started with.
func (s Settings) AddConfig(text string) { s[configKey] += text }

// settingFlags are the settings that exist and the command line flag each has in shoal.
var settingFlags = map[string]string{
	"max_connections":         "--max_connections",
	"max_subscriptions":       "--max_subscriptions",
	"max_subscription_tokens": "--max_subscription_tokens",
	"max_control_line":        "--max_control_line",
	"max_payload":             "--max_payload",
	"max_pending":             "--max_pending",
	"write_deadline":          "--write_deadline",
	"ping_interval":           "--ping_interval",
	"ping_max":                "--ping_max",
	"no_fast_producer_stall":  "--no_fast_producer_stall",
	"user":                    "--user",
	"pass":                    "--pass",
	"token":                   "--auth",
	"auth_timeout":            "--auth_timeout",
	"server_name":             "--server_name",
	"client_advertise":        "--client_advertise",
	"port":                    "--port",
	"cluster_name":            "--cluster_name",
	"cluster_listen":          "--cluster",
	"cluster_user":            "--cluster",
	"cluster_pass":            "--cluster",
	"no_advertise":            "--no_advertise",
}

// authorizationKeys are the settings that nats-server expects inside its authorization block, and
// their names there.
var authorizationKeys = map[string]string{
	"user":         "user",
	"pass":         "password",
	"token":        "token",
	"auth_timeout": "timeout",
}

// clusterKeys are the settings that nats-server expects inside its cluster block, and their names
// there. A server with a cluster_name gets a cluster_listen, on a free port.
var clusterKeys = map[string]string{
	"cluster_name":   "name",
	"cluster_listen": "listen",
	"no_advertise":   "no_advertise",
}

// durationSettings are written between quotes in a config file.
var durationSettings = map[string]bool{
	"write_deadline": true, "ping_interval": true, "auth_timeout": true,
}

// textSettings are free text, and so written between quotes as well.
var textSettings = map[string]bool{
	"user": true, "pass": true, "token": true, "server_name": true, "client_advertise": true,
	"cluster_name": true, "cluster_listen": true, "cluster_user": true, "cluster_pass": true,
}

// Parse reads settings written as "key=value key=value".
func Parse(text string) (Settings, error) {
	settings := Settings{}
	for field := range strings.FieldsSeq(text) {
		key, value, ok := strings.Cut(field, "=")
		if !ok || settingFlags[key] == "" {
			return nil, fmt.Errorf("%q is not a server setting", field)
		}
		settings[key] = value
	}
	return settings, nil
}

// String writes the settings as [Parse] reads them, in alphabetical order.
func (s Settings) String() string {
	var fields []string
	for _, key := range s.keys() {
		fields = append(fields, key+"="+s[key])
	}
	return strings.Join(fields, " ")
}

// With returns a copy of the settings in which key has the value.
func (s Settings) With(key, value string) Settings {
	changed := Settings{key: value}
	for k, v := range s {
		if k != key {
			changed[k] = v
		}
	}
	return changed
}

// config renders the settings as a nats-server config file.
func (s Settings) config() string {
	var top, authorization, cluster strings.Builder
	for _, key := range s.keys() {
		value := s[key]
		if durationSettings[key] || textSettings[key] {
			value = fmt.Sprintf("%q", value)
		}
		switch {
		case authorizationKeys[key] != "":
			fmt.Fprintf(&authorization, "  %s: %s\n", authorizationKeys[key], value)
		case clusterKeys[key] != "":
			fmt.Fprintf(&cluster, "  %s: %s\n", clusterKeys[key], value)
		case key == "cluster_user":
			fmt.Fprintf(&cluster, "  authorization { user: %s, password: %q }\n", value, s["cluster_pass"])
		case key == "cluster_pass":
		case key == configKey:
			top.WriteString(value)
		default:
			fmt.Fprintf(&top, "%s: %s\n", key, value)
		}
	}
	// Of two blocks, only the last would count.
	if before, after, ok := strings.Cut(top.String(), "cluster {"); ok {
		top.Reset()
		fmt.Fprintf(&top, "%scluster {\n%s%s", before, cluster.String(), after)
	} else if cluster.Len() > 0 {
		fmt.Fprintf(&top, "cluster {\n%s}\n", cluster.String())
	}
	if authorization.Len() > 0 {
		fmt.Fprintf(&top, "authorization {\n%s}\n", authorization.String())
	}
	return top.String()
}

// flags renders the settings as command line flags of shoal.
func (s Settings) flags() []string {
	var flags []string
	for _, key := range s.keys() {
		value := s[key]
		switch key {
		case "cluster_listen":
			if user, ok := s["cluster_user"]; ok {
				value = user + ":" + s["cluster_pass"] + "@" + value
			}
			value = "nats://" + value
		case "cluster_user", "cluster_pass", configKey:
			continue
		}
		flags = append(flags, settingFlags[key]+"="+value)
	}
	return flags
}

func (s Settings) keys() []string {
	keys := make([]string, 0, len(s))
	for key := range s {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
