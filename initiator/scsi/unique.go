package scsi

// WorldWideUnique tells whether no two logical units of this world should have
// the designator: it names a registered company and what that company assigned.
// A locally assigned NAA identifier is unique within its target only (SPC-4,
// section 7.8.6.6), and so in practice are identifiers with the company 000000h,
// which tgt gives to every unit by its number, and T10 vendor ID based ones.
func (d Designator) WorldWideUnique() bool {
	switch d.Type {
	case DesignatorNAA:
		return d.naaCompany() != 0
	case DesignatorEUI64:
		return len(d.Value) >= 8 && company(d.Value) != 0
	case DesignatorSCSIName:
		return len(d.Value) > 0
	}
	return false
}

// naaCompany returns the company identifier of an IEEE registered designator,
// NAA 2, 5 or 6 (SPC-4, sections 7.8.6.6.2 to 7.8.6.6.5); 0 without one.
func (d Designator) naaCompany() uint32 {
	naa, _ := d.NAA()
	switch {
	case len(d.Value) < 8:
		return 0
	case naa == 2: // after the NAA and a vendor specific identifier of 12 bits
		return company(d.Value[2:])
	case naa == 5, naa == 6: // after the four bits of the NAA
		return uint32(d.Value[0]&0x0f)<<20 | uint32(d.Value[1])<<12 | uint32(d.Value[2])<<4 | uint32(d.Value[3])>>4
	}
	return 0
}

func company(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
