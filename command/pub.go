package command

import (
	"context"
	"fmt"
	"math"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"
)

func pubCommand(std streams) *cli.Command {
	c := newClient(std)
	var headers cli.StringSlice
	var reply string
	count := 1
	const category = "Message"
	return &cli.Command{
		Name:      "pub",
		Usage:     "publish a message",
		ArgsUsage: "SUBJECT [BODY]",
		Description: "Publishes BODY, or what standard input has if BODY is - or missing, and waits until " +
			"the server has taken it.",
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Category: category, Name: "H", Aliases: []string{"header"},
				Usage: "add this `KEY:VALUE` to the headers, more than once", Destination: &headers},
			&cli.StringFlag{Category: category, Name: "reply", Usage: "ask for replies on this `SUBJECT`", Destination: &reply},
			&cli.GenericFlag{Category: category, Name: "count", Usage: "publish it `N` times",
				Value: numberValue{number: &count, min: 1, max: math.MaxInt32}},
		}, c.flags()...),
		Action: func(ctx *cli.Context) error {
			if err := arguments(ctx, 1, 2); err != nil {
				return err
			}
			header, err := parseHeaders(headers.Value())
			if err != nil {
				return err
			}
			return c.pub(ctx.Context, ctx.Args(), &nats.Msg{Subject: ctx.Args().First(), Reply: reply, Header: header}, count)
		},
	}
}

// pub publishes msg, whose body is still in args, count times.
func (c *client) pub(ctx context.Context, args cli.Args, msg *nats.Msg, count int) error {
	if err := checkSubject(msg.Subject, false); err != nil {
		return err
	}
	if msg.Reply != "" {
		if err := checkSubject(msg.Reply, false); err != nil {
			return fmt.Errorf("--reply: %w", err)
		}
	}
	nc, err := c.connect("pub", false)
	if err != nil {
		return err
	}
	defer nc.Close()
	if msg.Data, err = c.body(nc, args); err != nil {
		return err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	sent := 0
	for sent < count && ctx.Err() == nil {
		if err := nc.PublishMsg(msg); err != nil {
			return publishError(nc, msg, err)
		}
		sent++
	}
	if err := c.flush(nc); err != nil {
		return fmt.Errorf("cannot publish to %s: %w", msg.Subject, err)
	}
	each := ""
	if sent != 1 {
		each = " each"
	}
	c.notice("%s of %s%s published to %s", counted(sent, "message"), counted(len(msg.Data), "byte"), each, msg.Subject)
	return nil
}
