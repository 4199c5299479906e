package scsi

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// udev names a SCSI disk's link in /dev/disk/by-id "scsi-" and what its program
// scsi_id prints. The facts here are those of systemd's src/udev/scsi_id
// (scsi_serial.c for the choice and the prefix, scsi_id.c for the clean-up), and
// for SCSI name strings, which scsi_id does not know, of sg3_utils' rule file
// 55-scsi-sg3_id.rules.

// preference is one line of scsi_id's order: the first line that a designator of
// the logical unit matches wins.
type preference struct {
	kind DesignatorType
	naa  uint8 // only this Network Address Authority; anyNAA for all
	set  CodeSet
}

const (
	anyNAA             = 0
	naaIEEERegistered  = 5
	naaIEEERegExtended = 6
)

// udevOrder is scsi_id's order, and name strings behind it, so that they never
// replace what scsi_id finds.
var udevOrder = []preference{
	{DesignatorNAA, naaIEEERegExtended, CodeSetBinary},
	{DesignatorNAA, naaIEEERegExtended, CodeSetASCII},
	{DesignatorNAA, naaIEEERegistered, CodeSetBinary},
	{DesignatorNAA, naaIEEERegistered, CodeSetASCII},
	{DesignatorNAA, anyNAA, CodeSetBinary},
	{DesignatorNAA, anyNAA, CodeSetASCII},
	{DesignatorEUI64, anyNAA, CodeSetBinary},
	{DesignatorEUI64, anyNAA, CodeSetASCII},
	{DesignatorT10, anyNAA, CodeSetBinary},
	{DesignatorT10, anyNAA, CodeSetASCII},
	{DesignatorVendorSpecific, anyNAA, CodeSetBinary},
	{DesignatorVendorSpecific, anyNAA, CodeSetASCII},
	{DesignatorSCSIName, anyNAA, CodeSetUTF8},
	{DesignatorSCSIName, anyNAA, CodeSetASCII},
}

func (p preference) matches(d Designator) bool {
	if d.Association != AssociationLogicalUnit || d.Type != p.kind || d.CodeSet != p.set || len(d.Value) == 0 {
		return false
	}
	naa, _ := d.NAA()
	return p.naa == anyNAA || p.naa == naa
}

// BestDesignator returns the designator by which udev names the logical unit, in
// scsi_id's order: NAA IEEE Registered Extended, NAA IEEE Registered, other NAA,
// EUI-64, T10 vendor ID, vendor specific; then a SCSI name string. It is false if
// the list has none of them for the logical unit.
func BestDesignator(list []Designator) (Designator, bool) {
	for _, p := range udevOrder {
		for _, d := range list {
			if p.matches(d) {
				return d, true
			}
		}
	}
	return Designator{}, false
}

// UdevName returns udev's name for the designator, which follows "scsi-" in
// /dev/disk/by-id: the type's digit, then the value, binary ones in hexadecimal
// ("3600140…", "1IET_00010001"). vendor and model are those of the INQUIRY data;
// they stand in the name of a vendor specific designator only. What is no letter,
// digit or one of #+-.:=@_ has become '_'.
func (d Designator) UdevName(vendor, model string) string {
	prefix := fmt.Sprintf("%x", uint8(d.Type))
	if d.Type == DesignatorVendorSpecific {
		prefix += inquiryText(vendor, model)
	}
	if d.CodeSet == CodeSetBinary {
		return udevClean(prefix + hex.EncodeToString(d.Value))
	}
	text, _, _ := bytes.Cut(d.Value, []byte{0})
	return udevClean(prefix + string(text))
}

// UdevID returns the name that follows "scsi-" in /dev/disk/by-id: that of the
// best designator (VPD page 83h), else "S", vendor, model and serial number (VPD
// page 80h), else "" where udev makes no link. The name has no slash in it and is
// no longer than a file name may be.
func UdevID(list []Designator, vendor, model, serial string) string {
	name := ""
	if d, ok := BestDesignator(list); ok {
		name = d.UdevName(vendor, model)
	} else if serial != "" {
		name = udevClean("S" + inquiryText(vendor, model) + serial)
	}
	return name[:min(len(name), maxUdevID)]
}

// maxUdevID keeps "scsi-" and the name within a file name's 255 bytes (NAME_MAX);
// scsi_id's own limit, 256, is not below that.
const maxUdevID = 255 - len("scsi-")

// inquiryText restores the fixed columns of the INQUIRY data, because udev's name
// has no gap where a text fills its column.
func inquiryText(vendor, model string) string {
	return fmt.Sprintf("%-8s%-16s", vendor, model)
}

// udevClean does what udev does to a name: white space at the ends goes, every
// run of it becomes one '_', then each forbidden byte does. Unlike udev it also
// replaces UTF-8 and "\x" sequences: the text is a stranger's.
func udevClean(s string) string {
	s = strings.Join(strings.FieldsFunc(s, isSpace), "_")
	return strings.Map(func(r rune) rune {
		if isUdevSafe(r) {
			return r
		}
		return '_'
	}, s)
}

func isSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }

func isUdevSafe(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' ||
		strings.ContainsRune("#+-.:=@_", r)
}

// UdevPath returns how udev ends the unit's link in /dev/disk/by-path: "lun-0",
// or "lun-0x4100000000000000" for all forms but the peripheral one on bus 0
// (systemd, src/udev/udev-builtin-path_id.c).
func (l LUN) UdevPath() string {
	if n, ok := l.Number(); ok && l[0] == 0 {
		return fmt.Sprintf("lun-%d", n)
	}
	return fmt.Sprintf("lun-0x%016x", [8]byte(l))
}
