package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"

	"shoal/node/config"
)

// readFunc reads the settings of the server again: its file, with its flags over it.
type readFunc func() (*settings, []config.Warning, error)

// reloadTime is how long a reload may wait for other servers, which take over new keys of gossip.
const reloadTime = 5 * time.Second

// reloaded is what has become of a reload.
type reloaded struct {
	changes []config.Change
	err     error
}

// askReload has the server reload, and returns in what the settings differ now.
func (r *running) askReload(ctx context.Context) ([]config.Change, error) {
	done := make(chan reloaded, 1)
	select {
	case r.reloads <- done:
		got := <-done
		return got.changes, got.err
	case <-r.node.Done():
		return nil, errors.New("the server is shutting down")
	case <-ctx.Done():
		return nil, errors.New("the server is busy with something else, try again")
	}
}

// reload has the server be as its file and its flags say now, all or nothing, and logs what that means.
func (r *running) reload() reloaded {
	changes, err := r.tryReload()
	if err != nil {
		var several config.Errors
		if !errors.As(err, &several) {
			r.log.Error("Failed to reload server configuration: " + oneLine(err.Error()))
		}
		for _, one := range several {
			r.log.Error("Failed to reload server configuration: " + oneLine(one.Error()))
		}
		return reloaded{err: err}
	}
	for _, c := range changes {
		r.log.Info("Reloaded: " + oneLine(c.String()))
	}
	text := "Reloaded server configuration"
	if digest := r.settings().Digest; digest != "" {
		text += " (" + digest + ")"
	}
	r.log.Info(text)
	return reloaded{changes: changes}
}

// tryReload does that. Everything that can fail comes before anything that others see.
func (r *running) tryReload() (changes []config.Change, err error) {
	old := r.settings()
	next, warnings, err := r.read()
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		r.log.Warn(w.String())
	}
	if err := next.prepare(r.log.Logger); err != nil {
		return nil, err
	}
	for _, w := range next.outdated(time.Now()) {
		r.log.Warn(w)
	}
	if next.AdminSocket != old.AdminSocket {
		return nil, next.place(errors.New("admin_socket: it cannot change while the server runs, restart it"))
	}
	next.Node.Logger, next.Node.Leave, next.Node.Cluster.KeepGossipKeys = r.log.Logger, r.order, r.keepKeys
	if keys := r.kept.Load(); keys != nil && next.GossipKeyFile == "" {
		next.Node.Cluster.GossipKeys = *keys // the environment still has those of the start
	}
	x, err := r.extras.next(old, next, r.node)
	if err != nil {
		return nil, err
	}
	output, err := r.log.open(next)
	if err != nil {
		x.closeBut(r.extras)
		return nil, err
	}

	before := r.log.change(output) // the node asks what is logged
	r.current.Store(next)
	ctx, cancel := context.WithTimeout(context.Background(), reloadTime)
	defer cancel()
	if err := r.node.Reload(ctx, next.Node); err != nil {
		r.current.Store(old)
		r.log.change(before)
		output.closeBut(before)
		x.closeBut(r.extras)
		return nil, next.place(err)
	}
	r.become(next)
	before.closeBut(output)
	x.serve(r.extras, r.monitored, r.log.Logger)
	if err := x.announce(r.extras, r.monitored, r.log.Logger); err != nil {
		r.log.Error("Others will not find what has changed", "err", err)
	}
	r.extras.closeBut(x)
	r.extras = x

	changes = config.Diff(old.Settings, next.Settings)
	return append(changes, changedCertificates(old, next)...), nil
}

// keepKeys keeps the keys of gossip for the next start, if there is a file for them, and in any case for
// the next reload.
func (r *running) keepKeys(keys [][]byte) error {
	r.kept.Store(&keys)
	if file := r.settings().GossipKeyFile; file != "" {
		return writeKeys(file, keys)
	}
	return nil
}

// reloadCommand is `shoal reload`.
func reloadCommand(std streams) *cli.Command {
	a := newAdminClient(std)
	return &cli.Command{
		Name:  "reload",
		Usage: "have a running server read its configuration again",
		Description: "All of it counts from then on, or nothing: what is wrong is told here and in the log of the server. " +
			"It does the same as signal HUP.",
		Flags: a.flags(),
		Action: func(c *cli.Context) error {
			if err := exactly(c, 0); err != nil {
				return err
			}
			var got reloadAnswer
			if err := a.call(c.Context, http.MethodPost, "/reload", nil, &got); err != nil {
				return err
			}
			for _, change := range got.Changes {
				fmt.Fprintln(a.out, change)
			}
			_, err := fmt.Fprintf(a.out, "Reloaded, %s changed\n", counted(len(got.Changes), "option"))
			return err
		},
	}
}
