package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
)

func (p *program) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload MOUNTPOINT",
		Short: "Read the configuration of a live mount again",
		Long: `reload reads the configuration of a mount again, as SIGHUP does, and prints a line
for each change. New targets appear. Those that the file has no more go, as with
iscsifs logout: what is dirty is written, and one that is in use stays, with the
command that frees it. Portals, LUN lists, credentials, the log level and most
settings of the cache change at once; what cannot is named, with what to do, and then
reload does not exit 0. A file with faults changes nothing. In any case the log's file
is opened anew, for logrotate(8).

What was logged out by hand stays out.`,
		Example: `  iscsifs reload /mnt/luns`,
		Args:    between(1, 1, "MOUNTPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.reload(cmd.Context(), args[0])
		},
	}
}

func (p *program) reload(ctx context.Context, point string) error {
	m, err := p.mountOn(ctx, point)
	if err != nil {
		return fmt.Errorf("reload %s: %w", point, err)
	}
	bar := p.newFlushBar("flushing " + m.Point)
	var changes control.Changes
	err = call(ctx, m, control.Reload, nil, &changes, bar.progress)
	bar.end()
	if err != nil {
		return err
	}
	return p.showChanges("reload", changes)
}
