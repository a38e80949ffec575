package command

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/auth"
	"shoal/node/config"
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
			Value: routesValue{&c.Routes, new(bool)}},
		&cli.StringFlag{Category: categoryCluster, Name: "cluster_name",
			Usage: "`NAME` of the cluster", DefaultText: "that of the others", Value: c.Name, Destination: &c.Name},
		&cli.StringFlag{Category: categoryCluster, Name: "cluster_advertise",
			Usage: "tell other servers this `HOST:PORT` instead", Value: c.Advertise, Destination: &c.Advertise},
		&cli.BoolFlag{Category: categoryCluster, Name: "no_advertise",
			Usage: "do not tell clients of other servers", Value: c.NoAdvertise, Destination: &c.NoAdvertise},
		&cli.GenericFlag{Category: categoryCluster, Name: "connect_retries",
			Usage: "attempts to find a lost server again that --routes does not name, `N`", DefaultText: "no limit",
			Value: numberValue{number: &c.ConnectRetries, min: 0, max: math.MaxInt32}},
		&cli.GenericFlag{Category: categoryCluster, Name: "pool_size",
			Usage: "connections to each server that has several as well, `N`", DefaultText: "one",
			Value: numberValue{number: &c.PoolSize, min: 0, max: math.MaxInt32}},
		&cli.StringFlag{Category: categoryCluster, Name: "compression",
			Usage: "how messages to other servers are compressed: off, accept, s2_auto, s2_uncompressed, s2_fast, " +
				"s2_better or s2_best, `MODE`", Value: c.Compression, Destination: &c.Compression},
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
	u, err := config.ClusterURL(text)
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
			return fmt.Errorf("%s: needs both a user and a password before the @, or neither", config.ShownURL(text))
		case auth.CheckSecret(c.Password) != nil:
			return fmt.Errorf("%s: the password looks like a bcrypt hash but is damaged, "+
				"quote it so that the shell leaves its $ alone", config.ShownURL(text))
		}
	}
	if c.Host = u.Hostname(); c.Host == "" {
		c.Host = node.DefaultHost
	}
	if c.Port, err = config.ListenPort(u, text); err != nil {
		return fmt.Errorf("%s: %w", config.ShownURL(text), err)
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

// routesValue are the URLs of --routes, which may be given several times. They replace those of a file.
type routesValue struct {
	routes *[]*url.URL
	given  *bool
}

func (v routesValue) Set(text string) error {
	return eachOf(text, v.routes, v.given, config.RouteURL)
}

// eachOf adds to list what parse makes of the parts of text, which commas separate. What list has that
// no flag has given is dropped.
func eachOf[T any](text string, list *[]T, given *bool, parse func(string) (T, error)) error {
	if !*given {
		*list, *given = nil, true
	}
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue // a list that a script puts together may end with a comma
		}
		parsed, err := parse(one)
		if err != nil {
			return err
		}
		*list = append(*list, parsed)
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
