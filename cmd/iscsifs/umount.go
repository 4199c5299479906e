package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

func (p *program) umountCommand() *cobra.Command {
	var o control.UmountOptions
	cmd := &cobra.Command{
		Use:   "umount MOUNTPOINT",
		Short: "Flush, log out and unmount",
		Long: `umount writes back what is dirty, synchronizes the targets' caches, logs out,
unmounts, and waits until the daemon is gone. What it acknowledges is on the
target.

If a LUN is in use it changes nothing, names each holder with the command that
frees it, and exits 5. If data cannot be written in time it exits 6, and
everything stays mounted and usable. A mount whose daemon is dead is cleared.`,
		Example: `  iscsifs umount /mnt/luns
  iscsifs umount --timeout 30m /mnt/luns`,
		Args: between(1, 1, "MOUNTPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Lazy && o.Force {
				return usageError("umount: --lazy leaves the holders alone and --force cuts them off: give one of them")
			}
			return p.umount(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	durationVar(flags, &o.Timeout, "timeout", "for the flush (default: replacement_timeout of the configuration, at most 10m)")
	flags.BoolVarP(&o.Lazy, "lazy", "l", false, "if in use, detach the name; the daemon serves until the last holder is gone, then flushes and ends")
	flags.BoolVar(&o.Force, "force", false, "if in use, flush and cut the holders off: they get errors")
	flags.BoolVar(&o.DiscardDirty, "discard-dirty", false, "give up what cannot be written: it is lost")
	return cmd
}

// umount asks the daemon to unmount, and waits for its end.
func (p *program) umount(ctx context.Context, point string, o control.UmountOptions) error {
	m, err := p.mountOn(ctx, point)
	if err != nil {
		return fmt.Errorf("umount %s: %w", point, err)
	}
	if err := os.Chdir("/"); err != nil { // who asks from within does not keep it busy
		return err
	}
	daemon, err := control.Dial(ctx, m.Point, m.UserID)
	if errors.Is(err, control.ErrNoDaemon) {
		return p.clearDead(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("umount %w", err)
	}
	defer daemon.Close()
	request, err := control.NewRequest(control.Umount, o)
	if err != nil {
		return err
	}
	bar := p.newFlushBar("flushing " + m.Point)
	_, err = daemon.Call(ctx, request, bar.progress)
	bar.end()
	if err != nil {
		return err
	}
	return waitGone(ctx, m, daemon, o)
}

// goneTime bounds the wait for the end of a daemon that has nothing left to do.
const goneTime = 30 * time.Second

// waitGone returns when the mount is gone, and the daemon too unless it serves
// the last holders.
func waitGone(ctx context.Context, m mounts.Mount, daemon *control.Client, o control.UmountOptions) error {
	ctx, cancel := context.WithTimeout(ctx, goneTime)
	defer cancel()
	if err := m.WaitGone(ctx); err != nil {
		return fmt.Errorf("umount %s: still in the list of mounts: %w", m.Point, err)
	}
	if o.Lazy {
		return nil
	}
	if err := daemon.WaitExit(ctx); err != nil {
		return fmt.Errorf("umount %s: unmounted, but the daemon (process %d) has not ended: %w", m.Point, daemon.Daemon.PID, err)
	}
	return nil
}

// clearDead takes away a mount that no daemon answers for.
func (p *program) clearDead(ctx context.Context, m mounts.Mount) error {
	state, err := m.Probe(ctx, mounts.ProbeTime)
	if err != nil {
		return err
	}
	if state != mounts.Dead {
		return fmt.Errorf("umount %s: its daemon is %s and does not take commands; if it hangs, kill it and try again", m.Point, state)
	}
	if err := m.UnmountDead(ctx); err != nil {
		return err
	}
	control.RemoveDead(ctx, m.Point, m.UserID)
	return nil
}
