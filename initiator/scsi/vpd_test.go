package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vpd lays out a VPD page around its body.
func vpd(page VPDPage, body ...byte) []byte {
	return append([]byte{0, byte(page), byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestParseSupportedPages(t *testing.T) {
	got, err := ParseSupportedPages(vpd(VPDSupportedPages, 0x00, 0x80, 0x83, 0xb0))
	want := []VPDPage{VPDSupportedPages, VPDUnitSerial, VPDDeviceIdentification, VPDBlockLimits}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	cut, err := ParseSupportedPages([]byte{0, 0, 0xff, 0xff, 0x00, 0x80})
	if diff := cmp.Diff(want[:2], cut); diff != "" || err != nil {
		t.Errorf("cut: error %v (-want +got):\n%s", err, diff)
	}
}

func TestParseUnitSerial(t *testing.T) {
	tests := []struct {
		data []byte
		want string
	}{
		{vpd(VPDUnitSerial, []byte("  beaf11\x00\x00")...), "beaf11"},
		{vpd(VPDUnitSerial), ""},
		{vpd(VPDUnitSerial, 'a', '\n', 'b', 0x80), "a?b?"},
		{append(vpd(VPDUnitSerial, 'a', 'b'), "not the page's"...), "ab"},
	}
	for _, tt := range tests {
		if got, err := ParseUnitSerial(tt.data); err != nil || got != tt.want {
			t.Errorf("% x: %q, error %v, want %q", tt.data, got, err, tt.want)
		}
	}
}

func TestParseBlockLimits(t *testing.T) {
	body := []byte{
		0x01, 0x02, 0x03, 0x04, 0, 0, 0x80, 0x00, 0, 0, 0x40, 0x00, 0, 0, 0, 5,
		0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 0, 7, 0x80, 0, 0, 8,
		0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	}
	want := BlockLimits{
		WriteSameNonZero: true, MaxCompareAndWrite: 2, OptimalTransferGranularity: 0x304,
		MaxTransfer: 0x8000, OptimalTransfer: 0x4000, MaxPrefetch: 5,
		MaxUnmapBlocks: 0x10000, MaxUnmapDescriptors: 6, OptimalUnmapGranularity: 7,
		UnmapAlignment: 8, UnmapAlignmentValid: true, MaxWriteSame: 1<<32 + 9,
	}
	got, err := ParseBlockLimits(vpd(VPDBlockLimits, body...))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("SBC-3: error %v (-want +got):\n%s", err, diff)
	}
	body[28] = 0x7f // UGAVALID zero
	got, err = ParseBlockLimits(vpd(VPDBlockLimits, body...))
	if got.UnmapAlignmentValid || got.UnmapAlignment != 0x7f000008 || err != nil {
		t.Errorf("alignment %#x, valid %v, error %v", got.UnmapAlignment, got.UnmapAlignmentValid, err)
	}
	old := BlockLimits{
		WriteSameNonZero: true, MaxCompareAndWrite: 2, OptimalTransferGranularity: 0x304,
		MaxTransfer: 0x8000, OptimalTransfer: 0x4000,
	}
	got, err = ParseBlockLimits(vpd(VPDBlockLimits, body[:12]...))
	if diff := cmp.Diff(old, got); diff != "" || err != nil {
		t.Errorf("SBC-2: error %v (-want +got):\n%s", err, diff)
	}
}

func TestParseBlockDeviceCharacteristics(t *testing.T) {
	want := BlockDeviceCharacteristics{RotationRate: 7200, ProductType: 1, FormFactor: 2, FUAB: true, VBULS: true}
	got, err := ParseBlockDeviceCharacteristics(vpd(VPDBlockDeviceCharacteristic, 0x1c, 0x20, 1, 0xf2, 3))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	got, err = ParseBlockDeviceCharacteristics(vpd(VPDBlockDeviceCharacteristic, 0, NonRotating, 0, 0, 2))
	if want := (BlockDeviceCharacteristics{RotationRate: NonRotating, FUAB: true}); got != want || err != nil {
		t.Errorf("%+v, error %v, want %+v", got, err, want)
	}
}

func TestParseLogicalBlockProvisioning(t *testing.T) {
	tests := []struct {
		body []byte
		want LogicalBlockProvisioning
	}{
		{[]byte{10, 0xe4, 0x02, 80}, LogicalBlockProvisioning{
			ThresholdExponent: 10, LBPU: true, LBPWS: true, LBPWS10: true, LBPRZ: true,
			ProvisioningType: ProvisioningThin, ThresholdPercentage: 80,
		}},
		{[]byte{0, 0x40, 0x01}, LogicalBlockProvisioning{LBPWS: true, ProvisioningType: ProvisioningResource}},
		{[]byte{0, 0x82}, LogicalBlockProvisioning{LBPU: true, Anchored: true}},
		{[]byte{0, 0x20}, LogicalBlockProvisioning{LBPWS10: true}},
		{[]byte{0, 0x19}, LogicalBlockProvisioning{}}, // SBC-4: a pattern, not zeroes
		{nil, LogicalBlockProvisioning{}},
	}
	for _, tt := range tests {
		got, err := ParseLogicalBlockProvisioning(vpd(VPDLogicalBlockProvisioning, tt.body...))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("% x: error %v (-want +got):\n%s", tt.body, err, diff)
		}
	}
}

// parseVPD has every page's parser, for what they have in common.
var parseVPD = map[VPDPage]func([]byte) error{
	VPDSupportedPages:            func(b []byte) error { _, err := ParseSupportedPages(b); return err },
	VPDUnitSerial:                func(b []byte) error { _, err := ParseUnitSerial(b); return err },
	VPDDeviceIdentification:      func(b []byte) error { _, err := ParseDeviceIdentification(b); return err },
	VPDBlockLimits:               func(b []byte) error { _, err := ParseBlockLimits(b); return err },
	VPDBlockDeviceCharacteristic: func(b []byte) error { _, err := ParseBlockDeviceCharacteristics(b); return err },
	VPDLogicalBlockProvisioning:  func(b []byte) error { _, err := ParseLogicalBlockProvisioning(b); return err },
}

func TestVPDHeader(t *testing.T) {
	for page, parse := range parseVPD {
		if err := parse(vpd(page)); err != nil {
			t.Errorf("%s, empty: %v", page, err)
		}
		for n := range vpdHeader {
			if err := parse(vpd(page)[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, %d bytes: error %v, want ErrMalformed", page, n, err)
			}
		}
		if err := parse(vpd(page ^ 0x01)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s, another page: error %v, want ErrMalformed", page, err)
		}
	}
}

func FuzzVPD(f *testing.F) {
	f.Add(vpd(VPDSupportedPages, 0x00, 0x80, 0x83))
	f.Add(vpd(VPDUnitSerial, []byte("  beaf11\x00\x1b")...))
	f.Add(vpd(VPDBlockLimits, make([]byte, 60)...))
	f.Add(vpd(VPDBlockDeviceCharacteristic, 0, 1, 0, 0, 3))
	f.Add(vpd(VPDLogicalBlockProvisioning, 10, 0xe7, 2, 80))
	f.Add(vpd(VPDDeviceIdentification, lioPage...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range parseVPD {
			if err := parse(b); err != nil {
				mustBePrintable(t, err.Error())
			}
		}
		serial, err := ParseUnitSerial(b)
		if err == nil {
			mustBePrintable(t, serial)
		}
		list, _ := ParseDeviceIdentification(b)
		size := 0
		for _, d := range list {
			size += designatorHeader + len(d.Value)
			mustBeLinkName(t, d.UdevName(serial, serial))
		}
		if size > len(b) {
			t.Fatalf("%d bytes gave designators of %d", len(b), size)
		}
		mustBeLinkName(t, UdevID(list, serial, serial, serial))
	})
}
