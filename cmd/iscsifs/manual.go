package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/manual"
)

// manualCommand is for `make man`, which pipes its output through go-md2man.
func (p *program) manualCommand() *cobra.Command {
	pages := strings.Join(manual.Pages, "|")
	return &cobra.Command{
		Use:       "manual " + pages,
		Short:     "Print a man page as Markdown",
		Example:   "  iscsifs manual iscsifs.8",
		Hidden:    true,
		ValidArgs: manual.Pages,
		Args:      cobra.MatchAll(between(1, 1, pages), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return manual.Write(p.stdout, args[0], cmd.Root(), version)
		},
	}
}
