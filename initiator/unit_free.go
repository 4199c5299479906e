package initiator

import (
	"context"
	"errors"
)

// bulkFlight is what a range that is zeroed or freed counts as, in bytes, when a
// path is chosen: its length says nothing of how many commands are under way.
const bulkFlight = maxBulk * maxPiece

// Zero is [Disk.Zero] on whichever path.
func (u *Unit) Zero(ctx context.Context, off, n int64) error {
	return u.alter(ctx, "zero", func(d *Disk) error { return d.Zero(ctx, off, n) })
}

// Deallocate is [Disk.Deallocate] on whichever path.
func (u *Unit) Deallocate(ctx context.Context, off, n int64) error {
	begun := false
	return u.alter(ctx, "deallocate", func(d *Disk) error {
		err := d.Deallocate(ctx, off, n)
		if begun && errors.Is(err, ErrNoDeallocation) {
			// A path that was lost has done a part of it.
			return d.Zero(ctx, off, n)
		}
		begun = true
		return err
	})
}

// alter makes an access that changes the medium, and that Sync waits for.
func (u *Unit) alter(ctx context.Context, op string, do func(*Disk) error) error {
	a := access{u: u, op: op, write: true}
	fence := u.enter()
	defer u.leave(fence)
	return a.run(ctx, bulkFlight, do)
}

// Allocation is [Disk.Allocation] on whichever path.
func (u *Unit) Allocation(ctx context.Context, off int64) (n int64, hole bool, err error) {
	a := access{u: u, op: "GET LBA STATUS"}
	err = a.run(ctx, 0, func(d *Disk) (err error) {
		n, hole, err = d.Allocation(ctx, off)
		return err
	})
	return n, hole, err
}
