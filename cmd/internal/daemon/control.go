package daemon

import (
	"context"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// progressTime is how often a client is told how much is still dirty.
const progressTime = 200 * time.Millisecond

// Answer carries out a request of the control socket; it is a control.Handler.
func (d *Daemon) Answer(ctx context.Context, r control.Request, from control.Peer, progress func(any)) (any, error) {
	d.log.Debug().Str("command", string(r.Command)).Int("pid", from.PID).Int("uid", from.UID).Msg("request")
	switch r.Command {
	case control.Status:
		return d.Report(ctx), nil
	case control.Sync:
		var o control.SyncOptions
		if err := r.Decode(&o); err != nil {
			return nil, err
		}
		return nil, d.showingDirty(progress, func() error { return d.sync(ctx, o.IQN) })
	case control.Login:
		var o control.SessionOptions
		if err := r.Decode(&o); err != nil {
			return nil, err
		}
		d.log.Info().Int("pid", from.PID).Int("uid", from.UID).Str("target", o.IQN).Str("portal", o.Portal).Msg("asked to log in")
		return nil, d.Login(ctx, LoginOptions{IQN: o.IQN, Portal: o.Portal, Preempt: o.Preempt})
	case control.Logout:
		var o control.SessionOptions
		if err := r.Decode(&o); err != nil {
			return nil, err
		}
		d.log.Info().Int("pid", from.PID).Int("uid", from.UID).Str("target", o.IQN).Str("portal", o.Portal).Msg("asked to log out")
		return nil, d.showingDirty(progress, func() error {
			return d.Logout(ctx, LogoutOptions{IQN: o.IQN, Portal: o.Portal, Force: o.Force, Discard: o.DiscardDirty, Asker: from.PID})
		})
	case control.Umount:
		var o control.UmountOptions
		if err := r.Decode(&o); err != nil {
			return nil, err
		}
		d.log.Info().Int("pid", from.PID).Int("uid", from.UID).Msg("asked to unmount")
		return nil, d.showingDirty(progress, func() error {
			return d.Unmount(ctx, UnmountOptions{Timeout: o.Timeout, Lazy: o.Lazy, Force: o.Force, Discard: o.DiscardDirty, Asker: from.PID})
		})
	case control.Rescan:
		var o control.RescanOptions
		if err := r.Decode(&o); err != nil {
			return nil, err
		}
		return d.Rescan(ctx, o)
	case control.Reload:
		d.log.Info().Int("pid", from.PID).Int("uid", from.UID).Msg("asked to read the configuration again")
		var changes control.Changes
		err := d.showingDirty(progress, func() (err error) { changes, err = d.Reload(ctx); return err })
		return changes, err
	}
	return nil, exitcode.Errorf(exitcode.Usage, "%s: the daemon of %s does not know this command; was it started by an older version?", r.Command, d.opts.Mountpoint)
}

// showingDirty reports how much is dirty while work runs.
func (d *Daemon) showingDirty(progress func(any), work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	ticker := time.NewTicker(progressTime)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			progress(control.Flush{Dirty: d.Dirty()})
		}
	}
}

// sync flushes all LUNs or those of one target of the mount.
func (d *Daemon) sync(ctx context.Context, iqn string) error {
	if iqn != "" && d.targetNamed(iqn) == nil {
		return exitcode.Errorf(exitcode.Usage, "sync %s: %s has no target of this name", iqn, d.opts.Mountpoint)
	}
	for _, l := range d.unended() {
		if l.volume != nil && l.of(iqn) {
			l.volume.WriteLate() // who asks for a sync knows whose LUN it is
		}
	}
	return d.Flush(ctx, iqn)
}
