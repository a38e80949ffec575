package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"
)

const defaultServer = "nats://127.0.0.1:4222"

// client is what the commands that talk to a server have in common.
type client struct {
	streams
	servers  string
	user     string
	password string
	token    string
	timeout  time.Duration
	tls      clientTLS

	mu      sync.Mutex // guards dialErr, and keeps the notices on streams.err apart
	dialErr error      // why the last connection attempt failed
}

func newClient(std streams) *client {
	return &client{streams: std, timeout: 2 * time.Second}
}

// flags returns the flags that every client command has.
func (c *client) flags() []cli.Flag {
	const category = "Connection"
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Category: category, Name: "server", Aliases: []string{"s"}, EnvVars: []string{"SHOAL_URL", "NATS_URL"},
			Usage: "`URL` of the server, or several with commas", Value: defaultServer, Destination: &c.servers},
		&cli.StringFlag{Category: category, Name: "user", EnvVars: []string{"SHOAL_USER"},
			Usage: "`NAME` to log in with", Destination: &c.user},
		&cli.StringFlag{Category: category, Name: "password", EnvVars: []string{"SHOAL_PASS"},
			Usage: "`PASSWORD` of that user", Destination: &c.password},
		&cli.StringFlag{Category: category, Name: "token", EnvVars: []string{"SHOAL_AUTH"},
			Usage: "`TOKEN` to log in with", Destination: &c.token},
		&cli.GenericFlag{Category: category, Name: "timeout",
			Usage: "`TIME` to wait for the server or an answer", Value: durationValue{&c.timeout}},
	}, c.tls.flags(category))
}

// connect opens a connection. It stays connected through failures of a server if that is wanted,
// as it is by who waits for messages.
func (c *client) connect(name string, reconnect bool) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("shoal " + name),
		nats.Timeout(c.timeout),
		nats.SetCustomDialer(c),
		nats.PermissionErrOnSubscribe(true),
		nats.ErrorHandler(c.onError),
		nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(c.onDisconnect),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.notice("Connected again, to %s", redacted(nc.ConnectedUrl())) }),
	}
	if !reconnect {
		options = append(options, nats.NoReconnect(), nats.DisconnectErrHandler(nil))
	}
	switch {
	case c.token != "":
		options = append(options, nats.Token(c.token))
	case c.user != "" || c.password != "":
		options = append(options, nats.UserInfo(c.user, c.password))
	}
	secure, err := c.tls.options()
	if err != nil {
		return nil, err
	}
	options = append(options, secure...)
	nc, err := nats.Connect(c.servers, options...)
	if err != nil {
		return nil, c.connectError(err)
	}
	return nc, nil
}

// Dial implements [nats.CustomDialer]. The library reports a refused connection as "no servers
// available", which tells nobody what to do; this keeps the cause.
func (c *client) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, c.timeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialErr = err
	return conn, err
}

func (c *client) connectError(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := "cannot connect to " + redacted(c.servers)
	var timeout net.Error
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("%s: its certificate is not trusted: %w; --tlscacert names its authority", to, certificate.Err)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%s: the server does not accept these credentials, check --user and --password, or --token", to)
	case errors.As(c.dialErr, &dns):
		return fmt.Errorf("%s: no such host", to)
	case errors.Is(c.dialErr, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: connection refused; is a server running there?", to)
	case errors.As(c.dialErr, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s: no answer within %s", to, c.timeout)
	case c.dialErr != nil:
		return fmt.Errorf("%s: %w", to, reason(c.dialErr))
	case errors.Is(err, nats.ErrNoInfoReceived):
		return fmt.Errorf("%s: what answers there is not a NATS server", to)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s: connected, but got no greeting within %s", to, c.timeout)
	}
	if malformed := (*url.Error)(nil); errors.As(err, &malformed) {
		err = malformed.Err // without the URL, in which there may be a password
	}
	return fmt.Errorf("%s: %w", to, natsError(err))
}

// redacted returns a list of URLs without their credentials.
func redacted(servers string) string {
	list := strings.Split(servers, ",")
	for i, server := range list {
		if u, err := url.Parse(strings.TrimSpace(server)); err == nil && u.User != nil {
			// The user goes, too: without a password it is a token.
			u.User = nil
			list[i] = u.String()
		} else if at := strings.LastIndexByte(server, '@'); at >= 0 {
			list[i] = server[at+1:]
		}
	}
	return strings.Join(list, ",")
}

// notice tells the person at the terminal something that is not data.
func (c *client) notice(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.err, format+"\n", args...)
}

func (c *client) onDisconnect(nc *nats.Conn, err error) {
	if err != nil && !nc.IsClosed() {
		c.notice("Lost the connection (%v), trying again", natsError(err))
	}
}

func (c *client) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		dropped, _ := sub.Dropped()
		c.notice("Messages arrive faster than they can be shown, %d are lost", dropped)
		return
	}
	// A permission that was refused ends the command, which reports it.
	if !errors.Is(err, nats.ErrPermissionViolation) {
		c.notice("The server says: %v", natsError(err))
	}
}

// flush waits until the server has handled all that was sent, and returns what it complained about.
func (c *client) flush(nc *nats.Conn) error {
	if err := nc.FlushTimeout(c.timeout); err != nil && !nc.IsClosed() {
		return fmt.Errorf("the server does not confirm: %w", natsError(err))
	}
	if err := nc.LastError(); err != nil {
		return natsError(err)
	}
	if nc.IsClosed() {
		return errors.New("the server closed the connection")
	}
	return nil
}

// natsError drops from an error of the library what it says twice, and its name.
func natsError(err error) error {
	text := strings.TrimPrefix(err.Error(), "nats: ")
	if errors.Is(err, nats.ErrPermissionViolation) {
		text = strings.TrimPrefix(text, "permissions violation: ")
	}
	return errors.New(text)
}

// untilInterrupted returns a context that ctrl-C ends. A second one kills the program.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// arguments checks that a command got as many arguments as it has use for.
func arguments(c *cli.Context, min, max int) error {
	switch n := c.NArg(); {
	case n < min:
		return fmt.Errorf("a subject is missing: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	case n > max:
		return fmt.Errorf("%q is one argument too many, quote a text with spaces: %s %s",
			c.Args().Get(max), c.Command.HelpName, c.Command.ArgsUsage)
	}
	return nil
}

// counted writes a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") {
		return strconv.Itoa(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
