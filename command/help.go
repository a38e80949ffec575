package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The help is laid out here and not by the templates of the library, which know neither the width
// of a terminal nor the order of our flags. It is plain text, which is a template, too.
const (
	helpWidth  = 80
	helpColumn = 31 // where descriptions begin
)

// serverHelp is the answer to `shoal --help`.
func serverHelp(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "shoal %s, %s\n", app.Version, app.Usage)
	b.WriteString("\nUsage:\n")
	for _, line := range [][2]string{
		{"shoal [FLAGS]", "run a server"},
		{"shoal COMMAND [FLAGS] ARGUMENTS", "talk to a running one"},
	} {
		entry(&b, line[0], line[1])
	}
	b.WriteString("\nCommands (shoal COMMAND --help tells more):\n")
	for _, c := range app.Commands {
		entry(&b, strings.TrimSpace(c.Name+" "+c.ArgsUsage), c.Usage)
	}
	helpFlags(&b, app.Flags)
	b.WriteString("\nOther:\n")
	entry(&b, "-h, --help", "show this help")
	entry(&b, "-v, --version", "show the version")
	b.WriteString("\n")
	paragraph(&b, "", 0, "Parentheses hold defaults. Flags work with one dash or two. A SIZE is in bytes or "+
		"has a unit, as in 64MB; a TIME is like 500ms, 10s or 2m.")
	return b.String()
}

// commandHelp is the answer to `shoal COMMAND --help`.
func commandHelp(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "shoal %s: %s\n\nUsage:\n  shoal %s %s [FLAGS]\n", c.Name, c.Usage, c.Name, c.ArgsUsage)
	if c.Description != "" {
		b.WriteString("\n")
		paragraph(&b, "", 0, c.Description)
	}
	helpFlags(&b, c.Flags)
	return b.String()
}

// helpFlags writes the flags under the headings of their categories.
func helpFlags(b *strings.Builder, flags []cli.Flag) {
	category := ""
	for _, flag := range flags {
		f, ok := flag.(interface {
			cli.DocGenerationFlag
			cli.CategorizableFlag
		})
		if !ok {
			continue
		}
		if f.GetCategory() != category {
			category = f.GetCategory()
			fmt.Fprintf(b, "\n%s:\n", category)
		}
		usage, placeholder := splitUsage(f.GetUsage())
		name := flagNames(f.Names())
		if f.TakesValue() {
			name += " " + placeholder
		}
		if text := f.GetDefaultText(); text != "" && text != "false" {
			usage += " (" + strings.Trim(text, `"`) + ")"
		}
		if env := f.GetEnvVars(); len(env) > 0 {
			usage += " [$" + strings.Join(env, ", $") + "]"
		}
		entry(b, name, usage)
	}
}

// splitUsage takes the word in backquotes, which stands for the flag's value, out of usage. Where
// it would end the text after a comma, it is there for its own sake only.
func splitUsage(usage string) (text, placeholder string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return usage, "VALUE"
	}
	placeholder, after, _ := strings.Cut(rest, "`")
	if head, ok := strings.CutSuffix(before, ", "); ok && after == "" {
		return head, placeholder
	}
	return before + placeholder + after, placeholder
}

// flagNames lists the names of a flag, short ones first.
func flagNames(names []string) string {
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int {
		return strings.Count(dashed(a), "-") - strings.Count(dashed(b), "-")
	})
	for i, name := range names {
		names[i] = dashed(name)
	}
	return strings.Join(names, ", ")
}

// entry writes a name with its description beside it.
func entry(b *strings.Builder, name, text string) {
	name = "  " + name
	if len(name) > helpColumn-2 {
		b.WriteString(name + "\n")
		name = ""
	}
	paragraph(b, name, helpColumn, text)
}

// paragraph writes text from a column on, wrapped to the width of a terminal. What comes before
// the column in the first line is lead.
func paragraph(b *strings.Builder, lead string, column int, text string) {
	line := lead + strings.Repeat(" ", column-len(lead))
	separator := ""
	for word := range strings.FieldsSeq(text) {
		if separator != "" && len(line)+len(separator)+len(word) > helpWidth {
			b.WriteString(line + "\n")
			line, separator = strings.Repeat(" ", column), ""
		}
		line += separator + word
		separator = " "
	}
	b.WriteString(line + "\n")
}
