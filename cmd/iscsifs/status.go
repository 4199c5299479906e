package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
)

// statusRequest is what the command line asks to see.
type statusRequest struct {
	point   string // "" = all mounts
	verbose int
	asJSON  bool
	watch   time.Duration // between two looks; 0 = one is enough
}

// Times between two looks of --watch.
const (
	watchInterval    = 2 * time.Second
	minWatchInterval = 100 * time.Millisecond
)

func (p *program) statusCommand() *cobra.Command {
	var r statusRequest
	cmd := &cobra.Command{
		Use:        "status [MOUNTPOINT]",
		SuggestFor: []string{"list", "ls", "show", "session"},
		Short:      "Show mounts, targets and LUNs",
		Long: `status shows all your mounts (root: those of all users), or one: for each target
the portals and how the session does, for each LUN its file, size and holders, and
where the daemon logs to. It asks no target, and names mounts whose daemon is dead or
does not answer.

-v shows what iscsiadm -m session -P 3 does, and more: sessions, negotiated
parameters, timeouts, CHAP names; -vv also the counters of iscsiadm -m session -s.

--watch shows it again and again, until it is interrupted; with --json it prints one
line each time.`,
		Example: `  iscsifs status
  iscsifs status -v --watch=1s /mnt/luns
  iscsifs status --json /mnt/luns | jq '.mounts[].targets[].state'`,
		Args: statusArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.point = append(args, "")[0]
			if cmd.Flags().Changed("watch") {
				if r.watch < minWatchInterval {
					return usageError("status: --watch=%s is below %s", r.watch, minWatchInterval)
				}
				return p.watchStatus(cmd.Context(), r)
			}
			report, err := p.status(cmd.Context(), r.point, control.Silence)
			if err != nil {
				return err
			}
			return r.write(p.stdout, report, colours(p.stdout))
		},
	}
	flags := cmd.Flags()
	flags.CountVarP(&r.verbose, "verbose", "v", "show more: sessions, parameters, timeouts; -vv: counters too")
	flags.BoolVar(&r.asJSON, "json", false, "print everything as JSON")
	durationVar(flags, &r.watch, "watch", "show it again every `TIME`")
	flags.Lookup("watch").NoOptDefVal = watchInterval.String()
	return cmd
}

// statusArguments knows the one slip that reads as a mountpoint: a time that is not
// joined to --watch, which does without one.
func statusArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.Flags().Changed("watch") {
		for _, unit := range []string{"", "s"} {
			if _, err := config.ParseDuration(args[0] + unit); err == nil {
				return usageError("status: write --watch=%s, with a =", args[0]+unit)
			}
		}
	}
	return between(0, 1, "[MOUNTPOINT]")(cmd, args)
}

// write writes a report in the form that was asked for.
func (r *statusRequest) write(out io.Writer, report status.Report, coloured bool) error {
	if r.asJSON {
		return writeJSON(out, report, r.watch > 0)
	}
	writeStatus(out, report, r.verbose, coloured)
	return nil
}

// status asks the daemons of the mounts, all at once: one that hangs delays no
// other, and none for longer than patience.
func (p *program) status(ctx context.Context, point string, patience time.Duration) (status.Report, error) {
	report := status.Report{Version: version}
	list, err := p.selectMounts(ctx, "status", point)
	if err != nil {
		return report, err
	}
	report.Mounts = make([]status.Mount, len(list))
	failures := make([]error, len(list))
	var group sync.WaitGroup
	for i, m := range list {
		group.Go(func() { report.Mounts[i], failures[i] = statusOf(ctx, m, patience) })
	}
	group.Wait()
	return report, errors.Join(failures...)
}

// statusOf asks one daemon. What mountinfo knows is there without an answer, too; it
// fails only for a mount of which this user may know no more.
func statusOf(ctx context.Context, m mounts.Mount, patience time.Duration) (status.Mount, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
	defer cancel()
	var answer status.Mount
	err := control.Call(ctx, m.Point, m.UserID, control.Status, nil, &answer, nil)
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, control.ErrNotYours):
		return answer, fmt.Errorf("status %w", err)
	}
	state := "unanswering"
	if errors.Is(err, control.ErrNoDaemon) {
		state = "dead"
	}
	return status.Mount{Mountpoint: m.Point, Config: m.Source, State: state, Warnings: []string{err.Error()}}, nil
}
