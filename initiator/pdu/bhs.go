package pdu

import (
	"encoding/binary"
	"fmt"
)

// Sizes and limits of a PDU in bytes (RFC 7143, Section 11.2).
const (
	BHSLength            = 48
	MaxAHSLength         = 255 * 4
	MaxDataSegmentLength = 1<<24 - 1
	DigestLength         = 4
)

// ReservedTag is the value of an Initiator or Target Task Tag that names no
// task (RFC 7143, Sections 11.2.1.8 and 11.7.4).
const ReservedTag = 0xffffffff

// Byte offsets inside the BHS that several PDUs share.
const (
	offFlags     = 1
	offResponse  = 2
	offStatus    = 3
	offAHSLength = 4
	offDSLength  = 5
	offLUN       = 8
	offISID      = 8
	offTSIH      = 14
	offITT       = 16
	offTag       = 20 // Target Transfer Tag, EDTL, SNACK Tag, CID or Referenced Task Tag
	offCmdSN     = 24 // StatSN from the target
	offExpStatSN = 28 // ExpCmdSN from the target
	offMaxCmdSN  = 32
	offDataSN    = 36 // ExpDataSN, R2TSN
	offOffset    = 40 // Buffer Offset, BegRun
	offLength    = 44 // Residual Count, Desired Data Transfer Length, RunLength
)

// Bits of the first two bytes.
const (
	bitImmediate = 0x40
	opcodeMask   = 0x3f
	bitFinal     = 0x80
	bitContinue  = 0x40
)

// BHS is a Basic Header Segment (RFC 7143, Section 11.2.1). The zero value is
// a header of 48 zero bytes.
type BHS [BHSLength]byte

// Opcode tells the type of the PDU.
func (b *BHS) Opcode() Opcode { return Opcode(b[0] & opcodeMask) }

// Immediate tells whether the I bit marks the request for immediate delivery.
func (b *BHS) Immediate() bool { return b[0]&bitImmediate != 0 }

// Final tells the F bit, which is the T bit of login PDUs.
func (b *BHS) Final() bool { return b[offFlags]&bitFinal != 0 }

// ITT returns the Initiator Task Tag.
func (b *BHS) ITT() uint32 { return b.u32(offITT) }

// AHSLength returns the length of all Additional Header Segments in bytes, at
// most [MaxAHSLength].
func (b *BHS) AHSLength() int { return int(b[offAHSLength]) * 4 }

// SetAHSLength sets TotalAHSLength from a length in bytes, a multiple of 4 and
// at most [MaxAHSLength].
func (b *BHS) SetAHSLength(n int) { b[offAHSLength] = byte(n / 4) }

// DataSegmentLength returns the length of the data in bytes, without padding.
func (b *BHS) DataSegmentLength() int {
	return int(b[offDSLength])<<16 | int(b[offDSLength+1])<<8 | int(b[offDSLength+2])
}

// SetDataSegmentLength sets the length of the data in bytes, without padding,
// at most [MaxDataSegmentLength].
func (b *BHS) SetDataSegmentLength(n int) {
	b[offDSLength], b[offDSLength+1], b[offDSLength+2] = byte(n>>16), byte(n>>8), byte(n)
}

// Padding returns how many zero bytes follow n bytes of data: 0 to 3 (RFC
// 7143, Section 11.1).
func Padding(n int) int { return -n & 3 }

// String shows the header as protocol, for logs.
func (b *BHS) String() string {
	return fmt.Sprintf("%v ITT=%#x flags=%#02x ahs=%d data=%d",
		b.Opcode(), b.ITT(), b[offFlags], b.AHSLength(), b.DataSegmentLength())
}

// start clears the header and writes its opcode and its flags.
func (b *BHS) start(op Opcode, immediate bool, flags byte) {
	*b = BHS{byte(op), flags}
	if immediate {
		b[0] |= bitImmediate
	}
}

// expect checks that the header is of the PDU that op names.
func (b *BHS) expect(op Opcode) error {
	if b.Opcode() != op {
		return &OpcodeError{Got: b.Opcode(), Want: op}
	}
	return nil
}

func (b *BHS) u16(off int) uint16       { return binary.BigEndian.Uint16(b[off:]) }
func (b *BHS) u32(off int) uint32       { return binary.BigEndian.Uint32(b[off:]) }
func (b *BHS) put16(off int, v uint16)  { binary.BigEndian.PutUint16(b[off:], v) }
func (b *BHS) put32(off int, v uint32)  { binary.BigEndian.PutUint32(b[off:], v) }
func (b *BHS) lun() [8]byte             { return [8]byte(b[offLUN : offLUN+8]) }
func (b *BHS) putLUN(lun [8]byte)       { copy(b[offLUN:], lun[:]) }
func (b *BHS) flag(mask byte) bool      { return b[offFlags]&mask != 0 }
func (b *BHS) setFlag(m byte, set bool) { b[offFlags] |= bit(m, set) }

// bit returns mask when set, else 0.
func bit(mask byte, set bool) byte {
	if set {
		return mask
	}
	return 0
}

// OpcodeError says that a header is of another PDU than the one it was to be
// unmarshaled into.
type OpcodeError struct{ Got, Want Opcode }

func (e *OpcodeError) Error() string {
	return fmt.Sprintf("header of a %v PDU where a %v PDU was expected", e.Got, e.Want)
}
