package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// greeting is what a server called name says first on a route, given more fields for its INFO. A
// value may be JSON, and null leaves a field out.
func greeting(name, fields string) []byte {
	connect := map[string]any{
		"echo": true, "verbose": false, "pedantic": false, "tls_required": false, "headers": true,
		"name": "ID" + name, "cluster": "C", "lnoc": true, "lnocu": true, "ln": true,
	}
	info := map[string]any{
		"server_id": "ID" + name, "server_name": name, "version": "2.15.2", "proto": 1, "go": "go1.26",
		"host": "127.0.0.1", "port": 1, "headers": true, "max_payload": 1 << 20,
		"cluster": "C", "lnoc": true, "lnocu": true, "ln": true,
	}
	for field := range strings.FieldsSeq(fields) {
		key, text, _ := strings.Cut(field, "=")
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		for _, target := range []map[string]any{connect, info} {
			_, known := target[key]
			isCredential := key == "user" || key == "pass"
			switch inConnect := target["echo"] != nil; {
			case value == nil:
				delete(target, key)
			case known, inConnect && isCredential, !inConnect && !isCredential:
				target[key] = value
			}
		}
	}
	var out bytes.Buffer
	for _, line := range []struct {
		verb string
		body map[string]any
	}{{"CONNECT", connect}, {"INFO", info}} {
		body, err := json.Marshal(line.body)
		if err != nil {
			panic(err) // strings, numbers and what was JSON before
		}
		fmt.Fprintf(&out, "%s %s\r\n", line.verb, body)
	}
	return out.Bytes()
}

// fill puts in what only a connection tells: signatures and replies, and on a route the server's ID
// in the place of @ID.
func (c *conn) fill(data []byte) []byte {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.route {
		data = bytes.ReplaceAll(data, []byte("@ID"), []byte(c.serverID))
	} else {
		data = fillKeys(data, c.nonce)
	}
	return c.replies.fill(data)
}

// hidePong leaves the next PONG unrecorded, and tells how many were before.
func (c *conn) hidePong() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.toHide++
	return c.hidden
}

// takeHidden reports whether a PONG that has come is one of those.
func (c *conn) takeHidden() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.toHide == 0 {
		return false
	}
	c.toHide--
	c.hidden++
	return true
}

func (c *conn) hiddenPongs() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.hidden
}

// normaliseRoute reduces an op on a route to what servers have to have in common. It is empty if
// nothing is left: the system account and INFOs that say nothing new are a server's own business.
func (c *conn) normaliseRoute(op string) string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	fields := strings.Fields(op)
	switch {
	case strings.HasPrefix(op, "INFO "):
		return c.normaliseRouteInfo(op)
	case len(fields) > 2 && fields[1] == "$SYS":
		return ""
	case isMessage(op):
		return sortGroups(op)
	}
	return op
}

// sortGroups sorts the queue groups that a message on a route names, whose order means nothing.
func sortGroups(op string) string {
	line, payload, _ := strings.Cut(op, "\r\n")
	fields := strings.Split(line, " ")
	first, sizes := 4, 1
	if fields[0] == "LMSG" {
		first = 5
	}
	if fields[0] != "RMSG" {
		sizes = 2
	}
	if len(fields) < first+sizes {
		return op
	}
	switch fields[first-1] {
	case "|":
	case "+":
		first++
	default:
		return op
	}
	if first <= len(fields)-sizes {
		slices.Sort(fields[first : len(fields)-sizes])
	}
	return strings.Join(fields, " ") + "\r\n" + payload
}

// normaliseRouteInfo is for an INFO on a route: the server's own first one, one in which it enters
// lame duck mode, or one about another server.
func (c *conn) normaliseRouteInfo(op string) string {
	var info map[string]any
	if json.Unmarshal([]byte(strings.TrimPrefix(op, "INFO ")), &info) != nil {
		return "malformed " + op
	}
	id, _ := info["server_id"].(string)
	first := c.serverID == ""
	if first {
		c.serverID = id
	}
	var out []string
	add := func(key string, value any) { out = append(out, fmt.Sprintf("%s=%v", key, value)) }
	switch {
	case id != c.serverID:
		add("server_id", id)
		add("ip", info["ip"])
		if _, present := info["gossip_mode"]; !present {
			info["gossip_mode"] = 0
		}
		add("gossip_mode", info["gossip_mode"])
		for _, key := range []string{"server_name", "cluster", "host", "port", "headers"} {
			add(key, info[key])
		}
		if _, present := info["nonce"]; present {
			add("nonce", "present")
		}
	case first:
		add("well_formed_id", serverIDForm.MatchString(id))
		add("address", c.target.Cluster == fmt.Sprintf("%v:%v", info["host"], info["port"]))
		for _, key := range []string{"cluster", "cluster_dynamic", "headers", "lnoc", "lnocu", "ln"} {
			add(key, info[key])
		}
	case info["ldm"] == nil:
		return ""
	}
	for _, key := range []string{"ldm", "auth_required", "tls_required"} {
		if value, present := info[key]; present {
			add(key, value)
		}
	}
	if _, present := info["connect_urls"]; present {
		add("connect_urls", addresses(info, c.target.Client))
	}
	return "INFO " + strings.Join(out, " ")
}

// addresses shows the connect_urls of an INFO, whose order means nothing; own is the server's.
func addresses(info map[string]any, own string) string {
	list, _ := info["connect_urls"].([]any)
	var urls []string
	for _, url := range list {
		text := fmt.Sprint(url)
		if text == own {
			text = "own"
		}
		urls = append(urls, text)
	}
	slices.Sort(urls)
	return strings.Join(urls, ",")
}

// isInterest tells whether an op announces or withdraws interest.
func isInterest(op string) bool {
	verb, _, _ := strings.Cut(op, " ")
	return slices.Contains([]string{"RS+", "RS-", "LS+", "LS-"}, verb)
}
