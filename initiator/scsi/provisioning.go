package scsi

import (
	"encoding/binary"
	"math"
)

// SameFlags are bits of byte 1 of WRITE SAME (SBC-3, sections 5.43 and 5.44).
type SameFlags uint8

// Bits of WRITE SAME.
const (
	SameAnchor SameFlags = 0x10 // ANCHOR, with SameUnmap only: blocks become anchored
	// SameUnmap: UNMAP. Blocks may be unmapped if they then read as what would be
	// written, and are written otherwise (SBC-3, section 4.7.3).
	SameUnmap SameFlags = 0x08
	// SameNDOB: NDOB, of the 16-byte form. There is no Data-Out Buffer: zeroes
	// are written.
	SameNDOB SameFlags = 0x01
)

// WriteSame10 builds WRITE SAME (10) (SBC-3, section 5.43): one logical block, the
// data sent with it, is written to blocks logical blocks from lba on. Zero blocks
// means to the end of the medium, where WSNZ (BlockLimits) does not forbid it.
func WriteSame10(lba uint32, blocks uint16, flags SameFlags) CDB {
	c := block10(opWriteSame10, lba, blocks)
	c[1] = byte(flags)
	return c
}

// WriteSame16 builds WRITE SAME (16) (SBC-3, section 5.44); see WriteSame10. With
// SameNDOB no data is sent.
func WriteSame16(lba uint64, blocks uint32, flags SameFlags) CDB {
	c := block16(opWriteSame16, lba, blocks)
	c[1] = byte(flags)
	return c
}

// Sizes in bytes of the UNMAP parameter list (SBC-3, section 5.28.2).
const (
	unmapHeader     = 8
	unmapDescriptor = 16
)

// MaxUnmapRanges is the most ranges that one UNMAP can name: the list's length has
// 16 bits.
const MaxUnmapRanges = (math.MaxUint16 - unmapHeader) / unmapDescriptor

// BlockRange is a run of logical blocks.
type BlockRange struct {
	LBA    uint64
	Blocks uint32
}

// Has tells whether a block is one of the run.
func (r BlockRange) Has(lba uint64) bool { return lba >= r.LBA && lba-r.LBA < uint64(r.Blocks) }

// Unmap builds UNMAP (SBC-3, section 5.28) for a parameter list of so many ranges,
// at most MaxUnmapRanges. ANCHOR is zero: the blocks may become deallocated.
func Unmap(ranges int) CDB {
	c := CDB{opUnmap}
	binary.BigEndian.PutUint16(c[7:], uint16(unmapHeader+ranges*unmapDescriptor))
	return c
}

// UnmapList returns the parameter list of UNMAP (SBC-3, section 5.28.2).
func UnmapList(ranges ...BlockRange) []byte {
	b := make([]byte, unmapHeader, unmapHeader+len(ranges)*unmapDescriptor)
	binary.BigEndian.PutUint16(b, uint16(cap(b)-2))          // UNMAP DATA LENGTH
	binary.BigEndian.PutUint16(b[2:], uint16(cap(b)-len(b))) // UNMAP BLOCK DESCRIPTOR DATA LENGTH
	for _, r := range ranges {
		b = binary.BigEndian.AppendUint64(b, r.LBA)
		b = binary.BigEndian.AppendUint32(b, r.Blocks)
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

// Provisioning is what a logical block is backed by: the PROVISIONING STATUS of an
// LBA status descriptor (SBC-3, section 5.4.2.2).
type Provisioning uint8

// Provisioning states. The last two are of SBC-4. Of all of them only Deallocated
// says that nothing backs the block.
const (
	MappedOrUnknown Provisioning = 0
	Deallocated     Provisioning = 1
	Anchored        Provisioning = 2
	Mapped          Provisioning = 3
	Unknown         Provisioning = 4
)

// LBAStatus is the state of a run of logical blocks.
type LBAStatus struct {
	BlockRange
	Provisioning Provisioning
}

// Sizes in bytes of the GET LBA STATUS parameter data (SBC-3, section 5.4.2).
const (
	lbaStatusHeader     = 8
	lbaStatusDescriptor = 16
)

// LBAStatusLen returns the allocation length in bytes that n descriptors need.
func LBAStatusLen(n int) int { return lbaStatusHeader + n*lbaStatusDescriptor }

// GetLBAStatus builds GET LBA STATUS (SBC-3, section 5.4), from lba on, with an
// allocation length in bytes; see LBAStatusLen.
func GetLBAStatus(lba uint64, alloc uint32) CDB {
	c := block16(opServiceActionIn16, lba, alloc)
	c[1] = saGetLBAStatus
	return c
}

// ParseLBAStatus reads the parameter data of a GET LBA STATUS that asked from lba
// on (SBC-3, section 5.4.2). The runs it returns follow one another without a gap,
// the first begins at lba, and none is empty or runs past the last possible
// address: the standard demands that, and what is built on them relies on it. It
// returns those before one that breaks this, and an error if there is none.
func ParseLBAStatus(b []byte, lba uint64) ([]LBAStatus, error) {
	if len(b) < lbaStatusHeader {
		return nil, tooShort("LBA status data", len(b), lbaStatusHeader)
	}
	// PARAMETER DATA LENGTH counts what follows it.
	list := b[4:]
	if n := uint64(binary.BigEndian.Uint32(b)); n < uint64(len(list)) {
		list = list[:n]
	}
	list = list[min(len(list), lbaStatusHeader-4):]
	var runs []LBAStatus
	for next := lba; len(list) >= lbaStatusDescriptor; list = list[lbaStatusDescriptor:] {
		run := LBAStatus{
			BlockRange:   BlockRange{LBA: binary.BigEndian.Uint64(list), Blocks: binary.BigEndian.Uint32(list[8:])},
			Provisioning: Provisioning(list[12] & 0x0f),
		}
		if run.LBA != next || run.Blocks == 0 || next > math.MaxUint64-uint64(run.Blocks) {
			break
		}
		next += uint64(run.Blocks)
		runs = append(runs, run)
	}
	if len(runs) == 0 {
		return nil, malformed("LBA status data: no descriptor begins at LBA %d", lba)
	}
	return runs, nil
}
