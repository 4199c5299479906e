package scsi

import "encoding/binary"

// fuaBit forces unit access: a write is on the medium before its GOOD
// (SBC-3, sections 5.33 and 5.35, byte 1).
const fuaBit = 0x08

// ReadCapacity10 builds READ CAPACITY (10) (SBC-3, section 5.15). The answer is
// ReadCapacity10Len bytes.
func ReadCapacity10() CDB {
	return CDB{opReadCapacity10}
}

// ReadCapacity16 builds READ CAPACITY (16) (SBC-3, section 5.16) with an
// allocation length in bytes; ReadCapacity16Len fetches the whole answer.
func ReadCapacity16(alloc uint32) CDB {
	c := CDB{opServiceActionIn16, saReadCapacity16}
	binary.BigEndian.PutUint32(c[10:], alloc)
	return c
}

// Read10 builds READ (10) (SBC-3, section 5.11): blocks logical blocks from lba
// on. Zero blocks reads nothing, it does not mean 65,536.
func Read10(lba uint32, blocks uint16) CDB {
	return block10(opRead10, lba, blocks)
}

// Read16 builds READ (16) (SBC-3, section 5.13): blocks logical blocks from lba on.
func Read16(lba uint64, blocks uint32) CDB {
	return block16(opRead16, lba, blocks)
}

// Write10 builds WRITE (10) (SBC-3, section 5.33): blocks logical blocks from lba
// on. With fua the target answers only when they are on the medium; send that
// only where MODE SENSE has shown DPOFUA (ModeData.DPOFUA).
func Write10(lba uint32, blocks uint16, fua bool) CDB {
	return block10(opWrite10, lba, blocks).withFUA(fua)
}

// Write16 builds WRITE (16) (SBC-3, section 5.35); see Write10 for fua.
func Write16(lba uint64, blocks uint32, fua bool) CDB {
	return block16(opWrite16, lba, blocks).withFUA(fua)
}

// SynchronizeCache10 builds SYNCHRONIZE CACHE (10) (SBC-3, section 5.26) for
// blocks logical blocks from lba on; zero blocks means to the end of the medium.
// IMMED stays zero: GOOD means that the data is on the medium.
func SynchronizeCache10(lba uint32, blocks uint16) CDB {
	return block10(opSynchronizeCache10, lba, blocks)
}

// SynchronizeCache16 builds SYNCHRONIZE CACHE (16) (SBC-3, section 5.27); see
// SynchronizeCache10.
func SynchronizeCache16(lba uint64, blocks uint32) CDB {
	return block16(opSynchronizeCache16, lba, blocks)
}

// Written returns the blocks that a WRITE or WRITE SAME names; false for all other
// commands.
func (c CDB) Written() (BlockRange, bool) {
	switch c.Opcode() {
	case opWrite10, opWriteSame10:
		return BlockRange{uint64(binary.BigEndian.Uint32(c[2:])), uint32(binary.BigEndian.Uint16(c[7:]))}, true
	case opWrite16, opWriteSame16:
		return BlockRange{binary.BigEndian.Uint64(c[2:]), binary.BigEndian.Uint32(c[10:])}, true
	}
	return BlockRange{}, false
}

// block10 lays out the 10-byte commands: LBA in bytes 2 to 5, length in 7 and 8.
func block10(op byte, lba uint32, blocks uint16) CDB {
	c := CDB{op}
	binary.BigEndian.PutUint32(c[2:], lba)
	binary.BigEndian.PutUint16(c[7:], blocks)
	return c
}

// block16 lays out the 16-byte commands: LBA in bytes 2 to 9, length in 10 to 13.
func block16(op byte, lba uint64, blocks uint32) CDB {
	c := CDB{op}
	binary.BigEndian.PutUint64(c[2:], lba)
	binary.BigEndian.PutUint32(c[10:], blocks)
	return c
}

func (c CDB) withFUA(fua bool) CDB {
	if fua {
		c[1] |= fuaBit
	}
	return c
}
