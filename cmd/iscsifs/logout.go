package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
)

func (p *program) logoutCommand() *cobra.Command {
	var o control.SessionOptions
	cmd := &cobra.Command{
		Use:   "logout MOUNTPOINT IQN|all",
		Short: "Log out of targets of a live mount, whose files vanish",
		Long: `logout writes back what is dirty on the LUNs of a target, or of all, takes their
files away and closes the sessions. They stay out, whatever rescan and reload find,
until iscsifs login. With --portal it closes those of one path, and the files stay as
long as there is another.

While a file is in use nothing is changed; logout names each holder with the command
that frees it, and exits 5. If data cannot be written it exits 6, and the target stays
logged in. --force does not wait: who uses a file gets errors at once, and what cannot
be written is kept in memory until the target is logged in to again.`,
		Example: `  iscsifs logout /mnt/luns iqn.2001-04.com.example:disk1
  iscsifs logout --portal 192.0.2.7 /mnt/luns all`,
		Args: between(2, 2, "MOUNTPOINT IQN|all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.IQN = args[1]
			return p.logout(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Portal, "portal", "", "only the sessions by `PORTAL`, as the configuration has it")
	flags.BoolVar(&o.Force, "force", false, "also if in use: waiting and later I/O fails with EIO")
	flags.BoolVar(&o.DiscardDirty, "discard-dirty", false, "give up what cannot be written: it is lost")
	return cmd
}

func (p *program) logout(ctx context.Context, point string, o control.SessionOptions) error {
	m, err := p.mountOn(ctx, point)
	if err != nil {
		return fmt.Errorf("logout %s: %w", point, err)
	}
	bar := p.newFlushBar("flushing " + m.Point)
	defer bar.end()
	return call(ctx, m, control.Logout, o, nil, bar.progress)
}
