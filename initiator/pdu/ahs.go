package pdu

import (
	"encoding/binary"
	"errors"
)

// AHSType is the type of an Additional Header Segment (RFC 7143, Section
// 11.2.2.1).
type AHSType uint8

// The types of Additional Header Segments.
const (
	AHSExtendedCDB      AHSType = 1 // the CDB beyond its first 16 bytes
	AHSBidiReadDataSize AHSType = 2 // Expected Bidirectional Read Data Length
)

// AHS is one Additional Header Segment.
type AHS struct {
	Type AHSType
	// Specific is what follows AHSLength and AHSType: AHSLength bytes, the
	// first of which is reserved in both types of the standard.
	Specific []byte
}

// ErrAHS says that Additional Header Segments do not fill their space.
var ErrAHS = errors.New("malformed additional header segment")

// AppendAHS appends a segment, padded to four bytes.
func AppendAHS(b []byte, a AHS) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(a.Specific)))
	b = append(b, byte(a.Type))
	b = append(b, a.Specific...)
	return append(b, zeroes[:Padding(3+len(a.Specific))]...)
}

// ParseAHS reads the segments of a PDU. Unknown types are returned like the
// others; the segments share b's memory.
func ParseAHS(b []byte) ([]AHS, error) {
	var all []AHS
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, ErrAHS
		}
		n := int(binary.BigEndian.Uint16(b))
		end := 3 + n
		if end+Padding(end) > len(b) {
			return nil, ErrAHS
		}
		all = append(all, AHS{AHSType(b[2]), b[3:end]})
		b = b[end+Padding(end):]
	}
	return all, nil
}
