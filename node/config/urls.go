package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"

	"shoal/node"
)

// ClusterURL reads a URL of the form nats://user:password@host:port, of which everything but the host or
// the port may be missing. Its errors show no password; those of the library would.
func ClusterURL(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "nats://" + full
	}
	if HasRandomPort(full) {
		full = strings.TrimSuffix(strings.TrimSuffix(full, "/"), "-1") + anyPort
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: is not a URL, write nats://host:%d, and in a user or password %%40 for @, %%2F for / "+
			"and so on", ShownURL(text), node.DefaultClusterPort)
	case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "nats-route":
		return nil, fmt.Errorf("%s: %q is not spoken between servers, write nats://", ShownURL(text), u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("%s: has neither host nor port, write nats://host:%d", ShownURL(text), node.DefaultClusterPort)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: goes on behind the port, write nats://host:%d", ShownURL(text), node.DefaultClusterPort)
	}
	return u, nil
}

// anyPort stands for port -1 in a URL, since those of Go know no negative ones.
const anyPort = "0"

// HasRandomPort reports whether a URL that somebody typed ends with port -1.
func HasRandomPort(text string) bool { return strings.HasSuffix(strings.TrimSuffix(text, "/"), ":-1") }

// ListenPort returns the port of u, which [ClusterURL] has made of text, or the default one. It may be
// [node.RandomPort].
func ListenPort(u *url.URL, text string) (int, error) {
	if u.Port() == anyPort && HasRandomPort(text) {
		return node.RandomPort, nil
	}
	return portOfURL(u)
}

// portOfURL returns the port of u, or the default one.
func portOfURL(u *url.URL) (int, error) {
	if u.Port() == "" {
		return node.DefaultClusterPort, nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port < 1 || port > math.MaxUint16 {
		return 0, errors.New(u.Port() + " is not a port, use 1 to 65535")
	}
	return port, nil
}

// RouteURL reads the URL of a server to connect to.
func RouteURL(text string) (*url.URL, error) {
	u, err := ClusterURL(text)
	if err != nil {
		return nil, err
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%s: has no host, write nats://host:%d", ShownURL(text), node.DefaultClusterPort)
	}
	if _, err := portOfURL(u); err != nil || HasRandomPort(text) {
		return nil, fmt.Errorf("%s: needs the port that the other server listens on, 1 to 65535", ShownURL(text))
	}
	return u, nil
}

// CheckJoin says why text is not the address of a server to join, if so.
func CheckJoin(text string) error {
	if name, ok := strings.CutPrefix(text, "srv://"); ok {
		if u, err := url.Parse(text); err != nil || u.Host != name || u.User != nil || u.Port() != "" {
			return fmt.Errorf("%s: is not the name of a SRV record, write srv://name", ShownURL(text))
		}
		return nil
	}
	full := text
	if ip := net.ParseIP(strings.Trim(text, "[]")); ip != nil && ip.To4() == nil {
		full = "[" + ip.String() + "]" // an address of IPv6 needs no brackets as long as it has no port
	}
	u, err := ClusterURL(full)
	switch {
	case err != nil:
		return err
	case u.User != nil:
		return fmt.Errorf("%s: takes no user and password, they are those of the cluster", ShownURL(text))
	case u.Hostname() == "":
		return fmt.Errorf("%s: has no host, write host or host:%d", ShownURL(text), node.DefaultClusterPort)
	}
	if _, err := portOfURL(u); err != nil || HasRandomPort(full) {
		return fmt.Errorf("%s: needs the port that the other server listens on, 1 to 65535", ShownURL(text))
	}
	return nil
}

// ShownURL returns a URL that somebody typed as it may appear in an error: without user and password.
func ShownURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	} else {
		scheme += "://"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "xxxxx" + rest[at:]
	}
	return strconv.Quote(scheme + rest)
}
