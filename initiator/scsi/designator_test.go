package scsi

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The designators of a LIO target's logical unit, in its order, and those of its
// port and device.
var (
	naa6 = Designator{CodeSet: CodeSetBinary, Type: DesignatorNAA, Value: []byte{
		0x60, 0x01, 0x40, 0x5d, 0x27, 0xe5, 0xd8, 0x98, 0x82, 0x94, 0x68, 0xb9, 0x0c, 0xe4, 0xef, 0x8c,
	}}
	t10 = Designator{CodeSet: CodeSetASCII, Type: DesignatorT10,
		Value: []byte("LIO-ORG IBLOCK:d27e5d89-8829-468b\x00")}
	portGroup = Designator{Protocol: 5, PIV: true, CodeSet: CodeSetBinary, Association: AssociationTargetPort,
		Type: DesignatorTargetPortGroup, Value: []byte{0, 0, 0, 1}}
	deviceName = Designator{Protocol: 5, PIV: true, CodeSet: CodeSetUTF8, Association: AssociationTargetDevice,
		Type: DesignatorSCSIName, Value: []byte("iqn.2003-01.org.x:t\x00")}

	lioPage = slices.Concat(
		[]byte{0x01, 0x03, 0, 16, 0x60, 0x01, 0x40, 0x5d, 0x27, 0xe5, 0xd8, 0x98,
			0x82, 0x94, 0x68, 0xb9, 0x0c, 0xe4, 0xef, 0x8c},
		[]byte{0x02, 0x01, 0, 34}, []byte("LIO-ORG IBLOCK:d27e5d89-8829-468b\x00"),
		[]byte{0x51, 0x95, 0, 4, 0, 0, 0, 1},
		[]byte{0x53, 0xa8, 0, 20}, []byte("iqn.2003-01.org.x:t\x00"),
	)
)

func TestParseDeviceIdentification(t *testing.T) {
	page := vpd(VPDDeviceIdentification, lioPage...)
	got, err := ParseDeviceIdentification(page)
	want := []Designator{naa6, t10, portGroup, deviceName}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	clear(page)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("designators live in the caller's buffer (-want +got):\n%s", diff)
	}
}

// TestParseDeviceIdentificationTruncated cuts the page at every length: the
// designators that are whole are there, and there is an error unless the cut is
// between two.
func TestParseDeviceIdentificationTruncated(t *testing.T) {
	page := vpd(VPDDeviceIdentification, lioPage...)
	all := []Designator{naa6, t10, portGroup, deviceName}
	for n := vpdHeader; n <= len(page); n++ {
		whole, end := 0, vpdHeader
		for whole < len(all) && end+designatorHeader+len(all[whole].Value) <= n {
			end += designatorHeader + len(all[whole].Value)
			whole++
		}
		got, err := ParseDeviceIdentification(page[:n:n])
		if len(got) != whole || errors.Is(err, ErrMalformed) != (n != end) {
			t.Errorf("%d bytes: %d designators, error %v, want %d", n, len(got), err, whole)
		}
	}
}

func TestParseDeviceIdentificationMalformed(t *testing.T) {
	tests := []struct {
		name string
		body []byte
		want []Designator
	}{
		{"length beyond the page", append(lioPage[:20:20], 1, 3, 0, 200, 0x60), []Designator{naa6}},
		{"half a header", append(lioPage[:20:20], 1, 3, 0), []Designator{naa6}},
		{"length 255, no value", []byte{1, 3, 0, 255}, nil},
	}
	for _, tt := range tests {
		got, err := ParseDeviceIdentification(vpd(VPDDeviceIdentification, tt.body...))
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want ErrMalformed (-want +got):\n%s", tt.name, err, diff)
		}
	}
	empty, err := ParseDeviceIdentification(vpd(VPDDeviceIdentification, 1, 3, 0, 0))
	if err != nil || len(empty) != 1 || len(empty[0].Value) != 0 {
		t.Errorf("empty value: %+v, error %v", empty, err)
	}
}

func TestNAA(t *testing.T) {
	if naa, ok := naa6.NAA(); naa != 6 || !ok {
		t.Errorf("NAA() = %d, %v", naa, ok)
	}
	for _, d := range []Designator{t10, {Type: DesignatorNAA}} {
		if naa, ok := d.NAA(); ok {
			t.Errorf("%+v: NAA() = %d", d, naa)
		}
	}
}

