package target

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// AddressForm is a form of LUN field (SAM-5, Section 4.7).
type AddressForm int

// The forms of LUN fields. AnyForm reports the shortest one that the number
// fits into and answers to all.
const (
	AnyForm AddressForm = iota
	Peripheral
	Flat
	Extended
)

// address returns the LUN field that REPORT LUNS gives.
func (l *LUN) address() [8]byte {
	form := l.Form
	if form == AnyForm {
		switch {
		case *l.number < 1<<8:
			form = Peripheral
		case *l.number < 1<<14:
			form = Flat
		default:
			form = Extended
		}
	}
	return encodeAddress(form, *l.number)
}

func encodeAddress(form AddressForm, n uint64) (field [8]byte) {
	switch form {
	case Peripheral:
		field[1] = byte(n)
	case Flat:
		binary.BigEndian.PutUint16(field[:], 0x4000|uint16(n))
	default:
		// Extended flat space addressing: address method 3, length 1, method 2.
		binary.BigEndian.PutUint32(field[:], 0xd2000000|uint32(n)&0xffffff)
	}
	return field
}

// decodeAddress returns the number in a LUN field, of whatever form.
func decodeAddress(field [8]byte) uint64 {
	switch field[0] >> 6 {
	case 0:
		return uint64(field[1])
	case 1:
		return uint64(binary.BigEndian.Uint16(field[:]) & 0x3fff)
	default:
		return uint64(binary.BigEndian.Uint32(field[:]) & 0xffffff)
	}
}

// answersTo tells whether a LUN field means this LUN.
func (l *LUN) answersTo(field [8]byte) bool {
	if l.Form != AnyForm {
		return field == l.address()
	}
	for form := Peripheral; form <= Extended; form++ {
		fits := form == Extended || form == Flat && *l.number < 1<<14 || *l.number < 1<<8
		if fits && field == encodeAddress(form, *l.number) {
			return true
		}
	}
	return false
}

// attach gives the LUN its number and, where nothing was set, an identity that
// is the same whenever the same target is started again.
func (l *LUN) attach(iqn string, number uint64) {
	if l.number == nil {
		l.number = &number
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", iqn, number))
	if l.Serial == "" {
		l.Serial = hex.EncodeToString(sum[:8])
	}
	if l.NAA == "" {
		// NAA 6: IEEE Registered Extended.
		l.NAA = "6" + hex.EncodeToString(sum[:16])[1:]
	}
}
