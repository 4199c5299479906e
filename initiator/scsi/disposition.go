package scsi

// Disposition is what the retry policy does about a command that has ended.
type Disposition uint8

// Dispositions. After Retry and RetryDelayed the command has not been executed,
// or may be executed again; how often and how long is the caller's to bound.
const (
	Success         Disposition = iota
	Retry                       // send it again at once: its unit attention is consumed
	RetryDelayed                // send it again after a pause
	DeferredError               // an earlier, acknowledged write failed; see Classify
	NotSupported                // the target does not know the command or a field of it
	OutOfRange                  // beyond the last logical block
	NoLogicalUnit               // nothing is at the LUN (any more)
	WriteProtected              // the medium is write protected
	SpaceExhausted              // a thin pool has no blocks left
	ReservedByOther             // another initiator's reservation forbids it
	MediumFailure               // the medium or the hardware failed
	Fatal                       // everything else; not worth a retry
)

var dispositionNames = [...]string{
	Success:         "success",
	Retry:           "retry",
	RetryDelayed:    "retry after a pause",
	DeferredError:   "deferred error",
	NotSupported:    "not supported",
	OutOfRange:      "out of range",
	NoLogicalUnit:   "no logical unit",
	WriteProtected:  "write protected",
	SpaceExhausted:  "space exhausted",
	ReservedByOther: "reserved by another initiator",
	MediumFailure:   "medium failure",
	Fatal:           "fatal",
}

// String returns the disposition in plain words.
func (d Disposition) String() string {
	if int(d) < len(dispositionNames) {
		return dispositionNames[d]
	}
	return unknown(uint64(d))
}

// Classify says what is to be done about a command that ended with status (SAM-5,
// section 5.3.1) and, after CHECK CONDITION, with sense (SPC-4, section 4.5). For
// a target that sent no sense data pass the zero Sense.
//
// DeferredError means that this command was not executed and that data which had
// been acknowledged with GOOD, but not yet synchronized, may be lost (SPC-4,
// section 4.5.5): write all of that again, then this command.
func Classify(status Status, sense Sense) Disposition {
	switch status {
	case Good, ConditionMet:
		return Success
	case CheckCondition:
		return classifySense(sense)
	case ReservationConflict:
		return ReservedByOther
	// TASK ABORTED: another initiator's task management ended it (TAS set). ACA
	// ACTIVE: another's faulted task holds the queue.
	case Busy, TaskSetFull, ACAActive, TaskAborted:
		return RetryDelayed
	}
	return Fatal
}

func classifySense(s Sense) Disposition {
	if s.Deferred {
		return classifyDeferred(s)
	}
	for _, row := range senseTable {
		if row.matches(s) {
			return row.disposition
		}
	}
	return Fatal
}

// classifyDeferred tells an earlier command that failed from one that only had
// trouble.
func classifyDeferred(s Sense) Disposition {
	if s.Key == NoSense || s.Key == RecoveredError {
		return Retry
	}
	return DeferredError
}
