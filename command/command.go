// Package command is the command line of shoal: it runs a message broker that speaks the NATS
// protocol, and talks to a running one.
//
// Without a command it is the server; see `shoal --help`.
package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/config"
)

// Main runs the command line of this process and returns its exit status.
func Main() int {
	// The arguments are copied before anything keeps a part of them: the originals get blanked.
	args := takeSecrets(os.Args)
	return run(args, streams{os.Stdin, os.Stdout, os.Stderr})
}

// streams are the three files of a command. Tests put buffers in their place.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// run executes the command line and returns the exit status. Whatever goes wrong is told in one
// line, for a person as well as for the log of a service manager; a configuration file may have several
// faults, with a line for each.
func run(args []string, std streams) int {
	app := newApp(args, std)
	if err := app.Run(flagsFirst(app, args)); err != nil {
		var several config.Errors
		if !errors.As(err, &several) {
			fmt.Fprintf(std.err, "shoal: %s\n", oneLine(err.Error()))
		}
		for _, one := range several {
			fmt.Fprintf(std.err, "shoal: %s\n", oneLine(one.Error()))
		}
		return 1
	}
	return 0
}

func newApp(args []string, std streams) *cli.App {
	settings := newSettings()
	app := &cli.App{
		Name:    "shoal",
		Usage:   "a message broker that speaks the NATS protocol",
		Version: node.Version,
		Flags:   settings.flags(),
		Commands: []*cli.Command{
			pubCommand(std),
			subCommand(std),
			requestCommand(std),
			replyCommand(std),
			benchCommand(std),
			membersCommand(std),
			drainCommand(std),
			undrainCommand(std),
			joinCommand(std),
			leaveCommand(std),
			rttCommand(std),
			keysCommand(std),
			reloadCommand(std),
			passwdCommand(std),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("%s: unknown command, see shoal --help", unknownCommand(c.Args().First()))
			}
			if settings.signal != "" {
				return sendSignal(settings.signal)
			}
			if c.IsSet("config") && settings.configFile == "" {
				return errors.New("--config: is empty, leave it out to run without a file")
			}
			for _, secret := range []string{"user", "pass", "auth"} {
				// An unset variable in a script must not open the server to everybody.
				if c.IsSet(secret) && c.String(secret) == "" {
					return fmt.Errorf("--%s: is empty, leave it out to admit everybody", secret)
				}
			}
			return start(c.Context, settings, args[1:], std)
		},
		OnUsageError: usageError,
		// The library would print what run prints, and exit under its feet.
		ExitErrHandler: func(*cli.Context, error) {},
		// A header may contain a comma.
		DisableSliceFlagSeparator: true,
		HideHelpCommand:           true,
		Reader:                    std.in,
		Writer:                    std.out,
		ErrWriter:                 std.err,
	}
	app.CustomAppHelpTemplate = serverHelp(app)
	for _, command := range app.Commands {
		// Without it, the subject "help" could not be used.
		command.HideHelpCommand = true
		command.OnUsageError = usageError
		command.Before = refuseServerFlags
		command.CustomHelpTemplate = commandHelp(command)
	}
	return app
}

// unknownCommand returns what somebody typed in place of a command as an error may show it: if it was
// meant for the list of --routes before it, it may have a password.
func unknownCommand(text string) string {
	if strings.Contains(text, "@") {
		return config.ShownURL(text)
	}
	return text
}

// refuseServerFlags keeps `shoal -p 4333 pub …` from ignoring the port silently.
func refuseServerFlags(c *cli.Context) error {
	server := c.Lineage()[1]
	// Some have their values from the environment, where they are meant for all commands. Those
	// are not counted, and come last among the names.
	if server.NumFlags() > 0 {
		return fmt.Errorf("%s: is a flag of the server; the flags of %q come after it", dashed(server.LocalFlagNames()[0]), c.Command.HelpName)
	}
	return nil
}

// oneLine joins the lines of text.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
