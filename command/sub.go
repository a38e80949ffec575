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

func subCommand(std streams) *cli.Command {
	c := newClient(std)
	var queue string
	var count int
	var raw bool
	const category = "Subscription"
	return &cli.Command{
		Name:      "sub",
		Usage:     "show the messages of a subject",
		ArgsUsage: "SUBJECT",
		Description: "Shows messages as they arrive, until ctrl-C. In SUBJECT, * stands for one token and " +
			"> for one or more at the end; quote it, since a shell knows these signs, too.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Category: category, Name: "queue", Usage: "share the messages with this `GROUP`", Destination: &queue},
			&cli.GenericFlag{Category: category, Name: "count", Usage: "end after `N` messages", DefaultText: "never",
				Value: numberValue{number: &count, min: 1, max: math.MaxInt32}},
			&cli.BoolFlag{Category: category, Name: "raw", Usage: "write bare payloads, each with a newline", Destination: &raw},
		}, c.flags()...),
		Action: func(ctx *cli.Context) error {
			if err := arguments(ctx, 1, 1); err != nil {
				return err
			}
			return c.sub(ctx.Context, ctx.Args().First(), queue, count, newScreen(std.out, raw))
		},
	}
}

// sub shows the messages of subject until ctx ends or count have come; 0 is no limit.
func (c *client) sub(ctx context.Context, subject, queue string, count int, screen *screen) error {
	if err := errors.Join(checkSubject(subject, true), checkQueue(queue)); err != nil {
		return err
	}
	nc, err := c.connect("sub", true)
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	sub, err := nc.QueueSubscribeSync(subject, queue)
	if err != nil {
		return natsError(err)
	}
	if count > 0 {
		// The server stops at the right message, so that none is taken from a queue group in vain.
		if err := sub.AutoUnsubscribe(count); err != nil {
			return natsError(err)
		}
	}
	if err := c.flush(nc); err != nil {
		return fmt.Errorf("cannot subscribe to %s: %w", subject, err)
	}
	group := ""
	if queue != "" {
		group = fmt.Sprintf(" in queue group %s", queue)
	}
	c.notice("Subscribed to %s%s on %s, ctrl-C ends", subject, group, redacted(nc.ConnectedUrl()))

	for count == 0 || screen.n < count {
		// Write while there is nothing to read, or when the buffer is full.
		if pending, _, err := sub.Pending(); err != nil || pending == 0 {
			if err := screen.flush(); err != nil {
				return err
			}
		}
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, nats.ErrMaxMessages) {
				break
			}
			return errors.Join(screen.flush(), c.subscriptionError(nc, subject, err))
		}
		var notes []string
		if msg.Reply != "" {
			notes = append(notes, "reply to "+clean(msg.Reply))
		}
		screen.show(time.Now(), msg, msg.Subject, notes...)
	}
	if err := screen.flush(); err != nil {
		return err
	}
	c.notice("%s received", counted(screen.n, "message"))
	return nil
}

// subscriptionError explains why a subscription has ended.
func (c *client) subscriptionError(nc *nats.Conn, subject string, err error) error {
	if last := nc.LastError(); last != nil && errors.Is(err, nats.ErrConnectionClosed) {
		err = last
	}
	return fmt.Errorf("the subscription to %s ended: %w", subject, natsError(err))
}
