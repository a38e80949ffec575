package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"
)

func replyCommand(std streams) *cli.Command {
	c := newClient(std)
	var queue string
	var echo bool
	const category = "Replies"
	return &cli.Command{
		Name:      "reply",
		Usage:     "answer the requests of a subject",
		ArgsUsage: "SUBJECT [BODY]",
		Description: "Answers every request with BODY, or with its own text, until ctrl-C. Several that " +
			"share a queue group share the requests.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Category: category, Name: "queue", Usage: "share the requests with this `GROUP`", Destination: &queue},
			&cli.BoolFlag{Category: category, Name: "echo", Usage: "send back what the request says", Destination: &echo},
		}, c.flags()...),
		Action: func(ctx *cli.Context) error {
			if err := arguments(ctx, 1, 2); err != nil {
				return err
			}
			if echo == (ctx.NArg() == 2) {
				return errors.New("say what to reply: either a BODY or --echo")
			}
			return c.reply(ctx.Context, ctx.Args(), queue, echo)
		},
	}
}

// reply answers requests until ctx ends: with the body in args, or with echo by their own.
func (c *client) reply(ctx context.Context, args cli.Args, queue string, echo bool) error {
	subject := args.First()
	if err := errors.Join(checkSubject(subject, true), checkQueue(queue)); err != nil {
		return err
	}
	nc, err := c.connect("reply", true)
	if err != nil {
		return err
	}
	defer nc.Close()
	var body []byte
	if !echo {
		if body, err = c.body(nc, args); err != nil {
			return err
		}
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	sub, err := nc.QueueSubscribeSync(subject, queue)
	if err != nil {
		return natsError(err)
	}
	if err := c.flush(nc); err != nil {
		return fmt.Errorf("cannot subscribe to %s: %w", subject, err)
	}
	c.notice("Answering requests on %s at %s, ctrl-C ends", subject, redacted(nc.ConnectedUrl()))

	screen := newScreen(c.out, false)
	answered := 0
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return errors.Join(screen.flush(), c.subscriptionError(nc, subject, err))
		}
		note := "no reply wanted"
		if msg.Reply != "" {
			answer := nats.NewMsg(msg.Reply)
			answer.Data = body
			if echo {
				answer.Data, answer.Header = msg.Data, msg.Header
			}
			if err := nc.PublishMsg(answer); err != nil {
				return publishError(nc, answer, err)
			}
			answered++
			note = "answered"
		}
		screen.show(time.Now(), msg, msg.Subject, note)
		if err := screen.flush(); err != nil {
			return err
		}
	}
	// The last answers may still be on their way.
	if err := nc.FlushTimeout(c.timeout); err != nil && !nc.IsReconnecting() {
		return fmt.Errorf("the last answers may be lost: %w", natsError(err))
	}
	c.notice("%s answered", counted(answered, "request"))
	return nil
}
