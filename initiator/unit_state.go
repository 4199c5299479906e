package initiator

import (
	"context"
	"errors"
	"sync"
)

// Refresh asks the logical unit again what it is, by every path, see
// [Disk.Refresh]. It succeeds when one path tells.
func (u *Unit) Refresh(ctx context.Context) error {
	return u.askAll(func(d *Disk) error { return d.Refresh(ctx) })
}

// AcceptCapacity is Refresh that takes over a smaller capacity too.
func (u *Unit) AcceptCapacity(ctx context.Context) error {
	return u.askAll(func(d *Disk) error { return d.AcceptCapacity(ctx) })
}

func (u *Unit) askAll(ask func(*Disk) error) error {
	disks := u.disks()
	errs := make([]error, len(disks))
	var all sync.WaitGroup
	for i, d := range disks {
		all.Go(func() { errs[i] = ask(d) })
	}
	all.Wait()
	var worst error
	for _, err := range errs {
		switch {
		case err == nil:
			return nil
		// What a target says tells more than that it says nothing.
		case worst == nil || errors.Is(worst, ErrSessionLost):
			worst = err
		}
	}
	return worst
}

// Status tells how the unit does: ready while one path is usable, away while
// accesses wait for one, lost when they fail, or would.
func (u *Unit) Status() DiskStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := DiskStatus{Since: u.deadSince, Waiting: u.waiting, InFlight: len(u.depth)}
	st.Space, st.SpaceSince = u.space.state()
	switch {
	case u.isClosed():
		st.State, st.Reason = DiskClosed, u.error("disk", ErrClosed)
	case u.leftLocked() > 0:
		st.State, st.Since = DiskReady, u.readySince
	case u.refusedLocked():
		st.State, st.Reason = DiskRefused, u.reasonLocked()
	case u.gone, u.failing:
		st.State, st.Reason = DiskLost, u.reasonLocked()
	default:
		st.State, st.Reason = DiskAway, u.reasonLocked()
	}
	st.Removed = u.removedLocked()
	return st
}

// removedLocked tells whether the target has taken the unit away, see DiskStatus.Removed.
func (u *Unit) removedLocked() bool {
	removed := false
	for _, p := range u.paths {
		switch {
		case p.leaving:
		case !p.disk.removed.Load():
			return false
		default:
			removed = true
		}
	}
	return removed
}

// refusedLocked tells whether no path leads to the unit as it was.
func (u *Unit) refusedLocked() bool {
	for _, p := range u.paths {
		if !errors.Is(p.reason, ErrIdentity) && !errors.Is(p.reason, ErrShrunk) {
			return false
		}
	}
	return true
}
