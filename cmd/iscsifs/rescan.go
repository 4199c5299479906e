package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

func (p *program) rescanCommand() *cobra.Command {
	var o control.RescanOptions
	c := &cobra.Command{
		Use:   "rescan MOUNTPOINT",
		Short: "Look for new, removed and resized LUNs",
		Long: `rescan asks every target of a mount what LUNs it has and what they are now, and the
portal of every [[discovery]] for targets, and prints a line for each change. New LUNs get files, if the configuration wants them;
the files of those that a target has no more vanish, and who has one open gets errors.
Most targets announce their changes, and then nobody needs to rescan; only the removal
of a LUN is waited with for replacement_timeout, in case the target is starting up.

A LUN that has become smaller is taken over too, unless data that is not on the target
lies beyond its new end: then nothing of it is written back, and rescan exits 6.
--accept-shrink drops that data.

A loop device takes over the size of its LUN with losetup -c.`,
		Example: `  iscsifs rescan /mnt/luns
  iscsifs rescan /mnt/luns && losetup -c /dev/loop0 && resize2fs /dev/loop0`,
		Args: between(1, 1, "MOUNTPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.rescan(cmd.Context(), args[0], o)
		},
	}
	c.Flags().BoolVar(&o.AcceptShrink, "accept-shrink", false, "take over a smaller capacity, and drop what is dirty beyond it")
	return c
}

func (p *program) rescan(ctx context.Context, point string, o control.RescanOptions) error {
	m, err := p.mountOn(ctx, point)
	if err != nil {
		return fmt.Errorf("rescan %s: %w", point, err)
	}
	var changes control.Changes
	bar := p.newWaitBar("asking the targets of " + m.Point)
	err = call(ctx, m, control.Rescan, o, &changes, nil)
	bar.end()
	if err != nil {
		return err
	}
	return p.showChanges("rescan", changes)
}

// showChanges prints what was done; what was refused is the error.
func (p *program) showChanges(command string, changes control.Changes) error {
	for _, line := range changes.Done {
		fmt.Fprintln(p.stdout, plain.Text(line))
	}
	if len(changes.Done)+len(changes.Refused) == 0 {
		fmt.Fprintln(p.stdout, "nothing has changed")
	}
	var refused []error
	for _, line := range changes.Refused {
		refused = append(refused, errors.New(command+": "+plain.Text(line)))
	}
	return exitcode.With(exitcode.Code(changes.Code), errors.Join(refused...))
}
