package command

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/urfave/cli/v2"

	"shoal/loadtest"
)

// bench is the command `shoal bench`: what is measured is [loadtest], this is how a person asks for
// it and gets to see it.
type bench struct {
	*client
	config     loadtest.Config
	request    bool
	json, csv  bool
	noProgress bool
}

const (
	// maxClients is more than one machine has ports for, as far as it goes for typing errors.
	maxClients = 20_000
	// The default is long enough for stable figures, and short enough to try something else.
	defaultBenchTime = 5 * time.Second
	defaultWarmup    = 500 * time.Millisecond
)

func benchCommand(std streams) *cli.Command {
	b := &bench{client: newClient(std)}
	// This is also how long bench waits for a message that does not come.
	b.timeout = 5 * time.Second
	b.config = loadtest.Config{Pubs: 1, Subs: 1, Size: 128, Subjects: 1, Duration: defaultBenchTime, Warmup: defaultWarmup}
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure throughput and latency of a server",
		ArgsUsage: "[SUBJECT]",
		Description: "Publishes to SUBJECT, or to one that nobody else uses, and measures how fast the messages " +
			"reach the subscribers. Every message is checked: if one is lost, repeated or out of order, the " +
			"status is 1. Clients are spread over several servers if there are several. ctrl-C ends early, with " +
			"the results so far.",
		Flags:  append(b.flags(), b.client.flags()...),
		Action: b.run,
	}
}

func (b *bench) flags() []cli.Flag {
	const load, shown = "Load", "Output"
	number := func(name, usage, text string, n *int, min, max int) cli.Flag {
		return &cli.GenericFlag{Category: load, Name: name, Usage: usage, DefaultText: text,
			Value: numberValue{number: n, min: min, max: max}}
	}
	c := &b.config
	return []cli.Flag{
		number("pubs", "`N` publishers, or requesters", "", &c.Pubs, 1, maxClients),
		number("subs", "`N` subscribers, each of which gets every message; 0 measures publishing alone", "", &c.Subs, 0, maxClients),
		&cli.StringFlag{Category: load, Name: "queue", Usage: "share the messages among the subscribers, as this `GROUP`", Destination: &c.Group},
		&cli.BoolFlag{Category: load, Name: "request", Usage: "send requests; the subscribers answer them, or with --subs 0 a service that is there already", Destination: &b.request},
		&cli.GenericFlag{Category: load, Name: "size", Usage: "`SIZE` of a message", Value: sizeValue{bytes: &c.Size, max: 64 << 20}},
		number("subjects", "publish to `N` different subjects in turn, SUBJECT.0 and so on", "", &c.Subjects, 1, 1_000_000),
		number("msgs", "end after `N` messages of all publishers together", "no limit", &c.Msgs, 1, math.MaxInt32),
		&cli.GenericFlag{Category: load, Name: "duration", Usage: "end after this `TIME`", Value: durationValue{&c.Duration}},
		&cli.GenericFlag{Category: load, Name: "warmup", Usage: "publish for this `TIME` before measuring, 0 for not at all", Value: pauseValue{durationValue{&c.Warmup}}},
		number("rate", "publish `N` messages per second, all publishers together; latency counts from when a message was due", "full speed", &c.Rate, 1, 100_000_000),
		number("in_flight", "at full speed, publishers wait when `N` of their messages have not arrived yet", "1 request, or some MB of messages", &c.InFlight, 1, 10_000_000),
		&cli.BoolFlag{Category: shown, Name: "json", Usage: "write the results as a JSON object", Destination: &b.json},
		&cli.BoolFlag{Category: shown, Name: "csv", Usage: "write the results as a line of CSV, below one with names", Destination: &b.csv},
		&cli.BoolFlag{Category: shown, Name: "no_progress", Usage: "show no progress bar, as when standard error is no terminal", Destination: &b.noProgress},
	}
}

// run is the action.
func (b *bench) run(ctx *cli.Context) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	running, stop := untilInterrupted(ctx.Context)
	defer stop()
	targets, err := b.targets(running)
	if err != nil {
		return err
	}
	b.config.Targets = targets
	bar := newProgressBar(b.err, b.noProgress)
	result, err := loadtest.Run(running, b.config, bar.show)
	bar.erase()
	if result == nil {
		return err
	}
	if err != nil {
		result.Error = err.Error()
	}
	return errors.Join(b.write(result), err)
}

// settle checks the flags together, and fills in what was left open.
func (b *bench) settle(ctx *cli.Context) error {
	c := &b.config
	c.Timeout = b.timeout
	c.Mode = loadtest.PubSub
	switch {
	case ctx.NArg() > 1:
		return arguments(ctx, 0, 1)
	case b.json && b.csv:
		return errors.New("--json: excludes --csv, results are written once")
	case ctx.IsSet("msgs") && ctx.IsSet("duration"):
		return errors.New("--msgs: excludes --duration, a run ends after so many messages or so much time")
	case ctx.IsSet("rate") && ctx.IsSet("in_flight"):
		return errors.New("--in_flight: is for full speed, with --rate the clock decides")
	case b.request && c.Subs == 0 && ctx.NArg() == 0:
		return errors.New("--subs: without responders, requests need the SUBJECT of a service that is there")
	case b.request:
		c.Mode = loadtest.Request
	case c.Group != "":
		c.Mode = loadtest.Queue
	}
	if c.Mode != loadtest.PubSub && c.Group == "" {
		c.Group = "bench"
	}
	c.Subject = ctx.Args().First()
	if ctx.NArg() == 0 {
		c.Subject = fmt.Sprintf("bench.%08x", rand.Uint32())
	}
	if err := errors.Join(checkSubject(c.Subject, false), checkQueue(c.Group)); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	return nil
}

// write shows the result in the form that was asked for.
func (b *bench) write(result *loadtest.Result) error {
	var err error
	switch {
	case b.json:
		err = writeJSON(b.out, result)
	case b.csv:
		err = writeCSV(b.out, result)
	default:
		err = writeReport(b.out, result)
	}
	if err != nil {
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	}
	return nil
}

// pauseValue is a span of time as the value of a flag that may be 0.
type pauseValue struct{ durationValue }

func (v pauseValue) Set(text string) error {
	if d, err := time.ParseDuration(text); err == nil && d == 0 {
		*v.duration = 0
		return nil
	}
	return v.durationValue.Set(text)
}
