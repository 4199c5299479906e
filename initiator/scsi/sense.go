package scsi

import "encoding/binary"

// SenseFormat is the layout in which sense data came (SPC-4, section 4.5).
type SenseFormat uint8

// Sense data formats.
const (
	SenseNone       SenseFormat = iota // no sense data
	SenseFixed                         // response codes 70h and 71h
	SenseDescriptor                    // response codes 72h and 73h
)

// Sense is what sense data says of a command that ended with CHECK CONDITION
// (SPC-4, section 4.5). The zero Sense is that of a target that sent none.
type Sense struct {
	Format   SenseFormat
	Deferred bool // of an earlier command; this one was not executed (SPC-4, section 4.5.5)

	Key  SenseKey
	ASC  uint8 // additional sense code
	ASCQ uint8 // its qualifier

	Information      uint64 // for medium errors the first LBA that failed
	InformationValid bool

	// Specific is the sense key specific field, if its first bit, SKSV, is set
	// (SPC-4, section 4.5.2.4); read it with FieldPointer and Progress.
	Specific [3]byte
}

// Response codes (SPC-4, section 4.5.1).
const (
	currentFixed       = 0x70
	deferredFixed      = 0x71
	currentDescriptor  = 0x72
	deferredDescriptor = 0x73
)

// maxSense is the most sense data there can be, in bytes (SPC-4, section 4.5.1);
// what is behind it is not looked at.
const maxSense = 252

// ParseSense reads sense data in either format (SPC-4, section 4.5). Of truncated
// data it gives what is there; only an empty slice and an unknown response code
// are errors.
func ParseSense(b []byte) (Sense, error) {
	if len(b) == 0 {
		return Sense{}, tooShort("sense data", 0, 1)
	}
	b = b[:min(len(b), maxSense)]
	switch code := b[0] & 0x7f; code {
	case currentFixed, deferredFixed:
		return parseFixedSense(b, code == deferredFixed), nil
	case currentDescriptor, deferredDescriptor:
		return parseDescriptorSense(b, code == deferredDescriptor), nil
	default:
		return Sense{}, malformed("sense data: response code %#02x", code)
	}
}

// parseFixedSense reads fixed format sense data (SPC-4, section 4.5.3).
func parseFixedSense(b []byte, deferred bool) Sense {
	const header = 8 // what ADDITIONAL SENSE LENGTH does not count
	f := padded(b, 18)
	if len(b) >= header {
		f = padded(b[:min(len(b), header+int(b[7]))], len(f))
	}
	s := Sense{
		Format:           SenseFixed,
		Deferred:         deferred,
		Key:              SenseKey(f[2] & 0x0f),
		ASC:              f[12],
		ASCQ:             f[13],
		Information:      uint64(binary.BigEndian.Uint32(f[3:])),
		InformationValid: f[0]&0x80 != 0 && len(b) >= 7,
	}
	s.setSpecific(f[15:18])
	return s
}

// parseDescriptorSense reads descriptor format sense data (SPC-4, section 4.5.2).
func parseDescriptorSense(b []byte, deferred bool) Sense {
	const header = 8
	f := padded(b, header)
	s := Sense{
		Format:   SenseDescriptor,
		Deferred: deferred,
		Key:      SenseKey(f[1] & 0x0f),
		ASC:      f[2],
		ASCQ:     f[3],
	}
	list := b[min(len(b), header):]
	list = list[:min(len(list), int(f[7]))]
	// A descriptor is a type, a length and that many bytes.
	for len(list) >= 2 && len(list)-2 >= int(list[1]) {
		size := 2 + int(list[1])
		s.readDescriptor(list[:size])
		list = list[size:]
	}
	return s
}

// readDescriptor takes over one sense data descriptor (SPC-4, section 4.5.2.1).
func (s *Sense) readDescriptor(d []byte) {
	const (
		information      = 0x00 // section 4.5.2.2
		senseKeySpecific = 0x02 // section 4.5.2.4
	)
	switch {
	case d[0] == information && len(d) >= 12:
		s.InformationValid = d[2]&0x80 != 0
		s.Information = binary.BigEndian.Uint64(d[4:])
	case d[0] == senseKeySpecific && len(d) >= 7:
		s.setSpecific(d[4:7])
	}
}

// setSpecific takes over a sense key specific field whose SKSV bit is set.
func (s *Sense) setSpecific(f []byte) {
	const sksv = 0x80
	if f[0]&sksv != 0 {
		s.Specific = [3]byte(f)
	}
}

// FieldPointer tells for an ILLEGAL REQUEST which byte the target refused, and
// whether that byte is in the CDB or in the data sent with it (SPC-4, section
// 4.5.2.4.2).
func (s Sense) FieldPointer() (offset uint16, inCDB, ok bool) {
	if s.Key != IllegalRequest || s.Specific[0] == 0 {
		return 0, false, false
	}
	return binary.BigEndian.Uint16(s.Specific[1:]), s.Specific[0]&0x40 != 0, true
}

// Progress tells for a NOT READY how much is done of what the target is busy
// with, from 0 to 1 (SPC-4, section 4.5.2.4.4).
func (s Sense) Progress() (done float64, ok bool) {
	if s.Key != NotReady && s.Key != NoSense || s.Specific[0] == 0 {
		return 0, false
	}
	return float64(binary.BigEndian.Uint16(s.Specific[1:])) / 65536, true
}
