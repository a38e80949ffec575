package command

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"shoal/loadtest"
)

// targets tries every server once, with the same library and the same complaints as the other
// commands, and returns what the lean clients of a benchmark need to connect.
func (b *bench) targets(ctx context.Context) ([]loadtest.Target, error) {
	var targets []loadtest.Target
	for server := range strings.SplitSeq(b.servers, ",") {
		if ctx.Err() != nil {
			return nil, loadtest.ErrInterrupted
		}
		target, err := b.target(strings.TrimSpace(server))
		if err != nil {
			return nil, err
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func (b *bench) target(server string) (loadtest.Target, error) {
	// A client of its own for each: a list would stand for servers that replace each other.
	one := newClient(b.streams)
	one.servers, one.user, one.password, one.token, one.timeout = server, b.user, b.password, b.token, b.timeout
	one.tls = b.tls
	nc, err := one.connect("bench", false)
	if err != nil {
		return loadtest.Target{}, err
	}
	defer nc.Close()
	u, err := url.Parse(nc.ConnectedUrl())
	switch {
	case err != nil:
		return loadtest.Target{}, fmt.Errorf("cannot connect to %s: it is not a URL", redacted(server))
	case u.Scheme == "ws" || u.Scheme == "wss":
		return loadtest.Target{}, errors.New("--server: bench does not speak WebSocket, take the port for NATS clients")
	case int64(b.config.Size) > nc.MaxPayload():
		return loadtest.Target{}, fmt.Errorf("--size: %d bytes are more than the %d that the server allows", b.config.Size, nc.MaxPayload())
	}
	return newTarget(nc, u, one)
}

// newTarget returns how to connect to where nc is connected. Credentials in the URL come first, as
// they do for the library.
func newTarget(nc *nats.Conn, u *url.URL, c *client) (loadtest.Target, error) {
	target := loadtest.Target{URL: redacted(nc.ConnectedUrl()), Address: nc.ConnectedAddr(),
		User: c.user, Password: c.password, Token: c.token}
	if target.Token != "" {
		target.User, target.Password = "", ""
	}
	if u.User != nil {
		target.User, target.Password, target.Token = u.User.Username(), "", ""
		if password, ok := u.User.Password(); ok {
			target.Password = password
		} else {
			target.User, target.Token = "", u.User.Username()
		}
	}
	if _, err := nc.TLSConnectionState(); err == nil {
		config, err := c.tls.config()
		if err != nil {
			return loadtest.Target{}, err
		}
		config.ServerName = u.Hostname()
		target.TLS, target.TLSFirst = config, c.tls.first
	}
	return target, nil
}
