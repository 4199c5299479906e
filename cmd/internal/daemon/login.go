package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// LoginOptions say what to log in to.
type LoginOptions struct {
	IQN     string // of one target, or "all"
	Preempt uint64 // key to take a reservation from; 0 = none
}

// Login makes targets usable again: where a persistent reservation was lost it is
// taken anew, and what is dirty is written. It does nothing to a target that has all
// it needs.
func (d *Daemon) Login(ctx context.Context, o LoginOptions) error {
	targets := d.targets
	if o.IQN != "all" {
		t := d.targetNamed(o.IQN)
		if t == nil {
			return exitcode.Errorf(exitcode.Usage, "login %s: %s has no target of this name", o.IQN, d.opts.Mountpoint)
		}
		targets = []*target{t}
	}
	var failures []error
	for _, t := range targets {
		failures = append(failures, d.login(ctx, t, o.Preempt))
	}
	return errors.Join(failures...)
}

func (d *Daemon) login(ctx context.Context, t *target, preempt uint64) error {
	t.mu.Lock()
	s, luns, why := t.session, t.luns, reason(t.reason)
	t.mu.Unlock()
	if s == nil {
		if why == "" {
			why = "the first attempt is under way"
		}
		return exitcode.Errorf(exitcode.Unreachable, "login %s: it is not logged in, and is tried again by itself: %s", t.cfg.IQN, why)
	}
	var failures []error
	for _, l := range luns {
		failures = append(failures, d.reserveAgain(ctx, l, preempt))
	}
	return errors.Join(failures...)
}

// reserveAgain takes a reservation that was lost, and lets go what waits for it.
func (d *Daemon) reserveAgain(ctx context.Context, l *lun, preempt uint64) error {
	if !l.exclusive() {
		return nil
	}
	if l.writable() != nil {
		l.setStale(true)
		if err := d.reserveFrom(ctx, l, preempt); err != nil {
			return err
		}
		l.target.log.Info().Msgf("%s is reserved for this host again, as was asked", l.where())
	}
	if !l.isStale() { // also of a login before that was interrupted
		return nil
	}
	if err := l.distrust(ctx); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	l.volume.WriteLate()
	return nil
}

// distrust forgets what others may have written while the LUN was not reserved.
func (l *lun) distrust(ctx context.Context) error {
	if err := l.volume.Distrust(ctx); err != nil {
		return fmt.Errorf("forget what may have changed on %s: %w", l.where(), err)
	}
	l.setStale(false)
	return nil
}

func (l *lun) setStale(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = is
}

func (l *lun) isStale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stale
}
