package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"
)

func requestCommand(std streams) *cli.Command {
	c := newClient(std)
	var headers cli.StringSlice
	var raw bool
	replies := 1
	const category = "Request"
	return &cli.Command{
		Name:      "request",
		Usage:     "send a request and show the replies",
		ArgsUsage: "SUBJECT [BODY]",
		Description: "Sends BODY, or what standard input has if BODY is - or missing, and waits for replies " +
			"until --timeout.",
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Category: category, Name: "H", Aliases: []string{"header"},
				Usage: "add this `KEY:VALUE` to the headers, more than once", Destination: &headers},
			&cli.GenericFlag{Category: category, Name: "replies", Usage: "wait for `N` replies, 0 is all that come in time",
				Value: numberValue{number: &replies, min: 0, max: math.MaxInt32}},
			&cli.BoolFlag{Category: category, Name: "raw", Usage: "write bare payloads, each with a newline", Destination: &raw},
		}, c.flags()...),
		Action: func(ctx *cli.Context) error {
			if err := arguments(ctx, 1, 2); err != nil {
				return err
			}
			header, err := parseHeaders(headers.Value())
			if err != nil {
				return err
			}
			msg := &nats.Msg{Subject: ctx.Args().First(), Header: header}
			return c.request(ctx.Context, ctx.Args(), msg, replies, newScreen(std.out, raw))
		},
	}
}

// request sends msg, whose body is still in args, and shows the replies: as many as are wanted, or
// with 0 all that come in time.
func (c *client) request(ctx context.Context, args cli.Args, msg *nats.Msg, wanted int, screen *screen) error {
	if err := checkSubject(msg.Subject, false); err != nil {
		return err
	}
	nc, err := c.connect("request", false)
	if err != nil {
		return err
	}
	defer nc.Close()
	if msg.Data, err = c.body(nc, args); err != nil {
		return err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	msg.Reply = nc.NewRespInbox()
	inbox, err := nc.SubscribeSync(msg.Reply)
	if err != nil {
		return natsError(err)
	}
	asked := time.Now()
	if err := nc.PublishMsg(msg); err != nil {
		return publishError(nc, msg, err)
	}
	timed, cancel := context.WithDeadline(ctx, asked.Add(c.timeout))
	defer cancel()
	for wanted == 0 || screen.n < wanted {
		reply, err := inbox.NextMsgWithContext(timed)
		if err != nil || isNoResponders(reply) {
			return errors.Join(screen.flush(), c.requestEnd(ctx, nc, msg.Subject, wanted, screen.n, err))
		}
		screen.show(time.Now(), reply, "", "after "+rounded(time.Since(asked)))
		if err := screen.flush(); err != nil {
			return err
		}
	}
	return nil
}

// requestEnd explains why no more replies are waited for, which need not be an error.
func (c *client) requestEnd(ctx context.Context, nc *nats.Conn, subject string, wanted, got int, err error) error {
	last := nc.LastError()
	switch {
	case ctx.Err() != nil, wanted == 0 && got > 0 && errors.Is(err, context.DeadlineExceeded):
		c.notice("%s received", counted(got, "reply"))
		return nil
	case err == nil, errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("nobody answers requests on %s (no responders)", subject)
	case last != nil:
		return fmt.Errorf("the request to %s failed: %w", subject, natsError(last))
	case !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the request to %s failed: %w", subject, natsError(err))
	case got > 0:
		return fmt.Errorf("%s of %d within %s", counted(got, "reply"), wanted, c.timeout)
	}
	return fmt.Errorf("no reply from %s within %s", subject, c.timeout)
}

// isNoResponders recognises the server's own answer to a request that nobody subscribes to.
func isNoResponders(msg *nats.Msg) bool {
	return len(msg.Data) == 0 && msg.Header.Get("Status") == "503"
}

// rounded writes a duration with three digits or so.
func rounded(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
