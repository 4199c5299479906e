package scsi

// Attention is what a unit attention condition announces (SAM-5, section 5.14).
// The command that carried it is to be sent again (Retry); what it announces
// besides is to be acted on.
type Attention uint8

// Attentions that a disk's initiator acts on (additional sense codes: SPC-4,
// annex E.2).
const (
	NoAttention         Attention = iota
	OtherAttention                // none of those below
	ResetAttention                // 29/xx: power on or reset: volatile caches may be lost
	CapacityChanged               // 2A/09: READ CAPACITY again
	ModeChanged                   // 2A/00, 2A/01: MODE SENSE again
	AccessStateChanged            // 2A/06, 2A/07: REPORT TARGET PORT GROUPS again
	ReservationsChanged           // 2A/03, 2A/04, 2A/05: preempted or released
	IdentityChanged               // 3F/03, 3F/05: INQUIRY again, is it still the same unit?
	LUNsChanged                   // 3F/0E: REPORT LUNS again
	SpaceLow                      // 38/07: a thin pool's soft threshold is reached (SBC-3, section 4.7.3)
)

// Attention returns what the sense data announces, NoAttention where its key is
// not UNIT ATTENTION.
func (s Sense) Attention() Attention {
	if s.Key != UnitAttention {
		return NoAttention
	}
	if s.ASC == 0x29 {
		return ResetAttention
	}
	switch code(s.ASC, s.ASCQ) {
	case 0x2a00, 0x2a01:
		return ModeChanged
	case 0x2a03, 0x2a04, 0x2a05:
		return ReservationsChanged
	case 0x2a06, 0x2a07:
		return AccessStateChanged
	case 0x3807:
		return SpaceLow
	case 0x2a09:
		return CapacityChanged
	case 0x3f03, 0x3f05:
		return IdentityChanged
	case 0x3f0e:
		return LUNsChanged
	}
	return OtherAttention
}
