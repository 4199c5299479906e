package target

// Operation codes (SPC-4, SBC-3).
const (
	OpTestUnitReady        = 0x00
	OpRequestSense         = 0x03
	OpRead6                = 0x08
	OpWrite6               = 0x0a
	OpInquiry              = 0x12
	OpModeSense6           = 0x1a
	OpReadCapacity10       = 0x25
	OpRead10               = 0x28
	OpWrite10              = 0x2a
	OpVerify10             = 0x2f
	OpSynchronizeCache10   = 0x35
	OpWriteSame10          = 0x41
	OpUnmap                = 0x42
	OpModeSense10          = 0x5a
	OpPersistentReserveIn  = 0x5e
	OpPersistentReserveOut = 0x5f
	OpRead16               = 0x88
	OpWrite16              = 0x8a
	OpVerify16             = 0x8f
	OpSynchronizeCache16   = 0x91
	OpWriteSame16          = 0x93
	OpServiceActionIn16    = 0x9e // READ CAPACITY (16), GET LBA STATUS
	OpReportLUNs           = 0xa0
	OpMaintenanceIn        = 0xa3 // REPORT TARGET PORT GROUPS
	OpRead12               = 0xa8
	OpWrite12              = 0xaa
	OpVerify12             = 0xaf
)

// Service actions of OpServiceActionIn16 (SBC-3).
const (
	saReadCapacity16 = 0x10
	saGetLBAStatus   = 0x12
)

// operation is what the target knows of one command. A nil run means that it
// does not support it.
type operation struct {
	// transfer returns the bytes that go to, and come from, the initiator.
	transfer func(cdb []byte, l *LUN) (in, out int64)
	// check finds what is wrong before data is asked for; nil: nothing is.
	check func(cdb []byte, l *LUN) *result
	run   func(*call) *result
	// ignoresAttention: neither reports nor clears a unit attention.
	ignoresAttention bool
	// anyLUN: works for a LUN that does not exist too.
	anyLUN bool
	reach  reach
	// access is what other nexuses' reservations keep from the command.
	access access
}

// call is one command about to be carried out.
type call struct {
	cdb  []byte
	lun  *LUN // nil only for operations with anyLUN
	data []byte
	node *node
	sess *session
	t    *Target
}

// operations are the commands by operation code.
var operations = map[byte]*operation{
	OpTestUnitReady:        {transfer: nothing, run: func(*call) *result { return good(nil) }},
	OpRequestSense:         {transfer: allocation(4, 1), run: requestSense, ignoresAttention: true, anyLUN: true, reach: inUnavailable},
	OpInquiry:              {transfer: allocation(3, 2), run: inquiry, ignoresAttention: true, anyLUN: true, reach: inUnavailable},
	OpModeSense6:           {transfer: allocation(4, 1), run: modeSense, access: asWrites, reach: inStandby},
	OpModeSense10:          {transfer: allocation(7, 2), run: modeSense, access: asWrites, reach: inStandby},
	OpPersistentReserveIn:  {transfer: allocation(7, 2), check: checkReserve, run: reserveIn, reach: inStandby},
	OpPersistentReserveOut: {transfer: reserveOutLength, check: checkReserve, run: reserveOut, reach: inStandby},
	OpReadCapacity10:       {transfer: fixed(8), run: readCapacity10},
	OpServiceActionIn16:    {transfer: allocation(10, 4), check: checkServiceAction, run: serviceActionIn},
	OpReportLUNs:           {transfer: allocation(6, 4), run: reportLUNs, ignoresAttention: true, anyLUN: true, reach: inUnavailable},
	OpMaintenanceIn:        {transfer: allocation(6, 4), run: maintenanceIn, reach: inUnavailable},
	OpRead6:                {transfer: readLength, check: checkRead, run: read, access: asReads},
	OpRead10:               {transfer: readLength, check: checkRead, run: read, access: asReads},
	OpRead12:               {transfer: readLength, check: checkRead, run: read, access: asReads},
	OpRead16:               {transfer: readLength, check: checkRead, run: read, access: asReads},
	OpWrite6:               {transfer: writeLength, check: checkWrite, run: write, access: asWrites},
	OpWrite10:              {transfer: writeLength, check: checkWrite, run: write, access: asWrites},
	OpWrite12:              {transfer: writeLength, check: checkWrite, run: write, access: asWrites},
	OpWrite16:              {transfer: writeLength, check: checkWrite, run: write, access: asWrites},
	OpVerify10:             {transfer: verifyLength, check: checkVerify, run: verify, access: asReads},
	OpVerify12:             {transfer: verifyLength, check: checkVerify, run: verify, access: asReads},
	OpVerify16:             {transfer: verifyLength, check: checkVerify, run: verify, access: asReads},
	OpSynchronizeCache10:   {transfer: nothing, check: checkSynchronize, run: synchronizeCache, access: asWrites},
	OpSynchronizeCache16:   {transfer: nothing, check: checkSynchronize, run: synchronizeCache, access: asWrites},
	OpUnmap:                {transfer: parameterList, check: checkUnmap, run: unmap, access: asWrites},
	OpWriteSame10:          {transfer: writeSameLength, check: checkWriteSame, run: writeSame, access: asWrites},
	OpWriteSame16:          {transfer: writeSameLength, check: checkWriteSame, run: writeSame, access: asWrites},
}

var unknownOperation = &operation{}

func operationOf(cdb []byte) *operation {
	if op := operations[cdb[0]]; op != nil {
		return op
	}
	return unknownOperation
}

func nothing([]byte, *LUN) (in, out int64) { return 0, 0 }

func fixed(n int64) func([]byte, *LUN) (in, out int64) {
	return func([]byte, *LUN) (int64, int64) { return n, 0 }
}

// allocation is for commands whose CDB has an allocation length of n bytes.
func allocation(at, n int) func([]byte, *LUN) (in, out int64) {
	return func(cdb []byte, _ *LUN) (int64, int64) { return int64(bigEndian(cdb[at : at+n])), 0 }
}

func parameterList(cdb []byte, _ *LUN) (in, out int64) { return 0, int64(bigEndian(cdb[7:9])) }

// bigEndian reads a number of up to eight bytes.
func bigEndian(b []byte) (v uint64) {
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

// withoutLUN answers commands to a LUN that does not exist (SPC-4, Section
// 6.6.1 for INQUIRY; SAM-5, Section 4.9).
func (k *task) withoutLUN() *result {
	if !k.op.anyLUN {
		return checkCondition(senseIllegalRequest, ascNoLUN)
	}
	return k.op.run(&call{cdb: k.cdb, node: k.s.node, t: k.s.t, sess: k.s})
}

// truncated cuts data to what an allocation length leaves.
func truncated(data []byte, allocation uint64) *result {
	return good(data[:min(uint64(len(data)), allocation)])
}
