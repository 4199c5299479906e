package target

import "encoding/binary"

const (
	maxStatusDescriptors = 64
	statusMapped         = 0
	statusDeallocated    = 1
)

func checkLBAStatus(cdb []byte, l *LUN) *result {
	if !l.Thin || l.NoLBAStatus {
		return checkCondition(senseIllegalRequest, ascInvalidOpcode)
	}
	if bigEndian(cdb[2:10]) >= l.blocks() {
		return checkCondition(senseIllegalRequest, ascOutOfRange)
	}
	return nil
}

// getLBAStatus lists runs of mapped and deallocated blocks from the given one
// on (SBC-3, Section 5.6).
func getLBAStatus(x *call) *result {
	l := x.lun
	room := bigEndian(x.cdb[10:14])
	b := make([]byte, 8)
	lba, end := bigEndian(x.cdb[2:10]), l.blocks()
	for n := 0; lba < end && uint64(len(b)) < room && n < maxStatusDescriptors; n++ {
		mapped, run := l.provisioning(lba, end-lba)
		d := make([]byte, 16)
		binary.BigEndian.PutUint64(d, lba)
		binary.BigEndian.PutUint32(d[8:], run)
		d[12] = statusMapped
		if !mapped {
			d[12] = statusDeallocated
		}
		b = append(b, d...)
		lba += uint64(run)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return truncated(b, room)
}

// provisioning tells whether a block is mapped, and how many from there on are
// the same; at least 1. A block that is mapped in part is mapped.
func (l *LUN) provisioning(lba, atMost uint64) (bool, uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(l.BlockSize)
	length := int64(min(atMost, 1<<31)) * size
	mapped, run := l.medium.mapped(int64(lba)*size, length)
	if mapped {
		return true, uint32((run + size - 1) / size)
	}
	if run < size {
		return true, 1
	}
	return false, uint32(run / size)
}
