package scsi

import "fmt"

// String returns the key, both codes in hexadecimal, and what they mean where
// that is known: "ILLEGAL REQUEST, 20/00: invalid command operation code".
func (s Sense) String() string {
	if s.Format == SenseNone && s == (Sense{}) {
		return "no sense data"
	}
	text := fmt.Sprintf("%s, %02x/%02x", s.Key, s.ASC, s.ASCQ)
	if meaning := senseMeanings[code(s.ASC, s.ASCQ)]; meaning != "" {
		text += ": " + meaning
	}
	if s.Deferred {
		text += " (deferred)"
	}
	return text
}

// code joins an additional sense code and its qualifier, ASC first.
func code(asc, ascq uint8) uint16 { return uint16(asc)<<8 | uint16(ascq) }

// senseMeanings has the additional sense codes that disks and iSCSI targets send
// (SPC-4, annex E.2; those of iSCSI itself, 0C/0C, 0C/0D, 11/13 and 47/05: RFC
// 7143, section 11.4.7.2), by ASC and ASCQ.
var senseMeanings = map[uint16]string{
	0x0200: "no seek complete",
	0x0300: "peripheral device write fault",
	0x0400: "not ready, cause not reportable",
	0x0401: "becoming ready",
	0x0402: "not ready, initializing command required",
	0x0403: "not ready, manual intervention required",
	0x0404: "not ready, format in progress",
	0x0405: "not ready, rebuild in progress",
	0x0406: "not ready, recalculation in progress",
	0x0407: "not ready, operation in progress",
	0x0408: "not ready, long write in progress",
	0x0409: "not ready, self-test in progress",
	0x040a: "not accessible, asymmetric access state transition",
	0x040b: "not accessible, target port in standby state",
	0x040c: "not accessible, target port in unavailable state",
	0x0412: "not ready, offline",
	0x0414: "not ready, space allocation in progress",
	0x041a: "not ready, start stop unit command in progress",
	0x041b: "not ready, sanitize in progress",
	0x0500: "logical unit does not respond to selection",
	0x0800: "logical unit communication failure",
	0x0801: "logical unit communication time-out",
	0x0b00: "warning",
	0x0b01: "warning, specified temperature exceeded",
	0x0c00: "write error",
	0x0c01: "write error, recovered with auto reallocation",
	0x0c02: "write error, auto reallocation failed",
	0x0c0c: "write error, unexpected unsolicited data",
	0x0c0d: "write error, not enough unsolicited data",
	0x1000: "ID CRC or ECC error",
	0x1001: "logical block guard check failed",
	0x1002: "logical block application tag check failed",
	0x1003: "logical block reference tag check failed",
	0x1100: "unrecovered read error",
	0x1101: "read retries exhausted",
	0x110b: "unrecovered read error, recommend reassignment",
	0x1113: "read error, failed retransmission request",
	0x1400: "recorded entity not found",
	0x1500: "random positioning error",
	0x1700: "recovered data with no error correction applied",
	0x1800: "recovered data with error correction applied",
	0x1a00: "parameter list length error",
	0x1d00: "miscompare during verify operation",
	0x2000: "invalid command operation code",
	0x2002: "access denied, no access rights",
	0x2100: "logical block address out of range",
	0x2400: "invalid field in CDB",
	0x2500: "logical unit not supported",
	0x2600: "invalid field in parameter list",
	0x2601: "parameter not supported",
	0x2602: "parameter value invalid",
	0x2604: "invalid release of persistent reservation",
	0x2700: "write protected",
	0x2701: "hardware write protected",
	0x2702: "logical unit software write protected",
	0x2707: "space allocation failed write protect",
	0x2800: "not ready to ready change, medium may have changed",
	0x2900: "power on, reset, or bus device reset occurred",
	0x2901: "power on occurred",
	0x2902: "SCSI bus reset occurred",
	0x2903: "bus device reset function occurred",
	0x2904: "device internal reset",
	0x2907: "I_T nexus loss occurred",
	0x2a00: "parameters changed",
	0x2a01: "mode parameters changed",
	0x2a03: "reservations preempted",
	0x2a04: "reservations released",
	0x2a05: "registrations preempted",
	0x2a06: "asymmetric access state changed",
	0x2a07: "implicit asymmetric access state transition failed",
	0x2a09: "capacity data has changed",
	0x2c00: "command sequence error",
	0x2f00: "commands cleared by another initiator",
	0x3100: "medium format corrupted",
	0x3200: "no defect spare location available",
	0x3807: "thin provisioning soft threshold reached",
	0x3900: "saving parameters not supported",
	0x3a00: "medium not present",
	0x3e00: "logical unit has not self-configured yet",
	0x3e01: "logical unit failure",
	0x3e02: "time-out on logical unit",
	0x3f00: "target operating conditions have changed",
	0x3f01: "microcode has been changed",
	0x3f03: "INQUIRY data has changed",
	0x3f05: "device identifier changed",
	0x3f0e: "reported LUNs data has changed",
	0x4400: "internal target failure",
	0x4700: "SCSI parity error",
	0x4705: "protocol service CRC error",
	0x4900: "invalid message error",
	0x4b00: "data phase error",
	0x4e00: "overlapped commands attempted",
	0x5500: "system resource failure",
	0x5503: "insufficient resources",
	0x5504: "insufficient registration resources",
	0x5d00: "failure prediction threshold exceeded",
	0x6500: "voltage fault",
	0x6700: "configuration failure",
}
