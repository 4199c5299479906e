package initiator

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// exclusiveType is the type of every reservation that this package takes: each
// registered I_T nexus may write, so that several paths may, and nobody else.
const exclusiveType = scsi.WriteExclusiveRegistrantsOnly

// ReservationKey is the reservation key of a host, the same at every target and
// after every restart, so that what a crashed process held is known to be its
// own. It is never 0, which would mean no key.
func ReservationKey(initiatorName string) uint64 {
	sum := sha256.Sum256([]byte("iscsifs persistent reservation key\x00" + initiatorName))
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// hold is a disk's hold on the persistent reservation of its logical unit. It does
// not change: Disk.hold goes from one to the next, and nil is without a
// reservation.
//
//	        Reserve          a check or a RESERVATION CONFLICT
//	nil ──────────────► held ─────────────────────────────────► lost
//	 ▲                   │ ▲                                    │ │
//	 │      Release      │ └────────────── Reserve ─────────────┘ │
//	 └───────────────────┴────────────────────────────────────────┘
//
// While it is lost nothing that changes the medium is sent.
type hold struct {
	key      uint64
	volatile bool   // the target refused APTPL
	found    bool   // see Reservation.Found
	lost     *Error // nil while it is held; wraps ErrReservationLost
}

// Reservation tells of a disk's hold on a persistent reservation.
type Reservation struct {
	Key uint64 // that the disk is registered with; 0: Reserve was not called
	// Volatile is set when the target refused to keep the reservation through a
	// loss of its power (APTPL).
	Volatile bool
	// Found is set when the key was seen to hold the reservation before anything was sent
	// to take it: if it held it at an earlier time, no other host has had it in between.
	Found bool
	// Lost is why the reservation is not held any more, and wraps
	// ErrReservationLost; nil while it is.
	Lost error
}

// Reservation tells of the disk's hold on the reservation, as it was last seen.
func (d *Disk) Reservation() Reservation {
	h := d.hold.Load()
	if h == nil {
		return Reservation{}
	}
	r := Reservation{Key: h.key, Volatile: h.volatile, Found: h.found}
	if h.lost != nil {
		r.Lost = h.lost
	}
	return r
}

// lostHold returns why nothing may be written, or nil.
func (d *Disk) lostHold() *Error {
	if h := d.hold.Load(); h != nil {
		return h.lost
	}
	return nil
}

// take makes a reservation that was acquired the disk's hold, if the session is
// still in the login in which that was begun. From then on every new login checks
// it.
func (d *Disk) take(h *hold, login int) bool {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Recovering || s.reconnects != login {
		return false
	}
	if d.lostHold() != nil {
		d.epoch.Add(1) // another host may have written over what was not synchronized
	}
	d.hold.Store(h)
	s.cfg.Logger.Info().Str("target", s.cfg.TargetName).Stringer("lun", d.lun).Str("key", fmt.Sprintf("0x%016x", h.key)).
		Msg("reserved the LUN for this host")
	return true
}

// lose gives up a hold that the target does not know of any more, for all paths to the
// logical unit.
func (d *Disk) lose(h *hold, why error) {
	why = fmt.Errorf("%w: %w", ErrReservationLost, why)
	if !d.loseHold(h, why) {
		return
	}
	d.s.mu.Lock()
	u := d.unit
	d.s.mu.Unlock()
	if u != nil {
		u.loseOthers(d, why)
	}
}

// loseHold gives up the disk's hold: commands that would change the medium fail with why
// from now on, those that wait too. It is false if the hold was lost or replaced before.
func (d *Disk) loseHold(h *hold, why error) bool {
	e := d.error("write", why)
	if h.lost != nil || !d.hold.CompareAndSwap(h, &hold{key: h.key, volatile: h.volatile, lost: e}) {
		return false
	}
	d.s.cfg.Logger.Error().Err(e).Msg("nothing is written to the LUN until it is reserved again")
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range []*taskList{&s.pending, &d.waiting} {
		for t := l.head; t != nil; {
			next := t.next
			if t.disk == d && t.guarded() {
				s.endLocked(t, e)
			}
			t = next
		}
	}
	return true
}

// guarded tells whether a command is kept from the target when the reservation is
// lost: all but those that only read, and PERSISTENT RESERVE OUT itself.
func (t *task) guarded() bool { return !t.read && !t.once }

// conflicted takes note of a RESERVATION CONFLICT of one of the disk's own
// commands. It returns the error to report instead, nil for a disk that has
// nothing reserved: another host has.
func (d *Disk) conflicted() error {
	h := d.hold.Load()
	if h == nil {
		return nil
	}
	d.lose(h, errors.New("the target answers RESERVATION CONFLICT"))
	return ErrReservationLost
}

// ReservedError is the cause of an error of [Disk.Reserve]: another host has
// reserved the logical unit.
type ReservedError struct{ By scsi.Reservation }

// Error names the holder's key and the type.
func (e *ReservedError) Error() string {
	return "the LUN is reserved by another host: " + e.By.String()
}
