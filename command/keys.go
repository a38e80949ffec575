package command

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"shoal/membership"
)

// keysCommand is `shoal keys`: what there is to do with the keys of gossip.
func keysCommand(std streams) *cli.Command {
	k := &keys{adminClient: newAdminClient(std)}
	return &cli.Command{
		Name:      "keys",
		Usage:     "make a key for gossip; list, install, use, remove or rotate those of a cluster",
		ArgsUsage: "ACTION [KEY]",
		Description: "generate prints a new key, which belongs into the file of --gossip_key or into " + gossipKeyVariable + ". " +
			"list shows which servers have which keys, by fingerprint. install FILE gives all servers the key in a file, " +
			"or in standard input if FILE is -. use FINGERPRINT has all encrypt with that key. remove FINGERPRINT has all " +
			"forget it; this is refused while a server could not come back without it. rotate does all of that: it makes " +
			"a key, and in the end all servers have that one and no other.",
		Flags: k.flags(&cli.BoolFlag{Name: "yes", Usage: "rotate without asking", Destination: &k.yes}),
		Action: func(c *cli.Context) error {
			action, ok := k.actions()[c.Args().First()]
			switch {
			case !c.Args().Present():
				return fmt.Errorf("an action is missing: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
			case !ok:
				return fmt.Errorf("%q is not an action, use generate, list, install, use, remove or rotate", c.Args().First())
			case c.NArg()-1 < action.arguments:
				return fmt.Errorf("%s: needs %s", c.Args().First(), action.argument)
			case c.NArg()-1 > action.arguments:
				return fmt.Errorf("%q is one argument too many", c.Args().Get(action.arguments+1))
			}
			return action.do(c.Context, c.Args().Get(1))
		},
	}
}

// keys carries out the actions of `shoal keys`.
type keys struct {
	*adminClient
	yes bool
}

// keyAction is one of them. argument is what its argument is, if it has one.
type keyAction struct {
	arguments int
	argument  string
	do        func(ctx context.Context, arg string) error
}

func (k *keys) actions() map[string]keyAction {
	return map[string]keyAction{
		"generate": {do: func(context.Context, string) error { return k.generate() }},
		"list":     {do: func(ctx context.Context, _ string) error { return k.list(ctx) }},
		"rotate":   {do: func(ctx context.Context, _ string) error { return k.rotate(ctx) }},
		"install":  {1, "the file with the key, or - for standard input", k.install},
		"use":      {1, "the fingerprint of the key, see shoal keys list", k.changer("use", "All servers encrypt with %s\n")},
		"remove":   {1, "the fingerprint of the key, see shoal keys list", k.changer("remove", "All servers have forgotten %s\n")},
	}
}

// keyBytes is the length of a new key, for AES-256.
const keyBytes = 32

func (k *keys) generate() error {
	key := make([]byte, keyBytes)
	rand.Read(key)
	_, err := fmt.Fprintln(k.out, base64.StdEncoding.EncodeToString(key))
	return err
}

func (k *keys) list(ctx context.Context) error {
	var got keyList
	if err := k.call(ctx, http.MethodGet, "/keys", nil, &got); err != nil {
		return err
	}
	most := len(got.Silent)
	if len(got.Keys) > 0 {
		var all []string
		for _, key := range got.Keys {
			all = append(all, key.Holders...)
		}
		slices.Sort(all)
		most += len(slices.Compact(all))
	}
	t := tabwriter.NewWriter(k.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FINGERPRINT\tSERVERS\tIN USE AT\tMISSING AT")
	for _, key := range got.Keys {
		fmt.Fprintf(t, "%s\t%d of %d\t%d\t%s\n", key.Fingerprint, len(key.Holders), most, len(key.Primary),
			orDash(strings.Join(missingFrom(got, key.Holders), ", ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for name, why := range got.Silent {
		fmt.Fprintf(k.out, "%s did not tell: %s\n", name, why)
	}
	return nil
}

// missingFrom returns the servers that are not among the holders of a key.
func missingFrom(list keyList, holders []string) []string {
	var missing []string
	for _, key := range list.Keys {
		for _, name := range key.Holders {
			if !slices.Contains(holders, name) && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func (k *keys) install(ctx context.Context, file string) error {
	if _, err := parseKey(file); err == nil {
		return errors.New("install: takes the name of a file, not a key: everybody on this machine may see arguments")
	}
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(k.in, longestOrder))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return fmt.Errorf("install: cannot read %s: %w", file, reason(err))
	}
	list, err := parseKeys(string(text))
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	if len(list) > 1 {
		return fmt.Errorf("install: %s has %d keys, install one at a time", file, len(list))
	}
	name := membership.Fingerprint(list[0])
	if err := k.call(ctx, http.MethodPost, "/keys/install", keyOrder{Key: list[0]}, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(k.out, "All servers know %s; shoal keys use %s has them encrypt with it\n", name, name)
	return err
}

// rotate has all servers use a new key and forget all others. If something is in the way, it says how to go
// on: every step can be repeated.
func (k *keys) rotate(ctx context.Context) error {
	var old keyList
	if err := k.call(ctx, http.MethodGet, "/keys", nil, &old); err != nil {
		return err
	}
	for name, why := range old.Silent {
		return fmt.Errorf("rotate: %s did not tell its keys: %s", name, why)
	}
	if !k.yes {
		fmt.Fprint(k.out, "All servers are going to encrypt gossip with a new key, and to forget the one they have. Go on? [y/N] ")
		line, _ := bufio.NewReader(k.in).ReadString('\n') // at its end the answer is no
		if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
			return errors.New("rotate: nothing was changed; --yes does not ask")
		}
	}
	key := make([]byte, keyBytes)
	rand.Read(key)
	name := membership.Fingerprint(key)
	if err := k.call(ctx, http.MethodPost, "/keys/install", keyOrder{Key: key}, nil); err != nil {
		return fmt.Errorf("rotate: key %s is new, but is not in use: %w; when that is mended, "+
			"shoal keys use %s and remove the others", name, err, name)
	}
	if err := k.call(ctx, http.MethodPost, "/keys/use", keyOrder{Fingerprint: name}, nil); err != nil {
		return fmt.Errorf("rotate: all servers know the new key %s: %w; when that is mended, "+
			"shoal keys use %s and remove the others", name, err, name)
	}
	for _, other := range old.Keys {
		if err := k.call(ctx, http.MethodPost, "/keys/remove", keyOrder{Fingerprint: other.Fingerprint}, nil); err != nil {
			return fmt.Errorf("rotate: the new key %s is in use: %w; when that is mended, shoal keys remove %s",
				name, err, other.Fingerprint)
		}
	}
	_, err := fmt.Fprintf(k.out, "All servers encrypt with %s, and have no other key\n", name)
	return err
}

// changer returns an action on a key that the servers have already.
func (k *keys) changer(action, done string) func(context.Context, string) error {
	return func(ctx context.Context, fingerprint string) error {
		err := k.call(ctx, http.MethodPost, "/keys/"+action, keyOrder{Fingerprint: fingerprint}, nil)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(k.out, done, fingerprint)
		return err
	}
}
