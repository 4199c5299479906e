package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

func (p *program) syncCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sync [MOUNTPOINT [IQN]]",
		Short: "Write back all that is dirty and synchronize the targets' caches",
		Long: `sync writes back everything that is dirty and sends SYNCHRONIZE CACHE to every
LUN: of all your mounts, of one, or of one target of it. It exits 6 if something
could not be written, which then stays dirty.

sync(1) does not reach a FUSE file system; this does.`,
		Example: `  iscsifs sync
  iscsifs sync /mnt/luns iqn.2001-04.com.example:disk1`,
		Args: between(0, 2, "[MOUNTPOINT [IQN]]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.sync(cmd.Context(), append(args, "", "")[:2])
		},
	}
}

// sync flushes the mounts that the arguments select, each whatever becomes of the
// others.
func (p *program) sync(ctx context.Context, args []string) error {
	list, err := p.selectMounts(ctx, "sync", args[0])
	if err != nil {
		return err
	}
	var failures []error
	for _, m := range list {
		bar := p.newFlushBar("flushing " + m.Point)
		err := call(ctx, m, control.Sync, control.SyncOptions{IQN: args[1]}, nil, bar.progress)
		bar.end()
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// selectMounts are what a command is for: the mount on a mountpoint, or all of this user.
func (p *program) selectMounts(ctx context.Context, command, point string) ([]mounts.Mount, error) {
	if point == "" {
		list, err := ownMounts()
		if err != nil {
			err = fmt.Errorf("%s: %w", command, err)
		}
		return list, err
	}
	m, err := p.mountOn(ctx, point)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", command, point, err)
	}
	return []mounts.Mount{m}, nil
}
