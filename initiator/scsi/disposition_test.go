package scsi

import "testing"

func TestClassifyStatus(t *testing.T) {
	tests := []struct {
		status Status
		want   Disposition
	}{
		{Good, Success},
		{ConditionMet, Success},
		{Busy, RetryDelayed},
		{TaskSetFull, RetryDelayed},
		{ACAActive, RetryDelayed},
		{TaskAborted, RetryDelayed},
		{ReservationConflict, ReservedByOther},
		{Status(0x22), Fatal},
	}
	for _, tt := range tests {
		// Sense data that came with another status than CHECK CONDITION is not asked.
		if got := Classify(tt.status, Sense{Format: SenseFixed, Key: MediumError}); got != tt.want {
			t.Errorf("Classify(%s) = %s, want %s", tt.status, got, tt.want)
		}
	}
}

func TestClassifySense(t *testing.T) {
	tests := []struct {
		key       SenseKey
		asc, ascq uint8
		want      Disposition
	}{
		{NoSense, 0, 0, RetryDelayed},
		{RecoveredError, 0x17, 0x01, Success},
		{Completed, 0, 0, Success},
		{NotReady, 0x04, 0x00, RetryDelayed},
		{NotReady, 0x04, 0x01, RetryDelayed},
		{NotReady, 0x04, 0x02, Fatal},
		{NotReady, 0x04, 0x03, Fatal},
		{NotReady, 0x04, 0x0a, RetryDelayed},
		{NotReady, 0x04, 0x0b, RetryDelayed},
		{NotReady, 0x04, 0x0c, RetryDelayed},
		{NotReady, 0x04, 0x14, RetryDelayed},
		{NotReady, 0x08, 0x00, RetryDelayed},
		{NotReady, 0x3a, 0x00, Fatal},
		{NotReady, 0x3e, 0x00, RetryDelayed},
		{NotReady, 0x3e, 0x01, Fatal},
		{MediumError, 0x11, 0x00, MediumFailure},
		{HardwareError, 0x44, 0x00, MediumFailure},
		{IllegalRequest, 0x1a, 0x00, Fatal},
		{IllegalRequest, 0x20, 0x00, NotSupported},
		{IllegalRequest, 0x20, 0x02, Fatal}, // ACCESS DENIED, NO ACCESS RIGHTS
		{IllegalRequest, 0x21, 0x00, OutOfRange},
		{IllegalRequest, 0x24, 0x00, NotSupported},
		{IllegalRequest, 0x25, 0x00, NoLogicalUnit},
		{IllegalRequest, 0x26, 0x00, NotSupported},
		{IllegalRequest, 0x26, 0x01, NotSupported},
		{IllegalRequest, 0x26, 0x02, NotSupported},
		{IllegalRequest, 0x26, 0x04, Fatal}, // INVALID RELEASE OF PERSISTENT RESERVATION
		{IllegalRequest, 0x27, 0x00, WriteProtected},
		{UnitAttention, 0x29, 0x00, Retry},
		{UnitAttention, 0x2a, 0x09, Retry},
		{UnitAttention, 0x99, 0x99, Retry},
		{DataProtect, 0x27, 0x00, WriteProtected},
		{DataProtect, 0x27, 0x02, WriteProtected},
		{DataProtect, 0x27, 0x07, SpaceExhausted},
		{DataProtect, 0x20, 0x02, Fatal},
		{BlankCheck, 0, 0, Fatal},
		{AbortedCommand, 0x47, 0x05, RetryDelayed},
		{Miscompare, 0x1d, 0x00, Fatal},
		{SenseKey(0xc), 0, 0, Fatal},
	}
	for _, tt := range tests {
		sense := Sense{Format: SenseFixed, Key: tt.key, ASC: tt.asc, ASCQ: tt.ascq}
		if got := Classify(CheckCondition, sense); got != tt.want {
			t.Errorf("%s: %s, want %s", sense, got, tt.want)
		}
	}
}

func TestClassifyWithoutSense(t *testing.T) {
	if got := Classify(CheckCondition, Sense{}); got != RetryDelayed {
		t.Errorf("CHECK CONDITION without sense data: %s, want %s", got, RetryDelayed)
	}
}

func TestClassifyDeferred(t *testing.T) {
	tests := []struct {
		key  SenseKey
		want Disposition
	}{
		{MediumError, DeferredError},
		{HardwareError, DeferredError},
		{AbortedCommand, DeferredError},
		{RecoveredError, Retry},
		{NoSense, Retry},
	}
	for _, tt := range tests {
		sense := Sense{Format: SenseFixed, Deferred: true, Key: tt.key}
		if got := Classify(CheckCondition, sense); got != tt.want {
			t.Errorf("%s: %s, want %s", sense, got, tt.want)
		}
	}
}

// TestSenseTable finds rows that can never match, because one above them takes
// all that they are for, and names that are missing.
func TestSenseTable(t *testing.T) {
	for i, row := range senseTable {
		if row.name == "" {
			t.Errorf("row %d has no name", i)
		}
		sample := Sense{Key: row.key, ASC: sampleCode(row.asc), ASCQ: sampleCode(row.ascq)}
		for _, above := range senseTable[:i] {
			if above.matches(sample) {
				t.Errorf("row %q hides row %q", above.name, row.name)
			}
		}
	}
}

// sampleCode stands for a column: its own code, or one that no row names.
func sampleCode(column int) uint8 {
	if column == anyCode {
		return 0xfe
	}
	return uint8(column)
}

func TestDispositionString(t *testing.T) {
	for d := Success; d <= Fatal; d++ {
		if d.String() == "" {
			t.Errorf("disposition %d has no name", d)
		}
	}
	if got := (Fatal + 1).String(); got != "unknown(0xc)" {
		t.Errorf("String() = %q", got)
	}
}

func TestAttention(t *testing.T) {
	tests := []struct {
		key       SenseKey
		asc, ascq uint8
		want      Attention
	}{
		{UnitAttention, 0x29, 0x00, ResetAttention},
		{UnitAttention, 0x29, 0x07, ResetAttention},
		{UnitAttention, 0x2a, 0x01, ModeChanged},
		{UnitAttention, 0x2a, 0x03, ReservationsChanged},
		{UnitAttention, 0x2a, 0x04, ReservationsChanged},
		{UnitAttention, 0x2a, 0x05, ReservationsChanged},
		{UnitAttention, 0x2a, 0x06, AccessStateChanged},
		{UnitAttention, 0x2a, 0x07, AccessStateChanged},
		{UnitAttention, 0x2a, 0x09, CapacityChanged},
		{UnitAttention, 0x3f, 0x03, IdentityChanged},
		{UnitAttention, 0x3f, 0x05, IdentityChanged},
		{UnitAttention, 0x3f, 0x0e, LUNsChanged},
		{UnitAttention, 0x38, 0x07, SpaceLow},
		{NotReady, 0x29, 0x00, NoAttention},
		{NoSense, 0, 0, NoAttention},
	}
	for _, tt := range tests {
		sense := Sense{Key: tt.key, ASC: tt.asc, ASCQ: tt.ascq}
		if got := sense.Attention(); got != tt.want {
			t.Errorf("%s: Attention() = %d, want %d", sense, got, tt.want)
		}
	}
}