func TestUdevName(t *testing.T) {
	tests := []struct {
		name string
		d    Designator
		want string
	}{
		{"NAA 6", naa6, "36001405d27e5d898829468b90ce4ef8c"},
		{"EUI-64", Designator{CodeSet: CodeSetBinary, Type: DesignatorEUI64,
			Value: []byte{0, 0x1b, 0x4d, 1, 2, 3, 4, 0xab}}, "2001b4d01020304ab"},
		{"T10", t10, "1LIO-ORG_IBLOCK:d27e5d89-8829-468b"},
		{"T10 as tgt has it", Designator{CodeSet: CodeSetASCII, Type: DesignatorT10,
			Value: []byte("IET     00010001")}, "1IET_00010001"},
		{"all that is allowed", Designator{CodeSet: CodeSetASCII, Type: DesignatorT10,
			Value: []byte("azAZ09#+-.:=@_")}, "1azAZ09#+-.:=@_"},
		{"all that is next to it", Designator{CodeSet: CodeSetASCII, Type: DesignatorT10,
			Value: []byte("`{@[/:")}, "1__@__:"},
		{"T10, spaces at the end", Designator{CodeSet: CodeSetASCII, Type: DesignatorT10,
			Value: []byte("A\t\n B  ")}, "1A_B"},
		{"name", Designator{CodeSet: CodeSetUTF8, Type: DesignatorSCSIName,
			Value: []byte("naa.6001405d27e5\x00\x00")}, "8naa.6001405d27e5"},
		{"vendor specific", Designator{CodeSet: CodeSetASCII, Type: DesignatorVendorSpecific,
			Value: []byte("id7")}, "0VENDOR12A_model_id7"},
		{"hostile", Designator{CodeSet: CodeSetASCII, Type: DesignatorT10,
			Value: []byte("../../etc\x1b/\xc3\xbc$(x)\\x2f")}, "1.._.._etc_____x__x2f"},
	}
	for _, tt := range tests {
		got := tt.d.UdevName("VENDOR12", "A model")
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBestDesignator(t *testing.T) {
	binary := func(kind DesignatorType, value ...byte) Designator {
		return Designator{CodeSet: CodeSetBinary, Type: kind, Value: value}
	}
	ascii := func(kind DesignatorType, value string) Designator {
		return Designator{CodeSet: CodeSetASCII, Type: kind, Value: []byte(value)}
	}
	// From the best to the worst.
	order := []Designator{
		binary(DesignatorNAA, 0x60, 1),
		ascii(DesignatorNAA, "`6"), // first four bits 6
		binary(DesignatorNAA, 0x50, 1),
		ascii(DesignatorNAA, "P5"), // first four bits 5
		binary(DesignatorNAA, 0x20, 1),
		ascii(DesignatorNAA, "30"),
		binary(DesignatorEUI64, 1),
		ascii(DesignatorEUI64, "1"),
		binary(DesignatorT10, 1),
		ascii(DesignatorT10, "1"),
		binary(DesignatorVendorSpecific, 1),
		ascii(DesignatorVendorSpecific, "1"),
		{CodeSet: CodeSetUTF8, Type: DesignatorSCSIName, Value: []byte("naa.1")},
		ascii(DesignatorSCSIName, "naa.1"),
	}
	for i := range order {
		list := slices.Clone(order[i:])
		slices.Reverse(list)
		got, ok := BestDesignator(list)
		if diff := cmp.Diff(order[i], got); diff != "" || !ok {
			t.Errorf("best from place %d on: %v (-want +got):\n%s", i, ok, diff)
		}
	}
	first, second := binary(DesignatorNAA, 0x60, 1), binary(DesignatorNAA, 0x60, 2)
	if got, _ := BestDesignator([]Designator{first, second}); got.Value[1] != 1 {
		t.Errorf("of two equally good the second is taken")
	}
	none := []Designator{portGroup, deviceName, binary(DesignatorNAA), binary(DesignatorMD5LogicalUnit, 1)}
	if got, ok := BestDesignator(none); ok {
		t.Errorf("%+v was taken", got)
	}
}

func TestUdevID(t *testing.T) {
	long := Designator{CodeSet: CodeSetBinary, Type: DesignatorT10, Value: make([]byte, 255)}
	tests := []struct {
		name   string
		list   []Designator
		serial string
		want   string
	}{
		{"page 83h", []Designator{deviceName, t10, naa6}, "beaf11", "36001405d27e5d898829468b90ce4ef8c"},
		{"page 80h", []Designator{deviceName}, "beaf 11", "SLIO-ORG_IBLOCK_beaf_11"},
		{"neither", nil, "", ""},
		{"too long for a file name", []Designator{long}, "", "1" + strings.Repeat("0", 249)},
	}
	for _, tt := range tests {
		if got := UdevID(tt.list, "LIO-ORG", "IBLOCK", tt.serial); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// mustBeLinkName holds names from foreign bytes to what is safe in a directory.
func mustBeLinkName(t *testing.T, name string) {
	t.Helper()
	for _, r := range name {
		if !isUdevSafe(r) {
			t.Fatalf("%q is no safe name", name)
		}
	}
	if name == "." || name == ".." {
		t.Fatalf("%q is no name", name)
	}
}
