package scsi

// StandardInquiryLen is the size in bytes that holds every field of InquiryData
// (SPC-4, section 6.6.2), and the least that the standard demands.
const StandardInquiryLen = 36

// inquiryMin reaches up to ADDITIONAL LENGTH; the answer for a LUN without a
// logical unit may be that short.
const inquiryMin = 5

// Peripheral qualifiers (SPC-4, section 6.6.2).
const (
	QualifierConnected    = 0 // a device is, or can be, behind the LUN
	QualifierNotConnected = 1 // the target can have one there, and has none
	QualifierNone         = 3 // no logical unit
)

// Peripheral device types (SPC-4, section 6.6.2).
const (
	DeviceTypeDisk    = 0x00 // direct access block device (SBC-3)
	DeviceTypeUnknown = 0x1f // unknown or no device type
)

// InquiryData is the standard INQUIRY data (SPC-4, section 6.6.2).
type InquiryData struct {
	Qualifier  uint8 // see QualifierConnected
	DeviceType uint8 // see DeviceTypeDisk
	Removable  bool  // RMB
	Version    uint8 // of the standard: 05h SPC-3, 06h SPC-4

	TPGS                  uint8 // target port groups: bit 0 implicit, bit 1 explicit (SPC-4, section 5.11)
	ProtectionInformation bool  // PROTECT: the unit supports it; see Capacity.ProtectionEnabled
	MultiPort             bool  // MULTIP
	CmdQue                bool  // supports command queuing

	Vendor   string // at most 8 characters of printable ASCII, trimmed
	Product  string // at most 16
	Revision string // at most 4
}

// IsDisk tells whether a direct access block device is connected to the LUN.
func (d InquiryData) IsDisk() bool {
	return d.Qualifier == QualifierConnected && d.DeviceType == DeviceTypeDisk
}

// ParseInquiry reads standard INQUIRY data (SPC-4, section 6.6.2), five bytes or
// more. Fields behind the end of a short answer stay zero; text is cleaned to
// printable ASCII.
func ParseInquiry(b []byte) (InquiryData, error) {
	if len(b) < inquiryMin {
		return InquiryData{}, tooShort("INQUIRY data", len(b), inquiryMin)
	}
	length := min(len(b), inquiryMin+int(b[4]), StandardInquiryLen)
	f := padded(b[:length], StandardInquiryLen)
	return InquiryData{
		Qualifier:             f[0] >> 5,
		DeviceType:            f[0] & 0x1f,
		Removable:             f[1]&0x80 != 0,
		Version:               f[2],
		TPGS:                  f[5] >> 4 & 0x03,
		ProtectionInformation: f[5]&0x01 != 0,
		MultiPort:             f[6]&0x10 != 0,
		CmdQue:                f[7]&0x02 != 0,
		Vendor:                cleanText(f[8:16]),
		Product:               cleanText(f[16:32]),
		Revision:              cleanText(f[32:36]),
	}, nil
}
