package initiator

import (
	"context"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Reserve registers key for this I_T nexus and takes the persistent reservation
// "Write Exclusive – Registrants Only" of the logical unit (SPC-4, Section 5.12), so
// that only I_T nexuses with this key may write. Every path to the logical unit calls
// it, with one key. What the key holds already, after a crash, is taken over. A
// reservation of the key preempt is preempted, unless that is 0; one of any other key
// is left alone, and the error's cause is a [ReservedError].
//
// From then on each new login checks that the reservation is unbroken before
// anything is written. When it is not, writes fail with ErrReservationLost until
// Reserve is called again.
func (d *Disk) Reserve(ctx context.Context, key, preempt uint64) error {
	r := reserver{d: d, key: key}
	for round := range reserveRounds {
		login := d.s.Status().Reconnects
		h, err := r.acquire(ctx, preempt)
		if err != nil {
			return r.unsupported(err)
		}
		h.found = h.found && round == 0 // else it may be what the round before has left
		if d.take(h, login) {
			return nil
		}
	}
	return d.error("reserve", fmt.Errorf("%w: again and again", ErrSessionLost))
}

// preempts tells whether a reservation is the one that may be preempted. One of
// all registrants has no key to name.
func preempts(preempt uint64, by scsi.Reservation) bool {
	return preempt != 0 && preempt == by.Key && !by.Type.AllRegistrants()
}

// Unregister gives up the disk's registration. The reservation stays while another
// path with the same key is registered and holds it.
func (d *Disk) Unregister(ctx context.Context) error {
	h := d.hold.Swap(nil)
	if h == nil {
		return nil
	}
	r := reserver{d: d, key: h.key}
	return r.unregister(ctx)
}

// Release gives up the reservation and all registrations of its key: also those
// of sessions that are gone. The other paths have called Unregister before. It does
// nothing to a reservation of another host.
func (d *Disk) Release(ctx context.Context) error {
	h := d.hold.Swap(nil) // what is released is no loss
	if h == nil {
		return nil
	}
	r := reserver{d: d, key: h.key}
	if h.lost == nil {
		if err := r.release(ctx); err != nil {
			return err
		}
	}
	return r.unregister(ctx)
}

// refreshMode asks for the mode pages again: a reservation keeps them from who is
// not registered (SPC-4, table 68), so that an earlier answer may be missing.
func (d *Disk) refreshMode(ctx context.Context) error {
	p := prober{s: d.s, lun: d.lun}
	for {
		was := d.info.Load()
		now := *was
		if err := p.mode(ctx, &now); err != nil {
			return err
		}
		if d.info.CompareAndSwap(was, &now) {
			return nil
		}
	}
}
