package initiator

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Allocation lengths of PERSISTENT RESERVE IN in bytes; the field has 16 bits.
const (
	reservationAlloc = 24
	firstKeysAlloc   = 8 + 8*127
	maxKeysAlloc     = 8 + 8*8190
)

// out sends one PERSISTENT RESERVE OUT, once.
func (r *reserver) out(ctx context.Context, action scsi.ReserveOutAction, kind scsi.ReservationType, p scsi.ReserveOutParameters) error {
	s := r.d.s
	t := newCommand(r.d.lun, scsi.PersistentReserveOut(action, kind), s.live().CommandTimeout)
	t.internal, t.once = r.internal, true
	if !r.internal {
		t.disk = r.d // it waits for the proof that this is the logical unit
	}
	t.data, t.write, t.exact = newVector([][]byte{p.Marshal()}), true, true
	defer t.release()
	if err := s.submit(t); err != nil {
		return s.commandError(t, err)
	}
	return s.finish(ctx, t)
}

// in sends a PERSISTENT RESERVE IN.
func (r *reserver) in(ctx context.Context, action scsi.ReserveInAction, alloc int) ([]byte, error) {
	return r.d.s.query(ctx, r.internal, r.d.lun, scsi.PersistentReserveIn(action, uint16(alloc)), make([]byte, alloc))
}

// reservation asks who holds the logical unit.
func (r *reserver) reservation(ctx context.Context) (scsi.Reservation, error) {
	b, err := r.in(ctx, scsi.ReadReservation, reservationAlloc)
	if err != nil {
		return scsi.Reservation{}, err
	}
	held, err := scsi.ParseReadReservation(b)
	return held, r.malformed(err)
}

// registrations counts the I_T nexuses that are registered with the key.
func (r *reserver) registrations(ctx context.Context) (n int, err error) {
	for alloc := firstKeysAlloc; ; {
		b, err := r.in(ctx, scsi.ReadKeys, alloc)
		if err != nil {
			return 0, err
		}
		keys, total, err := scsi.ParseReadKeys(b)
		switch {
		case err != nil:
			return 0, r.malformed(err)
		case total <= alloc || alloc == maxKeysAlloc:
			return count(keys, r.key), nil
		}
		alloc = min(total, maxKeysAlloc)
	}
}

func count(keys []uint64, key uint64) (n int) {
	for _, k := range keys {
		if k == key {
			n++
		}
	}
	return n
}

func (r *reserver) malformed(err error) error {
	if err == nil {
		return nil
	}
	return r.d.error("PERSISTENT RESERVE IN", fmt.Errorf("%w: %w", ErrProtocol, err))
}

// unanswered tells whether a command may have been carried out although it failed.
func unanswered(err error) bool {
	return errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrSessionLost)
}

// refused returns how the target refused a command.
func refused(err error) (scsi.Status, scsi.Sense, bool) {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrSCSI) {
		return 0, scsi.Sense{}, false
	}
	return e.Status, e.Sense, true
}

func answeredConflict(err error) bool {
	status, _, ok := refused(err)
	return ok && status == scsi.ReservationConflict
}

// refusedField tells whether the target knows the command, but not its service
// action, or not a bit of its parameters.
func refusedField(err error) bool {
	status, sense, ok := refused(err)
	return ok && scsi.Classify(status, sense) == scsi.NotSupported && sense.ASC != 0x20
}
