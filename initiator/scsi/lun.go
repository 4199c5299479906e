package scsi

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// LUN is a logical unit number (SAM-5, section 4.7) in the eight bytes that the
// target gave. Two LUNs are the same unit's only if all eight bytes are equal: a
// target may know a unit by the peripheral form and refuse it in the flat one, so
// a LUN from REPORT LUNS is carried back unchanged.
type LUN [8]byte

// Largest numbers of the single-level forms (SAM-5, section 4.7.7).
const (
	maxPeripheral   = 1<<8 - 1
	maxFlat         = 1<<14 - 1
	maxExtendedFlat = 1<<24 - 1
	maxLongFlat     = 1<<40 - 1
)

// First bytes of the two extended flat space forms: address method 11b, length
// 01b or 10b, extended address method 2h (SAM-5, section 4.7.7.5).
const (
	extendedFlat = 0xd2
	longFlat     = 0xe2
)

// PeripheralLUN returns n in the peripheral device form, bus 0 (SAM-5, section
// 4.7.7.2).
func PeripheralLUN(n uint8) LUN { return LUN{0, n} }

// FlatLUN returns n in the flat space form (SAM-5, section 4.7.7.3), and false if
// n is above 16,383.
func FlatLUN(n uint16) (LUN, bool) {
	if n > maxFlat {
		return LUN{}, false
	}
	return LUN{0x40 | byte(n>>8), byte(n)}, true
}

// LUNFromNumber returns n in the shortest form that holds it: peripheral up to
// 255, flat up to 16,383, then the extended flat forms of 24 and 40 bits (SAM-5,
// section 4.7.7); false if n needs more. It is for numbers that a person wrote:
// match them with Number against what REPORT LUNS gave where that is possible.
func LUNFromNumber(n uint64) (LUN, bool) {
	var l LUN
	switch {
	case n <= maxPeripheral:
		return PeripheralLUN(uint8(n)), true
	case n <= maxFlat:
		return FlatLUN(uint16(n))
	case n <= maxExtendedFlat:
		binary.BigEndian.PutUint32(l[:], uint32(n))
		l[0] = extendedFlat
	case n <= maxLongFlat:
		binary.BigEndian.PutUint64(l[:], n<<16)
		l[0] = longFlat
	default:
		return LUN{}, false
	}
	return l, true
}

// Number returns the decimal number of a single-level LUN in the peripheral (bus
// 0), flat or extended flat form, and false for every other form: multi-level,
// well known, or not specified (SAM-5, section 4.7).
func (l LUN) Number() (uint64, bool) {
	v := binary.BigEndian.Uint64(l[:])
	switch {
	case l[0] == 0:
		return v >> 48, v<<16 == 0
	case l[0]>>6 == 1:
		return v >> 48 & maxFlat, v<<16 == 0
	case l[0] == extendedFlat:
		return v >> 32 & maxExtendedFlat, v<<32 == 0
	case l[0] == longFlat:
		return v >> 16 & maxLongFlat, v<<48 == 0
	}
	return 0, false
}

// String returns the decimal number where there is one, else the eight bytes in
// hexadecimal.
func (l LUN) String() string {
	if n, ok := l.Number(); ok {
		return strconv.FormatUint(n, 10)
	}
	return fmt.Sprintf("0x%016x", [8]byte(l))
}
