package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
)

// watchEvery is the time between two tables of `shoal members --watch`.
const watchEvery = time.Second

// membersCommand is `shoal members`.
func membersCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	var asJSON, watch, all, drift bool
	return &cli.Command{
		Name:  "members",
		Usage: "show the servers of the cluster",
		Flags: a.flags(
			&cli.BoolFlag{Name: "all", Usage: "also those that have failed or left", Destination: &all},
			&cli.BoolFlag{Name: "drift", Usage: "show in what their settings differ instead", Destination: &drift},
			&cli.BoolFlag{Name: "watch", Usage: "show it again every second, until ctrl-C", Destination: &watch},
			&cli.BoolFlag{Name: "json", Usage: "write JSON", Destination: &asJSON},
		),
		Action: func(c *cli.Context) error {
			if err := exactly(c, 0); err != nil {
				return err
			}
			ctx, stop := untilInterrupted(c.Context)
			defer stop()
			for {
				var list memberList
				if err := a.call(ctx, http.MethodGet, "/members", nil, &list); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					return err
				}
				if !all {
					list.Members = slices.DeleteFunc(list.Members, func(m memberRow) bool {
						return m.Liveness == "failed" || m.Liveness == "left"
					})
				}
				if watch && isTerminal(a.out) {
					fmt.Fprint(a.out, "\x1b[H\x1b[2J")
				}
				if err := showMembers(a.out, &list, asJSON, drift, time.Now()); err != nil || !watch {
					return err
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(watchEvery):
				}
			}
		},
	}
}

func showMembers(w io.Writer, list *memberList, asJSON, drift bool, now time.Time) error {
	switch {
	case asJSON && drift:
		return writeIndented(w, list.Drift)
	case asJSON:
		return writeIndented(w, list)
	case drift:
		return showDrift(w, list)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATE\tADDRESS\tVERSION\tRTT\tCONNECTIONS\tSINCE")
	for _, m := range list.Members {
		name, state, rtt, connections := m.Name, m.State, m.RTT, "?"
		if m.Self {
			name, rtt = name+" *", "-"
		}
		if m.Liveness != "alive" {
			state = m.Liveness
		} else if !m.HasRoute {
			state += ", no route"
		}
		if m.Connections != nil {
			connections = fmt.Sprint(*m.Connections)
		}
		if m.Liveness == "failed" || m.Liveness == "left" {
			connections = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, state, orDash(m.Route), orDash(m.Version), orDash(rtt), connections,
			age(now.Sub(m.Since)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range list.Degraded {
		fmt.Fprintf(w, "%s has no route to %s for %s, although both are alive.\n", p.From, p.To, age(now.Sub(p.Since)))
	}
	if len(list.Drift) > 0 {
		fmt.Fprintf(w, "The servers differ in %s, see shoal members --drift.\n", counted(len(list.Drift), "setting"))
	}
	return nil
}

func showDrift(w io.Writer, list *memberList) error {
	if len(list.Drift) == 0 {
		text := "There is no other server to differ from.\n"
		if n := len(list.Members); n > 1 {
			text = fmt.Sprintf("%d servers have the same settings.\n", n)
		}
		_, err := io.WriteString(w, text)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SECTION\tSETTING\tVALUE\tSERVERS")
	for _, d := range list.Drift {
		section, setting := d.Section, d.Setting
		for _, value := range slices.Sorted(maps.Keys(d.Values)) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", section, setting, value, strings.Join(d.Values[value], ", "))
			section, setting = "", ""
		}
	}
	return t.Flush()
}

func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// age writes for how long something has been so.
func age(d time.Duration) string {
	switch {
	case d < 0 || d > 100*365*24*time.Hour:
		return "-"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// rttCommand is `shoal rtt`.
func rttCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	return &cli.Command{
		Name:        "rtt",
		Usage:       "estimate the round trip between two servers",
		ArgsUsage:   "SERVER SERVER",
		Description: "The estimate comes from coordinates that servers learn by gossip. It takes some minutes to settle.",
		Flags:       a.flags(),
		Action: func(c *cli.Context) error {
			if err := exactly(c, 2); err != nil {
				return err
			}
			var got rttAnswer
			path := "/rtt?" + url.Values{"a": {c.Args().Get(0)}, "b": {c.Args().Get(1)}}.Encode()
			if err := a.call(c.Context, http.MethodGet, path, nil, &got); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "%s to %s: %s, estimated\n", got.From, got.To, got.Estimated)
			return err
		},
	}
}

// joinCommand is `shoal join`.
func joinCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	return &cli.Command{
		Name:        "join",
		Usage:       "have a running server join others",
		ArgsUsage:   "ADDR",
		Description: "ADDR is a cluster address as --join takes it. The server goes on trying it as long as it runs.",
		Flags:       a.flags(),
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			var order joinOrder
			if err := (joinValue{&order.Addrs, new(bool)}).Set(c.Args().First()); err != nil {
				return err
			}
			if err := a.call(c.Context, http.MethodPost, "/join", order, nil); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "Joined %s\n", strings.Join(order.Addrs, ", "))
			return err
		},
	}
}

// leaveCommand is `shoal leave`.
func leaveCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	var now bool
	return &cli.Command{
		Name:        "leave",
		Usage:       "have a server leave the cluster and end",
		ArgsUsage:   "[SERVER]",
		Description: "SERVER is the name or the ID of any server of the cluster; without it, it is the one that is talked to. Its clients are sent to other servers first, one by one, as with --signal ldm.",
		Flags:       a.flags(&cli.BoolFlag{Name: "now", Usage: "close all connections at once", Destination: &now}),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				if err := exactly(c, 1); err != nil {
					return err
				}
			}
			var got leaveAnswer
			if err := a.call(c.Context, http.MethodPost, "/leave", leaveOrder{c.Args().First(), now}, &got); err != nil {
				return err
			}
			text := "%s leaves, and sends its %s elsewhere\n"
			if now {
				text = "%s stops, and closes its %s\n"
			}
			_, err := fmt.Fprintf(a.out, text, got.Server, counted(int(got.Connections), "client"))
			return err
		},
	}
}

