package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/identity"
)

func (p *program) versionCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  iscsifs version -v",
		Args:    between(0, 0, "none"),
		RunE: func(*cobra.Command, []string) error {
			return p.printVersion(verbose)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also the initiator name in use where a configuration sets none, and what built it")
	return cmd
}

func (p *program) printVersion(verbose bool) error {
	fmt.Fprintf(p.stdout, "iscsifs %s\n", version)
	if !verbose {
		return nil
	}
	name, from, err := identity.InitiatorName("")
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "initiator name %s (from %s)\n%s %s/%s\n", name, from, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
