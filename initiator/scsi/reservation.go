package scsi

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ReserveInAction is a service action of PERSISTENT RESERVE IN (SPC-4, section
// 6.15.1).
type ReserveInAction uint8

// Service actions of PERSISTENT RESERVE IN.
const (
	ReadKeys        ReserveInAction = 0x00
	ReadReservation ReserveInAction = 0x01
)

// ReserveOutAction is a service action of PERSISTENT RESERVE OUT (SPC-4, section
// 6.16.2). None of them may be sent again before it is known that it was not
// carried out.
type ReserveOutAction uint8

// Service actions of PERSISTENT RESERVE OUT.
const (
	Register          ReserveOutAction = 0x00
	Reserve           ReserveOutAction = 0x01
	Release           ReserveOutAction = 0x02
	Preempt           ReserveOutAction = 0x04
	PreemptAndAbort   ReserveOutAction = 0x05
	RegisterAndIgnore ReserveOutAction = 0x06 // REGISTER AND IGNORE EXISTING KEY
)

// ReservationType says what a persistent reservation keeps whom from (SPC-4,
// section 6.15.3.4).
type ReservationType uint8

// Types of persistent reservations.
const (
	WriteExclusive                 ReservationType = 0x1
	ExclusiveAccess                ReservationType = 0x3
	WriteExclusiveRegistrantsOnly  ReservationType = 0x5
	ExclusiveAccessRegistrantsOnly ReservationType = 0x6
	WriteExclusiveAllRegistrants   ReservationType = 0x7
	ExclusiveAccessAllRegistrants  ReservationType = 0x8
)

var reservationTypeNames = map[ReservationType]string{
	WriteExclusive:                 "Write Exclusive",
	ExclusiveAccess:                "Exclusive Access",
	WriteExclusiveRegistrantsOnly:  "Write Exclusive – Registrants Only",
	ExclusiveAccessRegistrantsOnly: "Exclusive Access – Registrants Only",
	WriteExclusiveAllRegistrants:   "Write Exclusive – All Registrants",
	ExclusiveAccessAllRegistrants:  "Exclusive Access – All Registrants",
}

// String returns the type as the standard writes it.
func (t ReservationType) String() string {
	if name, ok := reservationTypeNames[t]; ok {
		return name
	}
	return unknown(uint64(t))
}

// AllRegistrants tells whether every registered I_T nexus holds a reservation of
// this type; then it has no key.
func (t ReservationType) AllRegistrants() bool {
	return t == WriteExclusiveAllRegistrants || t == ExclusiveAccessAllRegistrants
}

// PersistentReserveIn builds PERSISTENT RESERVE IN (SPC-4, section 6.15) with an
// allocation length in bytes.
func PersistentReserveIn(action ReserveInAction, alloc uint16) CDB {
	c := CDB{opPersistentReserveIn, byte(action)}
	binary.BigEndian.PutUint16(c[7:], alloc)
	return c
}

// PersistentReserveOut builds PERSISTENT RESERVE OUT (SPC-4, section 6.16) for the
// whole logical unit (LU_SCOPE) and a parameter list of ReserveOutLen bytes. The
// type counts for RESERVE, RELEASE and the PREEMPTs only.
func PersistentReserveOut(action ReserveOutAction, t ReservationType) CDB {
	c := CDB{opPersistentReserveOut, byte(action), byte(t)}
	binary.BigEndian.PutUint32(c[5:], ReserveOutLen)
	return c
}

// ReserveOutLen is the length of ReserveOutParameters in bytes.
const ReserveOutLen = 24

// ReserveOutParameters is the parameter list of PERSISTENT RESERVE OUT (SPC-4,
// section 6.16.3), without SPEC_I_PT and ALL_TG_PT: only the I_T nexus that sends
// it is meant.
type ReserveOutParameters struct {
	Key        uint64 // RESERVATION KEY: what this I_T nexus is registered with
	ServiceKey uint64 // SERVICE ACTION RESERVATION KEY: the new key, or the preempted one
	APTPL      bool   // ACTIVATE PERSIST THROUGH POWER LOSS, of a REGISTER
}

// Marshal returns the parameter list.
func (p ReserveOutParameters) Marshal() []byte {
	b := make([]byte, ReserveOutLen)
	binary.BigEndian.PutUint64(b, p.Key)
	binary.BigEndian.PutUint64(b[8:], p.ServiceKey)
	if p.APTPL {
		b[20] = 0x01
	}
	return b
}

const (
	reserveInHeader       = 8
	reservationKeySize    = 8
	reservationDescriptor = 16
)

// ParseReadKeys reads the parameter data of READ KEYS (SPC-4, section 6.15.2).
// total is what the whole list needs in bytes, header included, by its own
// account: if it is above len(b), ask again with that allocation length. A
// trailing piece of a key is left out. total is at most math.MaxInt32.
func ParseReadKeys(b []byte) (keys []uint64, total int, err error) {
	list, total, err := reserveInList("READ KEYS", b)
	if err != nil {
		return nil, 0, err
	}
	for ; len(list) >= reservationKeySize; list = list[reservationKeySize:] {
		keys = append(keys, binary.BigEndian.Uint64(list))
	}
	return keys, total, nil
}

// Reservation is the persistent reservation of a logical unit; the zero value
// means that there is none.
type Reservation struct {
	Type ReservationType // 0: there is no reservation
	Key  uint64          // of its holder; 0 where all registrants hold it
}

// Held tells whether there is a reservation.
func (r Reservation) Held() bool { return r.Type != 0 }

// String names the holder's key and the type.
func (r Reservation) String() string {
	if !r.Held() {
		return "no reservation"
	}
	return fmt.Sprintf("key 0x%016x, type %v (%Xh)", r.Key, r.Type, uint8(r.Type))
}

// ParseReadReservation reads the parameter data of READ RESERVATION (SPC-4,
// section 6.15.3).
func ParseReadReservation(b []byte) (Reservation, error) {
	list, total, err := reserveInList("READ RESERVATION", b)
	switch {
	case err != nil:
		return Reservation{}, err
	case total == reserveInHeader:
		return Reservation{}, nil
	case len(list) < reservationDescriptor:
		return Reservation{}, tooShort("READ RESERVATION descriptor", len(list), reservationDescriptor)
	}
	r := Reservation{Key: binary.BigEndian.Uint64(list), Type: ReservationType(list[13] & 0x0f)}
	if !r.Held() {
		return Reservation{}, malformed("READ RESERVATION data: a reservation of type 0")
	}
	return r, nil
}

// reserveInList returns what of the list behind the header is in b, and the
// length of all of it.
func reserveInList(what string, b []byte) (list []byte, total int, err error) {
	if len(b) < reserveInHeader {
		return nil, 0, tooShort(what+" data", len(b), reserveInHeader)
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n > math.MaxInt32-reserveInHeader {
		return nil, 0, malformed("%s data: a list of %d bytes", what, n)
	}
	total = reserveInHeader + int(n)
	return b[reserveInHeader:min(len(b), total)], total, nil
}
