package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inquiry36 is the standard INQUIRY data of a disk, with what follows it.
var inquiry36 = append([]byte{
	0x00, 0x80, 0x06, 0x12, 0x5b, 0x31, 0x10, 0x02,
}, "LIO-ORG IBLOCK          4.0 and the vendor specific rest"...)

func TestParseInquiry(t *testing.T) {
	disk := InquiryData{
		Removable: true, Version: 6, TPGS: 3, ProtectionInformation: true, MultiPort: true, CmdQue: true,
		Vendor: "LIO-ORG", Product: "IBLOCK", Revision: "4.0",
	}
	hostile := append([]byte{}, inquiry36...)
	copy(hostile[8:], "\x1b]0;x\x07\n../../etc/passwd")
	tests := []struct {
		name string
		data []byte
		want InquiryData
	}{
		{"disk", inquiry36, disk},
		{"disk, 36 bytes", inquiry36[:36], disk},
		{"no logical unit, five bytes", []byte{0x7f, 0, 5, 2, 31}, InquiryData{
			Qualifier: QualifierNone, DeviceType: DeviceTypeUnknown, Version: 5,
		}},
		{"not connected", []byte{0x20, 0, 5, 2, 31}, InquiryData{
			Qualifier: QualifierNotConnected, Version: 5,
		}},
		{"cut within the product", inquiry36[:18], InquiryData{
			Removable: true, Version: 6, TPGS: 3, ProtectionInformation: true, MultiPort: true, CmdQue: true,
			Vendor: "LIO-ORG", Product: "IB",
		}},
		{"ADDITIONAL LENGTH ends it", append([]byte{0, 0, 6, 2, 11}, inquiry36[5:]...), InquiryData{
			Version: 6, TPGS: 3, ProtectionInformation: true, MultiPort: true, CmdQue: true, Vendor: "LIO-ORG",
		}},
		{"control characters", hostile, InquiryData{
			Removable: true, Version: 6, TPGS: 3, ProtectionInformation: true, MultiPort: true, CmdQue: true,
			Vendor: "?]0;x??.", Product: "./../etc/passwd", Revision: "4.0",
		}},
	}
	for _, tt := range tests {
		got, err := ParseInquiry(tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for n := range len(inquiry36) {
		_, err := ParseInquiry(inquiry36[:n:n])
		if errors.Is(err, ErrMalformed) != (n < inquiryMin) {
			t.Errorf("%d bytes: error %v", n, err)
		}
	}
}

func TestInquiryIsDisk(t *testing.T) {
	tests := []struct {
		first byte
		want  bool
	}{
		{0x00, true},
		{0x20, false}, // no device connected
		{0x7f, false}, // no logical unit
		{0x0c, false}, // storage array controller
		{0x05, false}, // CD
	}
	for _, tt := range tests {
		d, err := ParseInquiry([]byte{tt.first, 0, 6, 2, 31})
		if err != nil || d.IsDisk() != tt.want {
			t.Errorf("%#02x: IsDisk() = %v, error %v, want %v", tt.first, d.IsDisk(), err, tt.want)
		}
	}
}

func FuzzInquiry(f *testing.F) {
	f.Add(inquiry36)
	f.Add([]byte{0x7f, 0, 5, 2, 31})
	f.Add(append([]byte{0, 0, 6, 2, 255}, make([]byte, 260)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseInquiry(b)
		if err != nil {
			return
		}
		mustBePrintable(t, d.Vendor, d.Product, d.Revision)
		if len(d.Vendor) > 8 || len(d.Product) > 16 || len(d.Revision) > 4 {
			t.Fatalf("% x: %+v", b, d)
		}
	})
}
