package command

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/auth"
)

// clusterFlags returns the flags of a server that is one of several.
func clusterFlags(o *node.Options) []cli.Flag {
	c := &o.Cluster
	return []cli.Flag{
		&cli.GenericFlag{Category: categoryCluster, Name: "cluster", Aliases: []string{"cluster_listen"},
			Usage: "listen for other servers on this `URL`, nats://user:password@host:6222, where port -1 is any free " +
				"one; other servers must give user and password",
			Value: clusterValue{c}},
		&cli.GenericFlag{Category: categoryCluster, Name: "routes",
			Usage: "join the servers with these cluster `URLS`, separated by commas; one that runs is enough",
			Value: routesValue{&c.Routes}},
		&cli.StringFlag{Category: categoryCluster, Name: "cluster_name",
			Usage: "`NAME` of the cluster", DefaultText: "that of the others", Destination: &c.Name},
		&cli.StringFlag{Category: categoryCluster, Name: "cluster_advertise",
			Usage: "tell other servers this `HOST:PORT` instead", Destination: &c.Advertise},
		&cli.BoolFlag{Category: categoryCluster, Name: "no_advertise",
			Usage: "do not tell clients of other servers", Destination: &c.NoAdvertise},
		&cli.GenericFlag{Category: categoryCluster, Name: "connect_retries",
			Usage: "attempts to find a lost server again that --routes does not name, `N`", DefaultText: "no limit",
			Value: numberValue{number: &c.ConnectRetries, min: 0, max: math.MaxInt32}},
		&cli.GenericFlag{Category: categoryCluster, Name: "pool_size",
			Usage: "connections to each server that has several as well, `N`", DefaultText: "one",
			Value: numberValue{number: &c.PoolSize, min: 0, max: math.MaxInt32}},
		&cli.StringFlag{Category: categoryCluster, Name: "compression",
			Usage: "how messages to other servers are compressed: off, accept, s2_auto, s2_uncompressed, s2_fast, " +
				"s2_better or s2_best, `MODE`", Value: node.CompressionOff, Destination: &c.Compression},
		&cli.GenericFlag{Category: categoryCluster, Name: "ready_timeout",
			Usage: "`TIME` to learn what the others subscribe to before the first client is served",
			Value: durationValue{&c.ReadyTimeout}},
		&cli.GenericFlag{Category: categoryCluster, Name: "lame_duck_duration",
			Usage: "`TIME` that a lame duck takes at most", Value: durationValue{&o.LameDuckDuration}},
		&cli.GenericFlag{Category: categoryCluster, Name: "lame_duck_grace_period",
			Usage: "`TIME` of it in which clients may leave by themselves", DefaultText: node.DefaultLameDuckGrace.String(),
			Value: durationValue{&o.LameDuckGrace}},
	}
}

// clusterValue is the URL of --cluster: where other servers connect to, and what they have to give.
type clusterValue struct{ cluster *node.ClusterOptions }

func (v clusterValue) Set(text string) error {
	u, err := clusterURL(text)
	if err != nil {
		return err
	}
	c := *v.cluster
	c.User, c.Password = "", ""
	if u.User != nil {
		c.User = u.User.Username()
		c.Password, _ = u.User.Password()
		switch {
		case c.User == "" || c.Password == "":
			return fmt.Errorf("%s: needs both a user and a password before the @, or neither", shownURL(text))
		case auth.CheckSecret(c.Password) != nil:
			return fmt.Errorf("%s: the password looks like a bcrypt hash but is damaged, "+
				"quote it so that the shell leaves its $ alone", shownURL(text))
		}
	}
	if c.Host = u.Hostname(); c.Host == "" {
		c.Host = node.DefaultHost
	}
	if u.Port() == anyPort && hasRandomPort(text) {
		c.Port = node.RandomPort
	} else if c.Port, err = portOfURL(u); err != nil {
		return fmt.Errorf("%s: %w", shownURL(text), err)
	}
	*v.cluster = c
	return nil
}

// String returns what Set understands, as the library demands of a flag with two names.
func (v clusterValue) String() string {
	if v.cluster == nil || v.cluster.Port == 0 {
		return ""
	}
	u := url.URL{Scheme: "nats", Host: net.JoinHostPort(v.cluster.Host, strconv.Itoa(v.cluster.Port))}
	if v.cluster.User != "" {
		u.User = url.UserPassword(v.cluster.User, v.cluster.Password)
	}
	return u.String()
}

// routesValue are the URLs of --routes, which may be given several times.
type routesValue struct{ routes *[]*url.URL }

func (v routesValue) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue // a list that a script puts together may end with a comma
		}
		u, err := clusterURL(one)
		if err != nil {
			return err
		}
		if u.Hostname() == "" {
			return fmt.Errorf("%s: has no host, write nats://host:%d", shownURL(one), node.DefaultClusterPort)
		}
		if _, err := portOfURL(u); err != nil || hasRandomPort(one) {
			return fmt.Errorf("%s: needs the port that the other server listens on, 1 to 65535", shownURL(one))
		}
		*v.routes = append(*v.routes, u)
	}
	return nil
}

func (v routesValue) String() string {
	if v.routes == nil {
		return ""
	}
	var urls []string
	for _, u := range *v.routes {
		urls = append(urls, u.String())
	}
	return strings.Join(urls, ",")
}

// clusterURL reads a URL of the form nats://user:password@host:port, of which everything but the host
// or the port may be missing. Its errors show no password; those of the library would.
func clusterURL(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "nats://" + full
	}
	if hasRandomPort(full) {
		full = strings.TrimSuffix(strings.TrimSuffix(full, "/"), "-1") + anyPort
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: is not a URL, write nats://host:%d, and in a user or password %%40 for @, %%2F for / "+
			"and so on", shownURL(text), node.DefaultClusterPort)
	case u.Scheme != "nats" && u.Scheme != "nats-route":
		return nil, fmt.Errorf("%s: %q is not spoken between servers, write nats://", shownURL(text), u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("%s: has neither host nor port, write nats://host:%d", shownURL(text), node.DefaultClusterPort)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: goes on behind the port, write nats://host:%d", shownURL(text), node.DefaultClusterPort)
	}
	return u, nil
}

// anyPort stands for port -1 in a URL, since those of Go know no negative ones.
const anyPort = "0"

func hasRandomPort(text string) bool { return strings.HasSuffix(strings.TrimSuffix(text, "/"), ":-1") }

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

// shownURL returns a URL that somebody typed as it may appear in an error: without user and password.
func shownURL(text string) string {
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
