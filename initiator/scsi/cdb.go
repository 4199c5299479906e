package scsi

import "encoding/binary"

// CDB is a command descriptor block (SAM-5, section 5.2), padded with zeroes to
// the 16 bytes that an iSCSI SCSI Command PDU carries (RFC 7143, section 11.3.5).
// It is a value: building one allocates nothing. The CONTROL byte is always zero
// (no NACA: nothing here can leave an auto contingent allegiance behind).
type CDB [16]byte

// Operation codes (SPC-4, annex E.3; SBC-3, section 5.1).
const (
	opTestUnitReady        = 0x00
	opInquiry              = 0x12
	opModeSense6           = 0x1a
	opReadCapacity10       = 0x25
	opRead10               = 0x28
	opWrite10              = 0x2a
	opSynchronizeCache10   = 0x35
	opWriteSame10          = 0x41
	opUnmap                = 0x42
	opModeSense10          = 0x5a
	opPersistentReserveIn  = 0x5e
	opPersistentReserveOut = 0x5f
	opRead16               = 0x88
	opWrite16              = 0x8a
	opSynchronizeCache16   = 0x91
	opWriteSame16          = 0x93
	opServiceActionIn16    = 0x9e
	opReportLUNs           = 0xa0
	opMaintenanceIn        = 0xa3
)

// saReadCapacity16 is the service action of READ CAPACITY (16) (SBC-3, section 5.16).
const saReadCapacity16 = 0x10

// saGetLBAStatus is the service action of GET LBA STATUS (SBC-3, section 5.4).
const saGetLBAStatus = 0x12

// saReportTargetPortGroups is the service action of REPORT TARGET PORT GROUPS
// (SPC-4, section 6.37).
const saReportTargetPortGroups = 0x0a

// Opcode returns the operation code (SAM-5, section 5.2.2).
func (c CDB) Opcode() byte { return c[0] }

// String returns the command's name as the standards write it, for logs.
func (c CDB) String() string {
	switch c.Opcode() {
	case opTestUnitReady:
		return "TEST UNIT READY"
	case opInquiry:
		return "INQUIRY"
	case opModeSense6:
		return "MODE SENSE (6)"
	case opReadCapacity10:
		return "READ CAPACITY (10)"
	case opRead10:
		return "READ (10)"
	case opWrite10:
		return "WRITE (10)"
	case opSynchronizeCache10:
		return "SYNCHRONIZE CACHE (10)"
	case opWriteSame10:
		return "WRITE SAME (10)"
	case opUnmap:
		return "UNMAP"
	case opModeSense10:
		return "MODE SENSE (10)"
	case opPersistentReserveIn:
		return "PERSISTENT RESERVE IN"
	case opPersistentReserveOut:
		return "PERSISTENT RESERVE OUT"
	case opRead16:
		return "READ (16)"
	case opWrite16:
		return "WRITE (16)"
	case opSynchronizeCache16:
		return "SYNCHRONIZE CACHE (16)"
	case opWriteSame16:
		return "WRITE SAME (16)"
	case opReportLUNs:
		return "REPORT LUNS"
	case opMaintenanceIn:
		if c[1]&0x1f == saReportTargetPortGroups {
			return "REPORT TARGET PORT GROUPS"
		}
	case opServiceActionIn16:
		switch c[1] & 0x1f {
		case saReadCapacity16:
			return "READ CAPACITY (16)"
		case saGetLBAStatus:
			return "GET LBA STATUS"
		}
	}
	return unknown(uint64(c.Opcode()))
}

// TestUnitReady builds TEST UNIT READY (SPC-4, section 6.47). It moves no data.
func TestUnitReady() CDB {
	return CDB{opTestUnitReady}
}

// Inquiry builds an INQUIRY for the standard data (SPC-4, section 6.6) with an
// allocation length in bytes; ParseInquiry reads the answer.
func Inquiry(alloc uint16) CDB {
	c := CDB{opInquiry}
	binary.BigEndian.PutUint16(c[3:], alloc)
	return c
}

// InquiryVPD builds an INQUIRY for a vital product data page (SPC-4, section
// 6.6, EVPD set) with an allocation length in bytes.
func InquiryVPD(page VPDPage, alloc uint16) CDB {
	const evpd = 0x01
	c := Inquiry(alloc)
	c[1] = evpd
	c[2] = byte(page)
	return c
}

// ReportLUNs builds REPORT LUNS (SPC-4, section 6.33) with an allocation length
// in bytes, at least 16. SELECT REPORT is 00h: every target has to support it,
// and it leaves out the well known logical units, which are never disks.
func ReportLUNs(alloc uint32) CDB {
	c := CDB{opReportLUNs}
	binary.BigEndian.PutUint32(c[6:], alloc)
	return c
}

// ModeSense6 builds MODE SENSE (6) (SPC-4, section 6.11) for the current values
// of one page, with an allocation length in bytes. Block descriptors are not
// disabled (DBD zero), because some targets refuse the bit; the parser skips them.
func ModeSense6(page ModePage, alloc uint8) CDB {
	return CDB{opModeSense6, 0, byte(page), 0, alloc}
}

// ModeSense10 builds MODE SENSE (10) (SPC-4, section 6.12); see ModeSense6.
func ModeSense10(page ModePage, alloc uint16) CDB {
	c := CDB{opModeSense10, 0, byte(page)}
	binary.BigEndian.PutUint16(c[7:], alloc)
	return c
}
