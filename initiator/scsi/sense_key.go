package scsi

// SenseKey says what kind of condition sense data reports (SPC-4, section 4.5.6).
type SenseKey uint8

// Sense keys (SPC-4, section 4.5.6).
const (
	NoSense        SenseKey = 0x0
	RecoveredError SenseKey = 0x1
	NotReady       SenseKey = 0x2
	MediumError    SenseKey = 0x3
	HardwareError  SenseKey = 0x4
	IllegalRequest SenseKey = 0x5
	UnitAttention  SenseKey = 0x6
	DataProtect    SenseKey = 0x7
	BlankCheck     SenseKey = 0x8
	VendorSpecific SenseKey = 0x9
	CopyAborted    SenseKey = 0xa
	AbortedCommand SenseKey = 0xb
	VolumeOverflow SenseKey = 0xd
	Miscompare     SenseKey = 0xe
	Completed      SenseKey = 0xf
)

var senseKeyNames = [16]string{
	NoSense:        "NO SENSE",
	RecoveredError: "RECOVERED ERROR",
	NotReady:       "NOT READY",
	MediumError:    "MEDIUM ERROR",
	HardwareError:  "HARDWARE ERROR",
	IllegalRequest: "ILLEGAL REQUEST",
	UnitAttention:  "UNIT ATTENTION",
	DataProtect:    "DATA PROTECT",
	BlankCheck:     "BLANK CHECK",
	VendorSpecific: "VENDOR SPECIFIC",
	CopyAborted:    "COPY ABORTED",
	AbortedCommand: "ABORTED COMMAND",
	VolumeOverflow: "VOLUME OVERFLOW",
	Miscompare:     "MISCOMPARE",
	Completed:      "COMPLETED",
}

// String returns the key as the standard writes it.
func (k SenseKey) String() string {
	if int(k) < len(senseKeyNames) && senseKeyNames[k] != "" {
		return senseKeyNames[k]
	}
	return unknown(uint64(k))
}
