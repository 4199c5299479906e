package initiator

import (
	"context"
	"slices"
)

// Reserve is [Disk.Reserve] by every path: each registers the key, and one of them
// takes the reservation. A path that is lost, or comes later, is registered before
// it is used, see verifyHold.
func (u *Unit) Reserve(ctx context.Context, key, preempt uint64) error {
	u.reserving.Lock()
	defer u.reserving.Unlock()
	var lost error
	var reserved, absent []*Disk
	for _, d := range u.disks() {
		switch err := d.Reserve(ctx, key, preempt); {
		case err == nil:
			reserved = append(reserved, d)
		case AwayTooLong(err):
			lost = err
			absent = append(absent, d)
		default:
			release(ctx, reserved)
			return err
		}
	}
	if len(reserved) == 0 {
		return lost
	}
	for _, d := range absent {
		// It may have come back just then.
		_ = d.holdAs(ctx, reserved[0].hold.Load())
	}
	return nil
}

// Release is [Disk.Release], by every path.
func (u *Unit) Release(ctx context.Context) error {
	u.reserving.Lock()
	defer u.reserving.Unlock()
	return release(ctx, u.upLast())
}

// release has one path give up the reservation and all registrations of the key,
// those of the other paths too: the first from the end that answers, as any of them
// may be lost just then. A path whose reservation is lost has its registration only.
func release(ctx context.Context, disks []*Disk) (err error) {
	holds := make([]*hold, len(disks))
	for i, d := range disks {
		holds[i] = d.hold.Swap(nil) // what is released is no loss to the others
	}
	released := false
	for i, d := range slices.Backward(disks) {
		h := holds[i]
		if h == nil || released && h.lost == nil {
			continue
		}
		d.hold.Store(h)
		e := d.Release(ctx)
		if h.lost == nil {
			released, err = !AwayTooLong(e), e
		}
	}
	return err
}

// upLast returns the disks of all paths, those that are up behind the others.
func (u *Unit) upLast() (disks []*Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, state := range []pathState{pathDown, pathUp} {
		for _, p := range u.paths {
			if p.state == state && !p.leaving {
				disks = append(disks, p.disk)
			}
		}
	}
	return disks
}

// Reservation is [Disk.Reservation]: lost as soon as one path has found it so.
func (u *Unit) Reservation() (all Reservation) {
	for _, d := range u.disks() {
		r := d.Reservation()
		if all.Key == 0 || r.Lost != nil && all.Lost == nil {
			all = r
		}
	}
	return all
}

// registerPath gives a disk that is to become a path its part in the unit's
// reservation, if the unit has one.
func (u *Unit) registerPath(ctx context.Context, d *Disk) error {
	u.reserving.Lock()
	defer u.reserving.Unlock()
	for _, other := range u.disks() {
		if h := other.hold.Load(); h != nil {
			return d.holdAs(ctx, h)
		}
	}
	return nil
}

// holdAs gives the disk the hold of another path: when it is next asked what it is,
// which is now if its session is there, the reservation is proven to be unbroken and
// the key registered.
func (d *Disk) holdAs(ctx context.Context, h *hold) error {
	d.hold.Store(h)
	return d.Refresh(ctx)
}
