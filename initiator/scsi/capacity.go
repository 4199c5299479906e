package scsi

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// Sizes in bytes of the READ CAPACITY answers (SBC-3, sections 5.15.2 and 5.16.2).
const (
	ReadCapacity10Len = 8
	ReadCapacity16Len = 32
)

// readCapacity16Min is what SBC-2 and older targets send of READ CAPACITY (16):
// the last LBA and the block length.
const readCapacity16Min = 12

// ErrCapacityTooLarge says that READ CAPACITY (10) cannot express the capacity
// and READ CAPACITY (16) has to be sent (SBC-3, section 5.15.2).
var ErrCapacityTooLarge = errors.New("capacity needs READ CAPACITY (16)")

// Capacity is what READ CAPACITY told (SBC-3, sections 5.15.2 and 5.16.2). The
// (10) form fills Blocks and BlockSize only.
type Capacity struct {
	Blocks    uint64 // number of logical blocks
	BlockSize uint32 // bytes in a logical block, as the target said it, unchecked

	LBPME bool // logical block provisioning management: thin or resource provisioned
	LBPRZ bool // unmapped blocks read as zeroes

	LogicalPerPhysicalExponent uint8  // 2^n logical blocks are one physical block
	LowestAlignedLBA           uint16 // first LBA at the start of a physical block

	ProtectionEnabled bool  // PROT_EN: blocks carry protection information
	ProtectionType    uint8 // 1 to 3 where ProtectionEnabled, else 0
}

// Bytes returns the capacity in bytes, and false if that is more than a file
// offset can hold (2^63-1).
func (c Capacity) Bytes() (int64, bool) {
	hi, lo := bits.Mul64(c.Blocks, uint64(c.BlockSize))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	return int64(lo), true
}

// ParseReadCapacity10 reads the answer of READ CAPACITY (10) (SBC-3, section
// 5.15.2). It returns ErrCapacityTooLarge where the target says so.
func ParseReadCapacity10(b []byte) (Capacity, error) {
	if len(b) < ReadCapacity10Len {
		return Capacity{}, tooShort("READ CAPACITY (10) data", len(b), ReadCapacity10Len)
	}
	last := binary.BigEndian.Uint32(b)
	// FFFFFFFFh in RETURNED LOGICAL BLOCK ADDRESS means that the last address does
	// not fit into the field.
	if last == math.MaxUint32 {
		return Capacity{}, ErrCapacityTooLarge
	}
	return Capacity{Blocks: uint64(last) + 1, BlockSize: binary.BigEndian.Uint32(b[4:])}, nil
}

// ParseReadCapacity16 reads the answer of READ CAPACITY (16) (SBC-3, section
// 5.16.2). Fields behind the end of a short answer stay zero.
func ParseReadCapacity16(b []byte) (Capacity, error) {
	if len(b) < readCapacity16Min {
		return Capacity{}, tooShort("READ CAPACITY (16) data", len(b), readCapacity16Min)
	}
	last := binary.BigEndian.Uint64(b)
	if last == math.MaxUint64 {
		return Capacity{}, malformed("READ CAPACITY (16) data: last logical block address %#x", last)
	}
	f := padded(b, ReadCapacity16Len)
	c := Capacity{
		Blocks:                     last + 1,
		BlockSize:                  binary.BigEndian.Uint32(f[8:]),
		LBPME:                      f[14]&0x80 != 0,
		LBPRZ:                      f[14]&0x40 != 0,
		LogicalPerPhysicalExponent: f[13] & 0x0f,
		LowestAlignedLBA:           binary.BigEndian.Uint16(f[14:]) & 0x3fff,
		ProtectionEnabled:          f[12]&0x01 != 0,
	}
	if c.ProtectionEnabled {
		c.ProtectionType = f[12]>>1&0x07 + 1
	}
	return c, nil
}

// padded returns the first n bytes of b, with zeroes behind its end: the
// standards say that a field a short answer leaves out counts as zero.
func padded(b []byte, n int) []byte {
	f := make([]byte, n)
	copy(f, b)
	return f
}
