package initiator

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// reserveRounds bounds how often the outcome of a PERSISTENT RESERVE OUT is looked
// at and another one is sent.
const reserveRounds = 8

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
	if by, err := r.reservation(ctx); err != nil {
		return r.unsupported(err)
	} else if by.Held() && by.Key != key && !preempts(preempt, by) {
		return d.error("reserve", &ReservedError{by}) // nothing was changed
	}
	volatile, err := r.register(ctx)
	if err == nil {
		err = r.seize(ctx, preempt)
	}
	if err == nil {
		err = d.refreshMode(ctx)
	}
	if err != nil {
		r.undo(ctx)
		return r.unsupported(err)
	}
	if d.lostHold() != nil {
		d.epoch.Add(1) // another host may have written over what was not synchronized
	}
	d.hold.Store(&hold{key: key, volatile: volatile})
	d.s.cfg.Logger.Info().Str("target", d.s.cfg.TargetName).Stringer("lun", d.lun).Str("key", fmt.Sprintf("0x%016x", key)).
		Msg("reserved the LUN for this host")
	return nil
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
	now := d.Info()
	p := prober{s: d.s, lun: d.lun}
	if err := p.mode(ctx, &now); err != nil {
		return err
	}
	d.info.Store(&now)
	return nil
}

// reserver sends the PERSISTENT RESERVE commands of one disk. A PERSISTENT RESERVE
// OUT without an answer may have been carried out, or may not: so what is to be done
// next always follows from what PERSISTENT RESERVE IN says, see seize.
type reserver struct {
	d        *Disk
	key      uint64
	internal bool // while the session recovers
}

// seize gets the reservation for the key, and has seen it there when it returns nil.
func (r *reserver) seize(ctx context.Context, preempt uint64) error {
	var last error
	for range reserveRounds {
		by, err := r.reservation(ctx)
		if err != nil {
			return err
		}
		switch {
		case by == scsi.Reservation{Type: exclusiveType, Key: r.key}:
			return nil
		case !by.Held():
			last = r.out(ctx, scsi.Reserve, exclusiveType, scsi.ReserveOutParameters{Key: r.key})
		case by.Key == r.key, preempts(preempt, by):
			last = r.preempt(ctx, by.Key)
		default:
			return r.d.error("reserve", &ReservedError{by})
		}
		if !undecided(last) {
			return last
		}
	}
	return last
}

// preempt takes the reservation away from a key, with the commands that it has
// under way where the target can do that.
func (r *reserver) preempt(ctx context.Context, victim uint64) error {
	p := scsi.ReserveOutParameters{Key: r.key, ServiceKey: victim}
	if victim != r.key { // our own commands are to go on
		err := r.out(ctx, scsi.PreemptAndAbort, exclusiveType, p)
		if !refusedField(err) {
			return err
		}
	}
	return r.out(ctx, scsi.Preempt, exclusiveType, p)
}

// release gives up what the key holds. When a RELEASE of this I_T nexus changes
// nothing, another nexus of the key holds the reservation: one that is gone (an
// earlier process's, or, at targets that know a nexus by its session, an earlier
// session's). A PREEMPT of the own key makes it this one's.
func (r *reserver) release(ctx context.Context) error {
	for round := range reserveRounds {
		by, err := r.reservation(ctx)
		if err != nil {
			return err
		}
		if !by.Held() || by.Key != r.key {
			break
		}
		if round%2 == 0 {
			err = r.out(ctx, scsi.Release, by.Type, scsi.ReserveOutParameters{Key: r.key})
		} else {
			err = r.preempt(ctx, r.key)
		}
		if !undecided(err) {
			return err
		}
	}
	return r.sweep(ctx)
}

// sweep removes registrations that nexuses which are gone left behind.
func (r *reserver) sweep(ctx context.Context) error {
	n, err := r.registrations(ctx)
	if err != nil || n < 2 {
		return err
	}
	if err := r.preempt(ctx, r.key); !undecided(err) {
		return err
	}
	return nil
}

// register registers the key, whatever the nexus was registered with before. It is
// the one service action that may be repeated blindly.
func (r *reserver) register(ctx context.Context) (volatile bool, err error) {
	for _, action := range []scsi.ReserveOutAction{scsi.RegisterAndIgnore, scsi.Register} {
		for _, volatile = range []bool{false, true} {
			for range reserveRounds {
				err = r.registerAs(ctx, action, !volatile)
				if !unanswered(err) || ctx.Err() != nil {
					break
				}
			}
			if !refusedField(err) {
				return volatile, err
			}
		}
	}
	return volatile, err
}

func (r *reserver) registerAs(ctx context.Context, action scsi.ReserveOutAction, aptpl bool) error {
	p := scsi.ReserveOutParameters{ServiceKey: r.key, APTPL: aptpl}
	err := r.out(ctx, action, 0, p)
	if action == scsi.Register && answeredConflict(err) {
		p.Key = r.key // of an earlier process, or of an attempt without an answer
		err = r.out(ctx, action, 0, p)
	}
	return err
}

// unregister takes the registration of this nexus away; that there is none is
// what it wants.
func (r *reserver) unregister(ctx context.Context) error {
	err := r.out(ctx, scsi.RegisterAndIgnore, 0, scsi.ReserveOutParameters{Key: r.key})
	if refusedField(err) {
		err = r.out(ctx, scsi.Register, 0, scsi.ReserveOutParameters{Key: r.key})
	}
	if answeredConflict(err) {
		return nil
	}
	return err
}

// undo takes back a registration, and a reservation with it (SPC-4, Section
// 5.12.11.3), when not all could be had; the error that counts is the one before. A
// target that does not answer keeps them.
func (r *reserver) undo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.d.s.cfg.NoopTimeout)
	defer cancel()
	_ = r.unregister(ctx)
}

// unsupported words the refusal of a command that reservations need.
func (r *reserver) unsupported(err error) error {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrSCSI) || scsi.Classify(e.Status, e.Sense) != scsi.NotSupported {
		return err
	}
	return r.d.error("reserve", fmt.Errorf("%w: %s ends with %v", ErrNoReservations, e.Op, e.Sense))
}
