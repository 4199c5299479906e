package scsi

// anyCode stands for every ASC or ASCQ in senseTable.
const anyCode = -1

// senseRow maps sense data to a disposition. The names are those of SPC-4, table
// 46 (sense keys) and annex E.2 (additional sense codes).
type senseRow struct {
	key         SenseKey
	asc, ascq   int // anyCode matches all
	disposition Disposition
	name        string
}

func (r senseRow) matches(s Sense) bool {
	return r.key == s.Key &&
		(r.asc == anyCode || r.asc == int(s.ASC)) &&
		(r.ascq == anyCode || r.ascq == int(s.ASCQ))
}

// SenseRule is one row of what [Classify] goes by, for manuals.
type SenseRule struct {
	Key         SenseKey
	ASC, ASCQ   int // below 0: every code
	Disposition Disposition
	Name        string // as the standard has it
}

// SenseRules returns the rows in the order in which they are searched; the first that
// matches counts.
func SenseRules() []SenseRule {
	rules := make([]SenseRule, len(senseTable))
	for i, r := range senseTable {
		rules[i] = SenseRule{r.key, r.asc, r.ascq, r.disposition, r.name}
	}
	return rules
}

// senseTable is searched from the top; the first row that matches counts. What
// matches none is Fatal.
var senseTable = []senseRow{
	// CHECK CONDITION that says nothing cannot be taken for success.
	{NoSense, anyCode, anyCode, RetryDelayed, "NO SENSE"},

	{RecoveredError, anyCode, anyCode, Success, "RECOVERED ERROR"},
	{Completed, anyCode, anyCode, Success, "COMPLETED"},

	{NotReady, 0x04, 0x02, Fatal, "LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED"},
	{NotReady, 0x04, 0x03, Fatal, "LOGICAL UNIT NOT READY, MANUAL INTERVENTION REQUIRED"},
	// Becoming ready (01), formatting (04), rebuilding (05), in ALUA transition (0A),
	// standby (0B), unavailable (0C), allocating space (14): all pass.
	{NotReady, 0x04, anyCode, RetryDelayed, "LOGICAL UNIT NOT READY"},
	{NotReady, 0x3e, 0x01, Fatal, "LOGICAL UNIT FAILURE"},
	{NotReady, 0x3e, anyCode, RetryDelayed, "LOGICAL UNIT HAS NOT SELF-CONFIGURED YET"},
	{NotReady, 0x08, anyCode, RetryDelayed, "LOGICAL UNIT COMMUNICATION FAILURE"},

	{MediumError, anyCode, anyCode, MediumFailure, "MEDIUM ERROR"},
	{HardwareError, anyCode, anyCode, MediumFailure, "HARDWARE ERROR"},

	{IllegalRequest, 0x20, 0x00, NotSupported, "INVALID COMMAND OPERATION CODE"},
	{IllegalRequest, 0x21, 0x00, OutOfRange, "LOGICAL BLOCK ADDRESS OUT OF RANGE"},
	{IllegalRequest, 0x24, 0x00, NotSupported, "INVALID FIELD IN CDB"},
	{IllegalRequest, 0x25, 0x00, NoLogicalUnit, "LOGICAL UNIT NOT SUPPORTED"},
	{IllegalRequest, 0x26, 0x00, NotSupported, "INVALID FIELD IN PARAMETER LIST"},
	{IllegalRequest, 0x26, 0x01, NotSupported, "PARAMETER NOT SUPPORTED"},
	{IllegalRequest, 0x26, 0x02, NotSupported, "PARAMETER VALUE INVALID"},
	{IllegalRequest, 0x27, anyCode, WriteProtected, "WRITE PROTECTED"},

	{UnitAttention, anyCode, anyCode, Retry, "UNIT ATTENTION"},

	{DataProtect, 0x27, 0x07, SpaceExhausted, "SPACE ALLOCATION FAILED WRITE PROTECT"},
	{DataProtect, 0x27, anyCode, WriteProtected, "WRITE PROTECTED"},

	{AbortedCommand, anyCode, anyCode, RetryDelayed, "ABORTED COMMAND"},
}
