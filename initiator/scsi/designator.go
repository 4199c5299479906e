package scsi

// CodeSet says how a designator's value is written (SPC-4, section 7.8.6.1).
type CodeSet uint8

// Code sets.
const (
	CodeSetBinary CodeSet = 1
	CodeSetASCII  CodeSet = 2 // printable ASCII
	CodeSetUTF8   CodeSet = 3
)

// Association says what a designator names (SPC-4, section 7.8.6.1).
type Association uint8

// Associations.
const (
	AssociationLogicalUnit  Association = 0
	AssociationTargetPort   Association = 1
	AssociationTargetDevice Association = 2
)

// DesignatorType is the form of a designator's value (SPC-4, section 7.8.6.1).
type DesignatorType uint8

// Designator types (SPC-4, sections 7.8.6.3 to 7.8.6.11).
const (
	DesignatorVendorSpecific     DesignatorType = 0x0
	DesignatorT10                DesignatorType = 0x1 // T10 vendor ID based
	DesignatorEUI64              DesignatorType = 0x2
	DesignatorNAA                DesignatorType = 0x3
	DesignatorRelativeTargetPort DesignatorType = 0x4
	DesignatorTargetPortGroup    DesignatorType = 0x5
	DesignatorLogicalUnitGroup   DesignatorType = 0x6
	DesignatorMD5LogicalUnit     DesignatorType = 0x7
	DesignatorSCSIName           DesignatorType = 0x8 // SCSI name string
)

// Designator is one designation descriptor of the Device Identification page
// (SPC-4, section 7.8.6.1).
type Designator struct {
	Protocol    uint8 // PROTOCOL IDENTIFIER, 5 is iSCSI; valid where PIV
	PIV         bool  // protocol identifier valid
	CodeSet     CodeSet
	Association Association
	Type        DesignatorType
	Value       []byte // a copy of the target's bytes, at most 255, unchecked
}

// designatorHeader is the size in bytes of a descriptor before its value.
const designatorHeader = 4

// ParseDeviceIdentification reads the Device Identification page, 83h (SPC-4,
// section 7.8.6), in the target's order. If a descriptor runs past the end of the
// page, those before it are returned together with the error.
func ParseDeviceIdentification(b []byte) ([]Designator, error) {
	body, err := vpdBody(b, VPDDeviceIdentification)
	if err != nil {
		return nil, err
	}
	var list []Designator
	for len(body) > 0 {
		if len(body) < designatorHeader || len(body)-designatorHeader < int(body[3]) {
			return list, malformed("VPD page %s: designator %d runs past the end of the page",
				VPDDeviceIdentification, len(list))
		}
		size := designatorHeader + int(body[3])
		list = append(list, parseDesignator(body[:size]))
		body = body[size:]
	}
	return list, nil
}

func parseDesignator(d []byte) Designator {
	return Designator{
		Protocol:    d[0] >> 4,
		PIV:         d[1]&0x80 != 0,
		CodeSet:     CodeSet(d[0] & 0x0f),
		Association: Association(d[1] >> 4 & 0x03),
		Type:        DesignatorType(d[1] & 0x0f),
		Value:       append([]byte(nil), d[designatorHeader:]...),
	}
}

// NAA returns the Network Address Authority of an NAA designator, its first four
// bits (SPC-4, section 7.8.6.6), and false for every other designator.
func (d Designator) NAA() (uint8, bool) {
	if d.Type != DesignatorNAA || len(d.Value) == 0 {
		return 0, false
	}
	return d.Value[0] >> 4, true
}
