package scsi

import "fmt"

// Status is the status byte that ends every command (SAM-5, section 5.3).
type Status uint8

// Status codes (SAM-5, section 5.3.1).
const (
	Good                Status = 0x00
	CheckCondition      Status = 0x02 // sense data tells what happened
	ConditionMet        Status = 0x04
	Busy                Status = 0x08
	ReservationConflict Status = 0x18
	TaskSetFull         Status = 0x28
	ACAActive           Status = 0x30
	TaskAborted         Status = 0x40
)

// String returns the status as the standard writes it.
func (s Status) String() string {
	switch s {
	case Good:
		return "GOOD"
	case CheckCondition:
		return "CHECK CONDITION"
	case ConditionMet:
		return "CONDITION MET"
	case Busy:
		return "BUSY"
	case ReservationConflict:
		return "RESERVATION CONFLICT"
	case TaskSetFull:
		return "TASK SET FULL"
	case ACAActive:
		return "ACA ACTIVE"
	case TaskAborted:
		return "TASK ABORTED"
	}
	return unknown(uint64(s))
}

func unknown(v uint64) string { return fmt.Sprintf("unknown(%#x)", v) }
