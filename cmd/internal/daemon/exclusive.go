package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/initiator"
)

// releaseTime is how long the end of a mount waits for a target to give up a
// reservation.
const releaseTime = 10 * time.Second

// exclusive tells whether the target's LUNs are to be this host's alone when they can be
// written.
func (t *target) exclusive() bool { return t.cfg().Exclusive && !t.cfg().ReadOnly }

// exclusive is that of the target, but for a further name of another LUN.
func (l *lun) exclusive() bool { return l.target.exclusive() && l.first == nil }

// reserve makes a LUN this host's alone, if its target is configured so and the
// LUN is to be written.
func (d *Daemon) reserve(ctx context.Context, l *lun) error {
	if l.disk.ReadOnly() {
		return nil
	}
	return d.reserveUnit(ctx, l)
}

// reserveUnit is reserve for a LUN that may be written from now on.
func (d *Daemon) reserveUnit(ctx context.Context, l *lun) error {
	if !l.exclusive() {
		return nil
	}
	return d.reserveFrom(ctx, l, l.target.preempts())
}

// preempts is the key that the target's reservations may be taken from.
func (t *target) preempts() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.preempt
}

// reserveFrom preempts the key, unless that is 0, and no other.
func (d *Daemon) reserveFrom(ctx context.Context, l *lun, preempt uint64) error {
	if err := l.opened.Reserve(ctx, initiator.ReservationKey(d.opts.InitiatorName), preempt); err != nil {
		return notReserved(l, err)
	}
	return nil
}

// notReserved says why a LUN could not be had.
func notReserved(l *lun, err error) error {
	refuse := func(format string, args ...any) error {
		return exitcode.Errorf(exitcode.Failed, "reserve %s: exclusive = true, but "+format, append([]any{l.where()}, args...)...)
	}
	var by *initiator.ReservedError
	switch {
	case errors.As(err, &by) && by.By.Type.AllRegistrants():
		return refuse("%w; release it at those hosts or at the target, it has no single key to preempt", by)
	case errors.As(err, &by):
		return refuse("%w; if that host does not use it any more, `--preempt 0x%016x` takes it over", by, by.By.Key)
	case errors.Is(err, initiator.ErrNoReservations):
		return refuse("%s; nothing can keep other hosts from writing to this LUN", withoutPlace(err))
	}
	return fmt.Errorf("reserve %s: exclusive = true, but this failed: %w", l.where(), Classify(err))
}

// unreserve gives the reservation up before the session is logged out. A target
// that does not answer keeps it, and this host can take it again.
func (l *lun) unreserve(ctx context.Context) {
	if !l.exclusive() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := l.opened.Release(ctx); err != nil {
		l.target.log.Warn().Err(err).Msgf("%s may stay reserved for this host", l.where())
	}
}

// unreserveAll gives up the reservations of a target that is about to be logged
// out, where the LUN is one of which that is wanted. One that is away is not waited for.
func (t *target) unreserveAll(ctx context.Context, s session, of func(*lun) bool) {
	luns := t.attached()
	_ = together(len(luns), func(i int) error {
		l := luns[i]
		if !of(l) {
			return nil
		}
		if state := s.Status().State; l.exclusive() && state != initiator.LoggedIn {
			t.log.Warn().Stringer("state", state).Msgf("%s stays reserved for this host: its session is not logged in", l.where())
			return nil
		}
		l.unreserve(ctx)
		return nil
	})
}

// writable is nil while the LUN's reservation is held; before it is known to be,
// nothing reaches the target.
func (l *lun) writable() error { return l.opened.Reservation().Lost }

// reportReservation says who the LUN is reserved for.
func (d *Daemon) reportReservation(r *status.LUN, l *lun) {
	if !l.exclusive() {
		return
	}
	now := l.opened.Reservation()
	if now.Key == 0 {
		return // it is write-protected, or released: the mount ends
	}
	r.Reservation, r.ReservationKey = "held", fmt.Sprintf("0x%016x", now.Key)
	if now.Volatile {
		r.Warnings = append(r.Warnings, "the target forgets the reservation when it loses its power (it refuses APTPL)")
	}
	if now.Lost != nil {
		r.Reservation = "lost"
		r.Warnings = append(r.Warnings, fmt.Sprintf("nothing is written: %s; `iscsifs login %s %s` reserves it again",
			withoutPlace(now.Lost), plain.Quoted(d.opts.Mountpoint), l.target.cfg().IQN))
	}
}
