package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shown are the commands that help lists.
func shown(root *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			list = append(list, c)
		}
	}
	return list
}

// synopsis is a line for each command.
func synopsis(root *cobra.Command) string {
	lines := make([]string, 0, len(root.Commands()))
	for _, c := range shown(root) {
		name, arguments, _ := strings.Cut(c.Use, " ")
		line := strong(root.Name()+" "+name) + " "
		if c.LocalFlags().HasAvailableFlags() {
			line += escape("[OPTIONS] ")
		}
		lines = append(lines, strings.TrimSpace(line+escape(arguments)))
	}
	return strings.Join(lines, "  \n") + "\n" // two spaces end a line
}

// commands has the whole help of each command.
func commands(root *cobra.Command) string {
	var out strings.Builder
	for _, c := range shown(root) {
		fmt.Fprintf(&out, "### %s\n\n", escape(c.Use))
		about := c.Long
		if about == "" {
			about = c.Short + "."
		}
		out.WriteString(prose(about))
		out.WriteString(options(c))
		if c.Example != "" {
			out.WriteString(exampleHeading(c) + literal(c.Example))
		}
	}
	return out.String()
}

func exampleHeading(c *cobra.Command) string {
	if strings.Contains(c.Example, "\n") {
		return "Examples:\n\n"
	}
	return "Example:\n\n"
}

// options is a list of the options that are a command's own; all have --help.
func options(c *cobra.Command) string {
	text := ""
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			text += option(f)
		}
	})
	return text
}

func option(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	name := strong("--" + f.Name)
	if f.Shorthand != "" {
		name = strong("-"+f.Shorthand) + ", " + name
	}
	switch {
	case value == "" || f.Value.Type() == "count":
	case f.NoOptDefVal != "":
		name += escape("[=") + emphasis(value) + escape("]")
	default:
		name += " " + emphasis(value)
	}
	return term(name, escape(usage))
}
