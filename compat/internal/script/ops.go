package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ended is the op that stands for the end of a connection by the server, be it FIN or RST.
const ended = "<EOF>"

// nextOp cuts the first complete op off what a server sent: a control line and, for messages, the
// payload. The op is exactly what was received, less the final CRLF.
func nextOp(received []byte) (op string, rest []byte, ok bool) {
	end := bytes.IndexByte(received, '\n') + 1
	if end == 0 {
		return "", received, false
	}
	fields := bytes.Fields(received[:end])
	if len(fields) > 0 && messageVerbs[string(fields[0])] {
		size, err := strconv.Atoi(string(fields[len(fields)-1]))
		if err == nil && size >= 0 {
			end += size + len("\r\n")
		}
	}
	if len(received) < end {
		return "", received, false
	}
	return strings.TrimSuffix(string(received[:end]), "\r\n"), received[end:], true
}

// messageVerbs begin the ops that have a payload, the last two on routes only.
var messageVerbs = map[string]bool{"MSG": true, "HMSG": true, "RMSG": true, "LMSG": true}

func isMessage(op string) bool {
	verb, _, _ := strings.Cut(op, " ")
	return messageVerbs[verb]
}

// anySID replaces the subscription ID of a message, for scripts in which the server picks one of
// several subscriptions at random.
func anySID(op string) string {
	line, payload, _ := strings.Cut(op, "\r\n")
	fields := strings.Split(line, " ")
	if len(fields) < 4 {
		return op
	}
	fields[2] = "*"
	return strings.Join(fields, " ") + "\r\n" + payload
}

var (
	serverIDForm = regexp.MustCompile(`^N[A-Z2-7]{55}$`)
	versionForm  = regexp.MustCompile(`^2\.\d+\.\d+$`)
)

// normaliseInfo reduces an INFO to the fields that client libraries rely on, in a fixed order, and
// values that are different for each server to whether they are well formed.
func normaliseInfo(op string, target Target) string {
	var info map[string]any
	body, ok := strings.CutPrefix(op, "INFO ")
	if !ok || !strings.HasSuffix(body, "} ") || json.Unmarshal([]byte(body), &info) != nil {
		return "malformed " + op
	}
	text := func(key string) string { s, _ := info[key].(string); return s }
	number := func(key string) float64 { n, _ := info[key].(float64); return n }
	fields := []string{"INFO"}
	add := func(key string, value any) { fields = append(fields, fmt.Sprintf("%s=%v", key, value)) }
	add("server_id", serverIDForm.MatchString(text("server_id")))
	add("server_name", text("server_name") != "")
	add("version", versionForm.MatchString(text("version")))
	add("proto", info["proto"])
	add("go", text("go") != "")
	add("address", target.Client == fmt.Sprintf("%s:%v", text("host"), info["port"]))
	add("headers", info["headers"])
	add("max_payload", fmt.Sprintf("%.0f", number("max_payload")))
	add("client_id", number("client_id") > 0)
	add("client_ip", info["client_ip"])
	for _, key := range []string{"auth_required", "tls_required", "tls_verify", "tls_available", "ldm", "connect_info", "remote_account", "acc_is_sys"} {
		if value, present := info[key]; present {
			add(key, value)
		}
	}
	if target.Cluster != "" {
		// In a cluster, addresses are what an INFO is mostly about.
		if _, present := info["connect_urls"]; present {
			add("connect_urls", addresses(info, target.Client))
			delete(info, "connect_urls")
		}
		delete(info, "cluster")
	}
	for _, key := range []string{"nonce", "cluster", "connect_urls", "ws_connect_urls", "jetstream", "domain"} {
		if _, present := info[key]; present {
			add(key, "present")
		}
	}
	return strings.Join(fields, " ")
}

// plainInfo are the fields of a normalised INFO that say nothing special.
var plainInfo = []string{
	"server_id=true", "server_name=true", "version=true", "proto=1", "go=true", "address=true",
	"headers=true", "max_payload=1048576", "client_id=true", "client_ip=127.0.0.1",
	"remote_account=$G",
}

// shortInfo drops from a normalised INFO what is plain.
func shortInfo(op string) string {
	fields := slices.DeleteFunc(strings.Fields(op), func(f string) bool { return slices.Contains(plainInfo, f) })
	return strings.Join(fields, " ")
}

// matches tells whether an op is the expected one. An expected INFO is in the short form.
func matches(expected, op string) bool {
	if strings.HasPrefix(op, "INFO ") {
		return expected == shortInfo(op)
	}
	return expected == op
}
