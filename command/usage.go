package command

import (
	"errors"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"
)

// The complaints of the standard flag package, which has no error types for them.
var (
	unknownFlag  = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	missingValue = regexp.MustCompile(`^flag needs an argument: -(.*)$`)
	wrongValue   = regexp.MustCompile(`(?s)^invalid (boolean )?value (".*") for (?:flag )?-([^:]+): (.*)$`)
	badSyntax    = regexp.MustCompile(`^bad flag syntax: (.*)$`)
	twoForms     = regexp.MustCompile(`^Cannot use two forms of the same flag: (\S+) (\S+)$`)
)

// usageError turns a complaint about the command line into "flag: what is wrong, what to do".
func usageError(c *cli.Context, err error, isCommand bool) error {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		hint := "unknown flag, see " + c.Command.HelpName + " --help"
		if isCommand {
			hint += "; write -- before an argument that begins with a dash"
		}
		return errors.New(dashed(m[1]) + ": " + hint)
	}
	if m := missingValue.FindStringSubmatch(text); m != nil {
		return errors.New(dashed(m[1]) + ": needs a value")
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		value, name, reason := m[2], m[3], m[4]
		switch {
		case m[1] != "":
			reason = value + " is neither true nor false"
		case strings.HasPrefix(reason, "parse error"):
			reason = value + " is not a value that it takes"
		}
		return errors.New(dashed(name) + ": " + reason)
	}
	if m := badSyntax.FindStringSubmatch(text); m != nil {
		return errors.New(m[1] + ": is not a flag, see " + c.Command.HelpName + " --help")
	}
	if m := twoForms.FindStringSubmatch(text); m != nil {
		return errors.New(dashed(m[1]) + ": is given twice, also as " + dashed(m[2]))
	}
	return err
}

// dashed writes the name of a flag as people write it: one dash for the short ones.
func dashed(name string) string {
	if len(name) == 1 || name == "sl" || name == strings.ToUpper(name) {
		return "-" + name
	}
	return "--" + name
}

// flagsFirst moves the flags of a command in front of its arguments, so that both orders work:
// `shoal sub --count 1 orders` and `shoal sub orders --count 1`. What follows "--" is not a flag.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 3 {
		return args
	}
	command := app.Command(args[1])
	if command == nil {
		return args
	}
	var flags, others []string
	rest := args[2:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			others = append(others, rest...)
			rest = nil
		case len(arg) < 2 || arg[0] != '-':
			others = append(others, arg)
		default:
			flags = append(flags, arg)
			if !takesValue(command, arg) {
				break
			}
			if len(rest) == 0 {
				// Nothing may come after a flag without its value, or it would be taken for that.
				return append(args[:2:2], flags...)
			}
			flags = append(flags, rest[0])
			rest = rest[1:]
		}
	}
	ordered := append(args[:2:2], flags...)
	ordered = append(ordered, "--")
	return append(ordered, others...)
}

// takesValue reports whether the argument after arg, a flag of command, is the flag's value.
func takesValue(command *cli.Command, arg string) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
	for _, flag := range command.Flags {
		for _, known := range flag.Names() {
			if known == name {
				_, isBool := flag.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
