package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// helpTemplate puts the example last, behind the flags. That of the program itself has
// the exit codes too.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .Runnable}}{{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if not .HasParent}}

Exit codes:
EXITCODES{{end}}{{if .HasExample}}

Example:
{{.Example}}{{end}}
`

// endHelpWithExample makes the help of a command and of all below it end with
// its example. cobra's own commands get theirs here, and tell wrong usage from help.
func endHelpWithExample(root *cobra.Command) {
	root.SetHelpTemplate(strings.Replace(helpTemplate, "EXITCODES", exitCodes(), 1))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Use = "help [COMMAND]"
			c.Long = "help shows what a command does, its flags and an example; without a name, the list of\ncommands."
			c.Example = "  iscsifs help mount"
			c.Run, c.RunE = nil, helpOn
		case "completion":
			c.Long = "completion prints a script that lets a shell complete commands, flags, mountpoints and\ntargets. SHELL is bash, zsh, fish or powershell. `make install` and the packages have\ninstalled those of bash, zsh and fish."
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

// exitCodes is a line for each exit code.
func exitCodes() string {
	lines := make([]string, len(exitcode.Meanings))
	for i, m := range exitcode.Meanings {
		lines[i] = fmt.Sprintf("  %d  %s", m.Code, m.Text)
	}
	return strings.Join(lines, "\n")
}

// helpOn is help on the command that the arguments name.
func helpOn(c *cobra.Command, args []string) error {
	found, rest, err := c.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return noSuchCommand(c.Root(), "help ", strings.Join(args, " "))
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
