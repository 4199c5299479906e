package target

import (
	"slices"
	"sync/atomic"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Event is what a rule sees: a PDU or, in OnExecute, the SCSI Command that is
// about to be executed, and what is to become of it.
type Event struct {
	PDU       *PDU    // may be changed through Edit
	CDB       []byte  // of the SCSI command that the PDU belongs to, or nil
	LUN       [8]byte // of that command
	Initiator string  // InitiatorName, empty during login
	TSIH      uint16  // 0 during login
	portal    *Portal
	plan      plan
}

// Match tells whether a rule is for an event.
type Match func(*Event) bool

// Any matches everything.
func Any() Match { return func(*Event) bool { return true } }

// Opcode matches PDUs by their opcode.
func Opcode(ops ...pdu.Opcode) Match {
	return func(e *Event) bool { return slices.Contains(ops, e.PDU.Header.Opcode()) }
}

// SCSI matches SCSI Command PDUs, and commands to execute, by the first byte of
// their CDB; without arguments all of them.
func SCSI(opcodes ...byte) Match {
	return func(e *Event) bool {
		if e.PDU.Header.Opcode() != pdu.OpSCSICommand {
			return false
		}
		return len(opcodes) == 0 || slices.Contains(opcodes, e.CDB[0])
	}
}

// OfCommand matches all PDUs of a SCSI command, either way, by the first byte
// of its CDB: the command, its data, its R2Ts and its response.
func OfCommand(opcodes ...byte) Match {
	return func(e *Event) bool {
		return e.CDB != nil && (len(opcodes) == 0 || slices.Contains(opcodes, e.CDB[0]))
	}
}

// OnLUN matches PDUs of commands to a LUN in the form that REPORT LUNS would
// give for its number.
func OnLUN(number uint64) Match {
	l := &LUN{number: &number}
	return func(e *Event) bool { return e.CDB != nil && l.answersTo(e.LUN) }
}

// Of matches events of one initiator name.
func Of(initiator string) Match {
	return func(e *Event) bool { return e.Initiator == initiator }
}

// AtLBA matches commands whose first block is lba.
func AtLBA(lba uint64) Match {
	return func(e *Event) bool {
		place, ok := addressed(e.CDB)
		return ok && place.lba == lba
	}
}

// All matches what every one of them matches. They are asked in order, so that
// a counting match belongs around All, not into it.
func All(ms ...Match) Match {
	return func(e *Event) bool {
		for _, m := range ms {
			if !m(e) {
				return false
			}
		}
		return true
	}
}

// AnyOf matches what one of them matches.
func AnyOf(ms ...Match) Match {
	return func(e *Event) bool {
		return slices.ContainsFunc(ms, func(m Match) bool { return m(e) })
	}
}

// Not matches what m does not.
func Not(m Match) Match { return func(e *Event) bool { return !m(e) } }

// Once matches the first of m only.
func Once(m Match) Match { return Nth(1, m) }

// Nth matches the nth of m only, from 1.
func Nth(n int64, m Match) Match { return Between(n, n, m) }

// From matches the nth of m and all later ones, from 1.
func From(n int64, m Match) Match { return Between(n, 1<<62, m) }

// Between matches the events of m from the first to the last, counted from 1.
func Between(first, last int64, m Match) Match {
	var count atomic.Int64
	return func(e *Event) bool {
		if !m(e) {
			return false
		}
		n := count.Add(1)
		return n >= first && n <= last
	}
}
