package main

import "github.com/spf13/cobra"

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
// its example. cobra's own commands get theirs here.
func endHelpWithExample(root *cobra.Command) {
	root.SetHelpTemplate(helpTemplate)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Example = "  iscsifs help mount"
		case "completion":
			c.Example = "  iscsifs completion bash >/etc/bash_completion.d/iscsifs"
			for _, shell := range c.Commands() {
				shell.Example = "  iscsifs completion " + shell.Name()
			}
		}
	}
}
