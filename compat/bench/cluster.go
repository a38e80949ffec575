package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	meshTimeout = 20 * time.Second
	meshCalm    = 300 * time.Millisecond // how long a mesh must stay as it is to count as formed
	meshPoll    = 20 * time.Millisecond
)

// cluster is the servers that one row uses: a single one, or the nodes of a
// full mesh. The load generator publishes at the first.
type cluster []*server

func (c cluster) name() string { return c[0].name }

func (c cluster) stop() {
	for _, s := range c {
		s.stop()
	}
}

func (s *server) routeURL() string { return "nats://127.0.0.1:" + strconv.Itoa(s.routes) }

func (c cluster) routeURLs() string {
	var urls []string
	for _, s := range c {
		urls = append(urls, s.routeURL())
	}
	return strings.Join(urls, ",")
}

// startCluster runs n servers of one kind. A single one is no node of
// anything; several have their default configuration besides the addresses,
// and each is told of all that run already. That makes the same full mesh as
// telling everybody of everybody, but no two nodes dial each other at the same
// time, and nothing is left to be tried again while the load runs.
func (b *bench) startCluster(ctx context.Context, l launch, n int) (cluster, error) {
	var c cluster
	for range n {
		l.node, l.peers = n > 1, c
		s, err := b.start(ctx, l)
		if err != nil {
			c.stop()
			return nil, err
		}
		c = append(c, s)
	}
	if err := c.awaitMesh(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// routez is what /routez shows and this program needs. Both servers have it.
type routez struct {
	Routes []struct {
		RemoteID string `json:"remote_id"`
		Account  string `json:"account"`
		Subs     int    `json:"subscriptions"`
	} `json:"routes"`
}

// pages fetches the servers' HTTP pages; they are local and answer at once.
var pages = &http.Client{Timeout: 5 * time.Second}

func (s *server) routez(ctx context.Context) (routez, error) {
	var r routez
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(s.monitor)+"/routez", nil)
	if err != nil {
		return r, err
	}
	res, err := pages.Do(req)
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return r, fmt.Errorf("/routez: %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("/routez: %w", err)
	}
	return r, nil
}

// peers counts the other nodes that there are routes to.
func (r routez) peers() int {
	ids := map[string]bool{}
	for _, route := range r.Routes {
		ids[route.RemoteID] = true
	}
	return len(ids)
}

// clientSubs is how many subscriptions of the peers' clients are known. What
// nats-server itself subscribes to is in its system account, which has a route
// of its own.
func (r routez) clientSubs() int {
	n := 0
	for _, route := range r.Routes {
		if route.Account != "$SYS" {
			n += route.Subs
		}
	}
	return n
}

// awaitMesh returns when every node has routes to all others and their number
// has been the same for a while: nats-server makes several to each peer, one
// after the other.
func (c cluster) awaitMesh(ctx context.Context) error {
	if len(c) == 1 {
		return nil
	}
	deadline := time.Now().Add(meshTimeout)
	state, since := "", time.Now()
	for time.Now().Before(deadline) {
		now, complete, err := c.mesh(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
		if now != state || !complete {
			state, since = now, time.Now()
		}
		if time.Since(since) > meshCalm {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(meshPoll):
		}
	}
	return fmt.Errorf("%s: no full mesh within %v, routes to peers of each node:%s", c.name(), meshTimeout, state)
}

// mesh describes the routes of all nodes and tells whether none is missing.
func (c cluster) mesh(ctx context.Context) (state string, complete bool, err error) {
	complete = true
	for _, s := range c {
		r, err := s.routez(ctx)
		if err != nil {
			return "", false, err
		}
		state += fmt.Sprintf(" %d to %d", len(r.Routes), r.peers())
		complete = complete && r.peers() == len(c)-1
	}
	return state, complete, nil
}
