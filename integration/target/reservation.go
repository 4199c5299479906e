package target

import (
	"maps"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Types of persistent reservations (SPC-4, Section 6.15.3.4).
const (
	writeExclusive                 = 0x1
	exclusiveAccess                = 0x3
	writeExclusiveRegistrantsOnly  = 0x5
	exclusiveAccessRegistrantsOnly = 0x6
	writeExclusiveAllRegistrants   = 0x7
	exclusiveAccessAllRegistrants  = 0x8
)

// nexus names an I_T nexus for as long as both ports have their names: the
// initiator port is the initiator's name with the ISID, the target port the
// target's name with the portal group tag (RFC 7143, Section 4.4.2). It outlives
// its sessions: what is registered stays when a session ends (SPC-4, Section
// 5.12.1).
type nexus struct {
	initiator string
	isid      pdu.ISID
	target    string
	group     uint16
	session   uint16 // TSIH, with SessionNexus only
}

func (l *LUN) nexusOf(s *session) nexus {
	n := nexus{initiator: s.initiator, isid: s.isid, target: s.node.IQN, group: s.tag}
	if l.SessionNexus {
		n.session = s.tsih
	}
	return n
}

// reservations are the registrations and the persistent reservation of a LUN
// (SPC-4, Section 5.12), under LUN.mu.
type reservations struct {
	generation uint32
	keys       map[nexus]uint64 // of the registered
	holder     nexus            // of types without "All Registrants"
	kind       byte             // type; 0: no reservation
	persist    bool             // APTPL of the last REGISTER: survives a loss of power
}

// holds tells whether the nexus is a reservation holder (SPC-4, Section 5.12.10).
func (r *reservations) holds(n nexus) bool {
	switch r.kind {
	case 0:
		return false
	case writeExclusiveAllRegistrants, exclusiveAccessAllRegistrants:
		return r.keys[n] != 0
	}
	return r.holder == n
}

// holderKey is what READ RESERVATION gives.
func (r *reservations) holderKey() uint64 {
	if allRegistrants(r.kind) {
		return 0
	}
	return r.keys[r.holder]
}

func allRegistrants(kind byte) bool {
	return kind == writeExclusiveAllRegistrants || kind == exclusiveAccessAllRegistrants
}

// reserve gives a nexus the reservation; kind 0 gives it to nobody.
func (r *reservations) reserve(n nexus, kind byte) { r.holder, r.kind = n, kind }

// powerLost is what a loss of power leaves.
func (r *reservations) powerLost() {
	r.generation = 0
	if !r.persist {
		*r = reservations{keys: map[nexus]uint64{}}
	}
}

// access is what a command does as far as reservations care: the columns of
// SPC-4, table 68, and SBC-3, table 13, have three kinds of rows.
type access byte

const (
	allowed  access = iota // in the presence of any reservation
	asReads                // conflicts with Exclusive Access
	asWrites               // conflicts with all types
)

// conflicts tells whether a command from the nexus meets RESERVATION CONFLICT.
func (r *reservations) conflicts(n nexus, a access) bool {
	_, registered := r.keys[n]
	switch {
	case r.kind == 0, a == allowed, r.holds(n):
		return false
	case registered && r.kind != writeExclusive && r.kind != exclusiveAccess:
		return false
	case a == asWrites:
		return true
	}
	return r.kind == exclusiveAccess || r.kind == exclusiveAccessRegistrantsOnly || r.kind == exclusiveAccessAllRegistrants
}

// reservedFrom tells whether a reservation keeps a command from the LUN.
func (l *LUN) reservedFrom(s *session, op *operation, cdb []byte) bool {
	a := op.access
	if cdb[0] == OpServiceActionIn16 && cdb[1]&0x1f == saGetLBAStatus {
		a = asReads
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reservations.conflicts(l.nexusOf(s), a)
}

// warn makes a unit attention pending for the logged-in sessions of some I_T
// nexuses; requires l.mu. A nexus without a session learns of it by 29/00.
func (l *LUN) warn(a asc, of func(nexus) bool) {
	for s := range l.nexuses {
		if of(l.nexusOf(s)) {
			l.nexuses[s] = append(l.nexuses[s], a)
		}
	}
}

// Reservation is what a LUN knows of persistent reservations.
type Reservation struct {
	Generation uint32
	Type       byte   // 0: there is no reservation
	Key        uint64 // of the holder; 0 with a type of all registrants
	Holder     string // its initiator name; empty likewise
	Keys       []uint64
}

// Reservation looks at the LUN behind the target's back. Keys are in ascending
// order.
func (l *LUN) Reservation() Reservation {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.reservations
	state := Reservation{Generation: r.generation, Type: r.kind, Key: r.holderKey(), Keys: slices.Sorted(maps.Values(r.keys))}
	if r.kind != 0 && !allRegistrants(r.kind) {
		state.Holder = r.holder.initiator
	}
	return state
}
