package target

// place is a run of blocks on the medium.
type place struct{ lba, blocks uint64 }

// addressed returns the blocks that a CDB names; false for commands that name
// none, or too short a CDB.
func addressed(cdb []byte) (place, bool) {
	if len(cdb) < 16 {
		return place{}, false
	}
	switch cdb[0] {
	case OpRead6, OpWrite6:
		p := place{bigEndian(cdb[1:4]) & 0x1fffff, uint64(cdb[4])}
		if p.blocks == 0 {
			p.blocks = 256 // SBC-3, Section 5.7
		}
		return p, true
	case OpRead10, OpWrite10, OpVerify10, OpSynchronizeCache10, OpWriteSame10:
		return place{bigEndian(cdb[2:6]), bigEndian(cdb[7:9])}, true
	case OpRead12, OpWrite12, OpVerify12:
		return place{bigEndian(cdb[2:6]), bigEndian(cdb[6:10])}, true
	case OpRead16, OpWrite16, OpVerify16, OpSynchronizeCache16, OpWriteSame16:
		return place{bigEndian(cdb[2:10]), bigEndian(cdb[10:14])}, true
	}
	return place{}, false
}

// blocks returns the LUN's capacity in blocks.
func (l *LUN) blocks() uint64 { return uint64(l.Size() / int64(l.BlockSize)) }

// inRange tells whether a place lies on the medium.
func (l *LUN) inRange(p place) bool {
	n := l.blocks()
	return p.lba <= n && p.blocks <= n-p.lba
}

// checkPlace checks the range, and the length where one is reported.
func (l *LUN) checkPlace(p place) *result {
	if !l.inRange(p) {
		return checkCondition(senseIllegalRequest, ascOutOfRange)
	}
	limit := uint64(maxTransfer / l.BlockSize)
	if l.Limits.MaxTransfer != 0 {
		limit = min(limit, uint64(l.Limits.MaxTransfer))
	}
	if p.blocks > limit {
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	return nil
}

// checkWritable checks write protection.
func (l *LUN) checkWritable() *result {
	if l.attributes().WriteProtected {
		return checkCondition(senseDataProtect, ascWriteProtected)
	}
	return nil
}
