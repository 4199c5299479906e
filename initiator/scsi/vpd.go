package scsi

import "encoding/binary"

// VPDPage is the code of a vital product data page (SPC-4, section 7.8).
type VPDPage uint8

// Vital product data pages.
const (
	VPDSupportedPages            VPDPage = 0x00 // SPC-4, section 7.8.16
	VPDUnitSerial                VPDPage = 0x80 // SPC-4, section 7.8.18
	VPDDeviceIdentification      VPDPage = 0x83 // SPC-4, section 7.8.6
	VPDBlockLimits               VPDPage = 0xb0 // SBC-3, section 6.6.3
	VPDBlockDeviceCharacteristic VPDPage = 0xb1 // SBC-3, section 6.6.2
	VPDLogicalBlockProvisioning  VPDPage = 0xb2 // SBC-3, section 6.6.4
)

// String returns the page's name as the standards write it.
func (p VPDPage) String() string {
	switch p {
	case VPDSupportedPages:
		return "Supported VPD Pages"
	case VPDUnitSerial:
		return "Unit Serial Number"
	case VPDDeviceIdentification:
		return "Device Identification"
	case VPDBlockLimits:
		return "Block Limits"
	case VPDBlockDeviceCharacteristic:
		return "Block Device Characteristics"
	case VPDLogicalBlockProvisioning:
		return "Logical Block Provisioning"
	}
	return unknown(uint64(p))
}

// vpdHeader is the size in bytes of the header before a page's own fields:
// peripheral, page code, page length in two bytes (SPC-4, section 7.8.1).
const vpdHeader = 4

// vpdBody checks that b holds the page and returns what follows its header, cut
// at PAGE LENGTH, or at the end of b where the allocation length was shorter.
func vpdBody(b []byte, page VPDPage) ([]byte, error) {
	if len(b) < vpdHeader {
		return nil, tooShort("VPD page "+page.String(), len(b), vpdHeader)
	}
	// Some targets ignore EVPD and send their standard INQUIRY data.
	if got := VPDPage(b[1]); got != page {
		return nil, malformed("VPD page %s (%#02x) was asked for, page %#02x came", page, uint8(page), uint8(got))
	}
	body := b[vpdHeader:]
	length := int(binary.BigEndian.Uint16(b[2:]))
	return body[:min(len(body), length)], nil
}

// ParseSupportedPages reads the Supported VPD Pages page, 00h (SPC-4, section
// 7.8.16).
func ParseSupportedPages(b []byte) ([]VPDPage, error) {
	body, err := vpdBody(b, VPDSupportedPages)
	if err != nil {
		return nil, err
	}
	pages := make([]VPDPage, len(body))
	for i, p := range body {
		pages[i] = VPDPage(p)
	}
	return pages, nil
}

// ParseUnitSerial reads the Unit Serial Number page, 80h (SPC-4, section 7.8.18):
// printable ASCII, trimmed, and empty where the target has no serial number.
func ParseUnitSerial(b []byte) (string, error) {
	body, err := vpdBody(b, VPDUnitSerial)
	if err != nil {
		return "", err
	}
	return cleanText(body), nil
}
