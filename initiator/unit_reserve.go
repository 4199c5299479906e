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
			if len(reserved) == 0 && absent != nil {
				d.foundNothing() // what it found an absent path may have left
			}
			reserved = append(reserved, d)
		case AwayTooLong(err), refusedForAccess(err):
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
		// It may have come back just then. Else it is no path until it can register.
		_ = d.holdAs(ctx, reserved[0].hold.Load())
	}
	return nil
}

// refusedForAccess tells whether the path's state allows no PERSISTENT RESERVE OUT:
// unavailable, or in transition (SPC-4, Section 5.15.2.4.5).
func refusedForAccess(err error) bool {
	_, refused := accessRefused(err)
	return refused
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
	found := true
	for _, d := range u.disks() {
		r := d.Reservation()
		found = found && (r.Found || r.Key == 0)
		if all.Key == 0 || r.Lost != nil && all.Lost == nil {
			all = r
		}
	}
	all.Found = found && all.Key != 0
	return all
}

// foundNothing takes back that the disk's key held the reservation before.
func (d *Disk) foundNothing() {
	if h := d.hold.Load(); h != nil {
		doubted := *h
		doubted.found = false
		d.hold.CompareAndSwap(h, &doubted)
	}
}

// admit makes a disk a further path, with its part in the unit's reservation if the unit
// has one. The caller has proven that it leads to the unit.
func (u *Unit) admit(ctx context.Context, d *Disk) error {
	u.reserving.Lock()
	defer u.reserving.Unlock()
	for _, other := range u.disks() {
		h := other.hold.Load()
		if h == nil {
			continue
		}
		if err := d.holdAs(ctx, h); err != nil {
			return err
		}
		break
	}
	u.add(d)
	if h := d.hold.Load(); h != nil && h.lost != nil {
		u.loseOthers(d, h.lost.Err)
	}
	return nil
}

// holdAs gives the disk the hold of another path: when it is next asked what it is,
// which is now if its session is there, the reservation is proven to be unbroken and
// the key registered. After an error nothing goes out on it before that.
func (d *Disk) holdAs(ctx context.Context, h *hold) error {
	d.hold.Store(h)
	err := d.Refresh(ctx)
	if err != nil {
		d.s.mu.Lock()
		defer d.s.mu.Unlock()
		d.suspectLocked()
	}
	return err
}

// loseOthers gives up the holds of the other paths, when one has found that the
// reservation is lost: they would write as soon as the other host lets go.
func (u *Unit) loseOthers(d *Disk, why error) {
	for _, other := range u.disks() {
		if h := other.hold.Load(); other != d && h != nil {
			other.loseHold(h, why)
		}
	}
}
