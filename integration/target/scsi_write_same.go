package target

import "bytes"

// Bits of byte 1 of WRITE SAME (SBC-3, Sections 5.43 and 5.44).
const (
	wsAnchor = 0x10
	wsUnmap  = 0x08
	wsNDOB   = 0x01 // 16 only: no Data-Out buffer, zeroes instead
)

func noDataOut(cdb []byte) bool { return cdb[0] == OpWriteSame16 && cdb[1]&wsNDOB != 0 }

func writeSameLength(cdb []byte, l *LUN) (in, out int64) {
	if noDataOut(cdb) {
		return 0, 0
	}
	return 0, int64(l.BlockSize)
}

// sameBlocks returns the blocks to write: 0 means up to the end.
func (l *LUN) sameBlocks(cdb []byte) place {
	p, _ := addressed(cdb)
	if n := l.blocks(); p.blocks == 0 && p.lba <= n {
		p.blocks = n - p.lba
	}
	return p
}

func checkWriteSame(cdb []byte, l *LUN) *result {
	if r := l.checkWritable(); r != nil {
		return r
	}
	given, _ := addressed(cdb)
	p := l.sameBlocks(cdb)
	switch {
	case cdb[1]&(protectMask|wsAnchor) != 0,
		cdb[1]&wsUnmap != 0 && !l.freedBy(cdb[0]),
		noDataOut(cdb) && l.NDOB == refuseNDOB,
		given.blocks == 0 && l.Limits.NonZeroWriteSame,
		l.Limits.MaxWriteSame != 0 && p.blocks > l.Limits.MaxWriteSame:
		return checkCondition(senseIllegalRequest, ascInvalidField)
	case !l.inRange(p):
		return checkCondition(senseIllegalRequest, ascOutOfRange)
	}
	return nil
}

// writeSame repeats one block. With UNMAP blocks are deallocated only if they
// then read as that block does.
func writeSame(x *call) *result {
	l, block := x.lun, make([]byte, x.lun.BlockSize)
	switch {
	case noDataOut(x.cdb) && l.NDOB == overlookNDOB:
		block = bytes.Repeat([]byte{0xee}, len(block))
	case !noDataOut(x.cdb) && copy(block, x.data) < len(block):
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	p := l.sameBlocks(x.cdb)
	if zero := bytes.Count(block, []byte{0}) == len(block); x.cdb[1]&wsUnmap != 0 && zero && l.ReadZeroes {
		if err := l.deallocate(p); err != nil {
			return checkCondition(senseMedium, ascWriteError)
		}
		return good(nil)
	}
	off, n := int64(p.lba)*int64(l.BlockSize), int64(p.blocks)*int64(l.BlockSize)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store(off, n, func() error { return l.fill(block, off, n) })
}