// drainCommand is `shoal drain`.
func drainCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	var force, wait bool
	return &cli.Command{
		Name:      "drain",
		Usage:     "send the clients of a server elsewhere, until undrain",
		ArgsUsage: "SERVER",
		Description: "SERVER is the name or the ID of any server of the cluster. It refuses new clients and closes the " +
			"connections of those it has one by one, but does not end.",
		Flags: a.flags(
			&cli.BoolFlag{Name: "force", Usage: "although another one drains, or there is no other", Destination: &force},
			&cli.BoolFlag{Name: "wait", Usage: "return when it has no clients any more", Destination: &wait},
		),
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			var got drainAnswer
			if err := a.call(c.Context, http.MethodPost, "/drain", drainOrder{c.Args().First(), force}, &got); err != nil {
				return err
			}
			if !wait {
				_, err := fmt.Fprintf(a.out, "%s drains, shoal undrain %s takes it back\n", got.Server, got.Server)
				return err
			}
			if err := a.untilDrained(c.Context, got.Server); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "%s has no clients any more, shoal undrain %s takes it back\n", got.Server, got.Server)
			return err
		},
	}
}

// untilDrained returns when a server has no clients any more.
func (a *adminClient) untilDrained(ctx context.Context, name string) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	for {
		var list memberList
		if err := a.call(ctx, http.MethodGet, "/members", nil, &list); err != nil {
			return err
		}
		i := slices.IndexFunc(list.Members, func(m memberRow) bool { return m.Name == name && m.Liveness != "left" })
		switch {
		case i < 0:
			return fmt.Errorf("%s has left meanwhile", name)
		case list.Members[i].Connections == nil: // it could not be asked
		case !list.Members[i].Draining:
			return fmt.Errorf("%s was told to take clients again", name)
		case *list.Members[i].Connections == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted, %s goes on draining", name)
		case <-time.After(watchEvery / 4):
		}
	}
}

// undrainCommand is `shoal undrain`.
func undrainCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	return &cli.Command{
		Name:      "undrain",
		Usage:     "have a server that drains take clients again",
		ArgsUsage: "SERVER",
		Flags:     a.flags(),
		Action: func(c *cli.Context) error {
			if err := exactly(c, 1); err != nil {
				return err
			}
			var got drainAnswer
			if err := a.call(c.Context, http.MethodPost, "/undrain", drainOrder{Server: c.Args().First()}, &got); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "%s takes clients again\n", got.Server)
			return err
		},
	}
}
