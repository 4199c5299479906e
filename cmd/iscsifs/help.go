package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// helpTemplate puts the example last, behind the flags.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .Runnable}}{{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasExample}}

Example:
{{.Example}}{{end}}
`

// endHelpWithExample makes the help of a command and of all below it end with
// its example. cobra's own commands get theirs here, and tell wrong usage from help.
func endHelpWithExample(root *cobra.Command) {
	root.SetHelpTemplate(helpTemplate)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Example = "  iscsifs help mount"
			c.Run, c.RunE = nil, helpOn
		case "completion":
			c.Example = "  iscsifs completion bash >/etc/bash_completion.d/iscsifs"
			c.Use = "completion SHELL"
			c.Args = cobra.ArbitraryArgs
			c.RunE = unknownShell
			for _, shell := range c.Commands() {
				shell.Example = "  iscsifs completion " + shell.Name()
			}
		}
	}
}

// helpOn is help on the command that the arguments name.
func helpOn(c *cobra.Command, args []string) error {
	found, rest, err := c.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return usageError("help %s: no such command; `iscsifs help` lists them", strings.Join(args, " "))
	}
	found.InitDefaultHelpFlag()
	return found.Help()
}

// unknownShell is completion without the name of a shell that it knows.
func unknownShell(c *cobra.Command, args []string) error {
	names := make([]string, 0, len(c.Commands()))
	for _, shell := range c.Commands() {
		names = append(names, shell.Name())
	}
	given := strings.Join(append([]string{"completion"}, args...), " ")
	return usageError("%s: give one of %s", given, strings.Join(names, ", "))
}
