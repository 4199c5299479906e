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

// reserver sends the PERSISTENT RESERVE commands of one disk. A PERSISTENT RESERVE
// OUT without an answer may have been carried out, or may not: so what is to be done
// next always follows from what PERSISTENT RESERVE IN says, see seize.
type reserver struct {
	d        *Disk
	key      uint64
	internal bool // while the session recovers
}

// acquire gets the reservation for the key, if it is free, the key's already, or that
// of the key preempt. What fails leaves nothing behind.
func (r *reserver) acquire(ctx context.Context, preempt uint64) (*hold, error) {
	by, err := r.reservation(ctx)
	if err != nil {
		return nil, err
	}
	if by.Held() && by.Key != r.key && !preempts(preempt, by) {
		return nil, r.d.error("reserve", &ReservedError{by}) // nothing was changed
	}
	h := &hold{key: r.key, found: by == scsi.Reservation{Type: exclusiveType, Key: r.key}}
	h.volatile, err = r.register(ctx)
	if err == nil {
		err = r.seize(ctx, preempt)
	}
	if err == nil {
		err = r.d.refreshMode(ctx)
	}
	if err != nil {
		r.undo(ctx)
		return nil, err
	}
	return h, nil
}

// seize gets the reservation for the key, and has seen it there when it returns nil.
func (r *reserver) seize(ctx context.Context, preempt uint64) error {
	for range reserveRounds {
		by, err := r.reservation(ctx)
		if err != nil {
			return err
		}
		switch {
		case by == scsi.Reservation{Type: exclusiveType, Key: r.key}:
			return nil
		case !by.Held():
			err = r.out(ctx, scsi.Reserve, exclusiveType, scsi.ReserveOutParameters{Key: r.key})
		case by.Key == r.key, preempts(preempt, by):
			err = r.preempt(ctx, by.Key)
		default:
			return r.d.error("reserve", &ReservedError{by})
		}
		if err = r.undecided(ctx, err); err != nil {
			return err
		}
	}
	return r.d.error("reserve", errUnsettled)
}

// errUnsettled ends what would go on for ever.
var errUnsettled = errors.New("the target takes the commands and does not do what they ask for")

// undecided returns nil when PERSISTENT RESERVE IN is to say what comes next: after
// success, which is not believed before it is seen; after a command without an
// answer; and after a conflict, when another host was faster or this I_T nexus is not
// registered any more, see verifyHold.
func (r *reserver) undecided(ctx context.Context, err error) error {
	switch {
	case unanswered(err):
		return nil
	case answeredConflict(err):
		_, err = r.register(ctx)
	}
	return err
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
		if err = r.undecided(ctx, err); err != nil {
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
	return r.undecided(ctx, r.preempt(ctx, r.key))
}

// repeat sends a command that registers until it is answered: with REGISTER that is
// no harm, as the outcome is the same.
func repeat(ctx context.Context, send func() error) (err error) {
	for range reserveRounds {
		if err = send(); !unanswered(err) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// register registers the key, whatever the nexus was registered with before.
func (r *reserver) register(ctx context.Context) (volatile bool, err error) {
	for _, action := range []scsi.ReserveOutAction{scsi.RegisterAndIgnore, scsi.Register} {
		for _, volatile = range []bool{false, true} {
			err = repeat(ctx, func() error { return r.registerAs(ctx, action, !volatile) })
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
	send := func(action scsi.ReserveOutAction) error {
		return repeat(ctx, func() error { return r.out(ctx, action, 0, scsi.ReserveOutParameters{Key: r.key}) })
	}
	err := send(scsi.RegisterAndIgnore)
	if refusedField(err) {
		err = send(scsi.Register)
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.d.s.live().NoopTimeout)
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
