package daemon

import (
	"context"
	"errors"
	"fmt"
)

// reserveAll takes the reservations of a target anew that were lost, and lets what is
// dirty be written. It does nothing to LUNs that have all they need.
func (d *Daemon) reserveAll(ctx context.Context, t *target, preempt uint64) error {
	var failures []error
	for _, l := range t.attached() {
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
