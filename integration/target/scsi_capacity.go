package target

import (
	"encoding/binary"
	"math"
)

// readCapacity10 tells the last block, at most ffffffffh, which means that
// READ CAPACITY (16) must be asked (SBC-3, Section 5.15).
func readCapacity10(x *call) *result {
	last := min(x.lun.blocks()-1, math.MaxUint32)
	b := binary.BigEndian.AppendUint32(nil, uint32(last))
	return good(binary.BigEndian.AppendUint32(b, uint32(x.lun.BlockSize)))
}

// Bits of byte 14 of READ CAPACITY (16).
const (
	lbpme = 0x80
	lbprz = 0x40
)

func readCapacity16(x *call) *result {
	b := make([]byte, 32)
	binary.BigEndian.PutUint64(b, x.lun.blocks()-1)
	binary.BigEndian.PutUint32(b[8:], uint32(x.lun.BlockSize))
	if x.lun.Thin {
		b[14] |= lbpme
	}
	if x.lun.ReadZeroes {
		b[14] |= lbprz
	}
	return truncated(b, bigEndian(x.cdb[10:14]))
}

func checkServiceAction(cdb []byte, l *LUN) *result {
	switch cdb[1] & 0x1f {
	case saReadCapacity16:
		return nil
	case saGetLBAStatus:
		return checkLBAStatus(cdb, l)
	}
	return checkCondition(senseIllegalRequest, ascInvalidOpcode)
}

func serviceActionIn(x *call) *result {
	if x.cdb[1]&0x1f == saGetLBAStatus {
		return getLBAStatus(x)
	}
	return readCapacity16(x)
}
