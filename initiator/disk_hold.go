package initiator

import (
	"context"
	"errors"
	"fmt"
)

// verifyHold checks the reservation whenever the logical unit is asked what it is:
// after a new login, before any command of a caller is sent to it, and after a unit
// attention. A hold that is broken is lost, which is no fault of the LUN: it can be
// read. Registrations survive the loss of an I_T nexus (SPC-4, Section
// 5.12.1), but not at every target; so the proof comes first, and then the key is
// registered again.
func (d *Disk) verifyHold(ctx context.Context, info *DiskInfo) error {
	h := d.hold.Load()
	if h == nil || h.lost != nil {
		return nil
	}
	r := reserver{d: d, key: h.key, internal: true}
	broken, err := r.renew(ctx, info)
	if err == nil && broken != nil {
		d.lose(h, broken)
	}
	return err
}

// renew registers the key again if the reservation is unbroken. The last question is
// whether it still is: a preemption may have come meanwhile, and been announced in answer
// to any question before.
func (r *reserver) renew(ctx context.Context, info *DiskInfo) (broken, err error) {
	if broken, err = r.broken(ctx); broken != nil || err != nil {
		return broken, err
	}
	if _, err = r.register(ctx); err != nil {
		return nil, err
	}
	p := prober{s: r.d.s, lun: r.d.lun, internal: true}
	if err = p.mode(ctx, info); err != nil { // for the first time as one who is registered
		return nil, err
	}
	return r.broken(ctx)
}

// broken says in what way the reservation is not what Reserve left: nil means
// that the key is registered and holds it.
func (r *reserver) broken(ctx context.Context) (why, err error) {
	n, err := r.registrations(ctx)
	if err != nil {
		return nil, err
	}
	by, err := r.reservation(ctx)
	switch {
	case err != nil:
		return nil, err
	case by.Held() && by.Key != r.key:
		return &ReservedError{by}, nil
	case !by.Held():
		return errors.New("the target knows of no reservation any more"), nil
	case by.Type != exclusiveType:
		return fmt.Errorf("the reservation became one of type %v", by.Type), nil
	case n == 0:
		return errors.New("the target does not know this host's key any more"), nil
	}
	return nil, nil
}
