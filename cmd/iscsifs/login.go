package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
)

func (p *program) loginCommand() *cobra.Command {
	var preempt string
	var o control.SessionOptions
	cmd := &cobra.Command{
		Use:   "login MOUNTPOINT IQN|all",
		Short: "Log in to targets of a live mount, so that their files appear",
		Long: `login opens the sessions of a target of the configuration, or of all, that are
logged out: by iscsifs logout, or because of login = "manual". It returns when the
files are there. With --portal it opens those of one path.

What a forced logout has kept in memory goes to the LUN when that is proven to be the
same, or is held until iscsifs sync, as late_writes in the configuration says.

It also takes the persistent reservations of a target (exclusive = true in the
configuration) again that were lost while it is mounted: to another host, or with
the target's power. Until then nothing is written to these LUNs, and what is dirty
is kept; login lets it be written, over whatever another host wrote meanwhile.
A LUN that another host has reserved is refused, and the message names its key.`,
		Example: `  iscsifs login /mnt/luns iqn.2001-04.com.example:disk1
  iscsifs login --portal 192.0.2.7 /mnt/luns all
  iscsifs login --preempt 0x00000000000ab1e5 /mnt/luns all`,
		Args: between(2, 2, "MOUNTPOINT IQN|all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := parseKey(preempt)
			if err != nil {
				return err
			}
			o.IQN, o.Preempt = args[1], key
			return p.login(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().StringVar(&o.Portal, "portal", "", "only the sessions by `PORTAL`, as the configuration has it")
	cmd.Flags().StringVar(&preempt, "preempt", "", "take the reservation from `KEY`, and from no other")
	return cmd
}

func (p *program) login(ctx context.Context, point string, o control.SessionOptions) error {
	m, err := p.mountOn(ctx, point)
	if err != nil {
		return fmt.Errorf("login %s: %w", point, err)
	}
	return call(ctx, m, control.Login, o, nil, nil)
}
