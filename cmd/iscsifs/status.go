package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

func (p *program) statusCommand() *cobra.Command {
	var verbose int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [MOUNTPOINT]",
		Short: "Show mounts, targets and LUNs",
		Long: `status shows all your mounts (root: those of all users), or one: for each target
the portals and how the session does, for each LUN its file, size and holders.
It asks no target, and names mounts whose daemon is dead or does not answer.`,
		Example: `  iscsifs status
  iscsifs status --json /mnt/luns | jq '.mounts[].targets[].state'`,
		Args: between(0, 1, "[MOUNTPOINT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := p.status(cmd.Context(), append(args, "")[0])
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			if asJSON {
				out := json.NewEncoder(p.stdout)
				out.SetIndent("", "  ")
				return out.Encode(report)
			}
			writeStatus(p.stdout, report, verbose)
			return nil
		},
	}
	cmd.Flags().CountVarP(&verbose, "verbose", "v", "show more: serial numbers and negotiated parameters; -vv: counters too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	return cmd
}

// status asks the daemons of the mounts, all at once: one that hangs delays no
// other, and none for longer than control.Silence.
func (p *program) status(ctx context.Context, point string) (status.Report, error) {
	report := status.Report{Version: version}
	list, err := p.selectMounts(ctx, point)
	if err != nil {
		return report, err
	}
	report.Mounts = make([]status.Mount, len(list))
	failures := make([]error, len(list))
	var group sync.WaitGroup
	for i, m := range list {
		group.Go(func() { report.Mounts[i], failures[i] = statusOf(ctx, m) })
	}
	group.Wait()
	return report, errors.Join(failures...)
}

// statusOf asks one daemon. What mountinfo knows is there without an answer, too; it
// fails only for a mount of which this user may know no more.
func statusOf(ctx context.Context, m mounts.Mount) (status.Mount, error) {
	var answer status.Mount
	err := control.Call(ctx, m.Point, m.UserID, control.Status, nil, &answer, nil)
	if err == nil || errors.Is(err, control.ErrNotYours) {
		return answer, err
	}
	state := "unanswering"
	if errors.Is(err, control.ErrNoDaemon) {
		state = "dead"
	}
	return status.Mount{Mountpoint: m.Point, Config: m.Source, State: state, Warnings: []string{err.Error()}}, nil
}
