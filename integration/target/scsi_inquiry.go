package target

import "encoding/binary"

// absentDevice is the first byte of INQUIRY data for a LUN that does not
// exist: peripheral qualifier 3, device type 1Fh.
const absentDevice = 0x7f

// inquiry returns standard INQUIRY data or a VPD page (SPC-4, Section 6.6).
func inquiry(x *call) *result {
	allocation := bigEndian(x.cdb[3:5])
	evpd := x.cdb[1]&1 != 0
	switch {
	case x.cdb[1]&2 != 0, !evpd && x.cdb[2] != 0:
		return checkCondition(senseIllegalRequest, ascInvalidField)
	case x.lun == nil:
		return truncated(standardInquiry(absentDevice, &LUNAttributes{}), allocation)
	case evpd:
		return vpd(x, x.cdb[2], allocation)
	}
	a := x.lun.attributes()
	b := standardInquiry(a.DeviceType, &a)
	b[5] = x.t.cfg.TPGS << 4
	return truncated(b, allocation)
}

func standardInquiry(device byte, a *LUNAttributes) []byte {
	b := make([]byte, 66)
	b[0] = device
	b[2] = 6    // SPC-4
	b[3] = 0x12 // HISUP, response data format 2
	b[4] = byte(len(b) - 5)
	b[7] = 2 // CMDQUE
	copy(b[8:], ascii(a.Vendor, 8))
	copy(b[16:], ascii(a.Product, 16))
	copy(b[32:], ascii(a.Revision, 4))
	// SAM-5, iSCSI, SPC-4, SBC-3 (SPC-4, Section 6.6.2).
	for i, version := range []uint16{0x00a0, 0x0960, 0x0460, 0x04c0} {
		binary.BigEndian.PutUint16(b[58+2*i:], version)
	}
	return b
}

// ascii pads a string with spaces, or cuts it.
func ascii(s string, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = ' '
	}
	copy(b, s)
	return b
}
