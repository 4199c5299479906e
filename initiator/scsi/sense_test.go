package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixedSense is fixed format sense data: MEDIUM ERROR, 11/00, information
// 01020304h, of the full 18 bytes.
var fixedSense = []byte{
	0xf0, 0, 0x03, 0x01, 0x02, 0x03, 0x04, 10,
	0, 0, 0, 0, 0x11, 0x00, 0, 0x80, 0x00, 0x05,
}

// descriptorSense is descriptor format sense data: ILLEGAL REQUEST, 24/00, with
// an information, a vendor specific and a sense key specific descriptor.
var descriptorSense = []byte{
	0x72, 0x05, 0x24, 0x00, 0, 0, 0, 24,
	0x00, 10, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8,
	0x80, 2, 0xaa, 0xbb,
	0x02, 6, 0, 0, 0xc8, 0x00, 0x02, 0,
}

func TestParseSense(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want Sense
	}{
		{"fixed", fixedSense, Sense{
			Format: SenseFixed, Key: MediumError, ASC: 0x11,
			Information: 0x01020304, InformationValid: true, Specific: [3]byte{0x80, 0, 5},
		}},
		{"fixed, with what follows ADDITIONAL SENSE LENGTH left out", append([]byte{
			0x70, 0, 0x05, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0x20, 0x00,
		}, 0xff, 0xff, 0xff, 0xff), Sense{Format: SenseFixed, Key: IllegalRequest, ASC: 0x20}},
		{"fixed, deferred, file mark, EOM and ILI set", []byte{
			0x71, 0, 0xe3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0c, 0x02, 0, 0, 0, 0,
		}, Sense{Format: SenseFixed, Deferred: true, Key: MediumError, ASC: 0x0c, ASCQ: 0x02}},
		{"descriptor", descriptorSense, Sense{
			Format: SenseDescriptor, Key: IllegalRequest, ASC: 0x24,
			Information: 0x0102030405060708, InformationValid: true, Specific: [3]byte{0xc8, 0, 2},
		}},
		{"descriptor, none", []byte{0x72, 0x06, 0x29, 0x01, 0, 0, 0, 0}, Sense{
			Format: SenseDescriptor, Key: UnitAttention, ASC: 0x29, ASCQ: 1,
		}},
		{"descriptor, deferred, information not valid", []byte{
			0x73, 0x04, 0x44, 0x00, 0, 0, 0, 12, 0x00, 10, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 9,
		}, Sense{Format: SenseDescriptor, Deferred: true, Key: HardwareError, ASC: 0x44, Information: 9}},
		{"descriptor of its own that lies about its length", []byte{
			0x72, 0x05, 0x24, 0x00, 0, 0, 0, 12, 0x00, 11, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8,
		}, Sense{Format: SenseDescriptor, Key: IllegalRequest, ASC: 0x24}},
		{"descriptor too short for its type", []byte{
			0x72, 0x05, 0x24, 0x00, 0, 0, 0, 8, 0x00, 2, 0x80, 0, 0x02, 2, 0, 0,
		}, Sense{Format: SenseDescriptor, Key: IllegalRequest, ASC: 0x24}},
		{"descriptor behind ADDITIONAL SENSE LENGTH", []byte{
			0x72, 0x05, 0x24, 0x00, 0, 0, 0, 0, 0x00, 10, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8,
		}, Sense{Format: SenseDescriptor, Key: IllegalRequest, ASC: 0x24}},
	}
	for _, tt := range tests {
		got, err := ParseSense(tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestParseSenseRefuses(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {0x00}, {0x6f}, {0x74}, {0x7f, 0, 5}} {
		if s, err := ParseSense(b); !errors.Is(err, ErrMalformed) || s != (Sense{}) {
			t.Errorf("% x: %+v, error %v, want ErrMalformed", b, s, err)
		}
	}
}

// TestParseSenseTruncated cuts both formats at every length: each field is there
// as soon as all of its bytes are.
func TestParseSenseTruncated(t *testing.T) {
	formats := []struct {
		whole                                  []byte
		key, asc, ascq, information, specifics int // lengths from which on the field is there
	}{
		{fixedSense, 3, 13, 14, 7, 18},
		{descriptorSense, 2, 3, 4, 20, 32},
	}
	for _, f := range formats {
		want, err := ParseSense(f.whole)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= len(f.whole); n++ {
			got, err := ParseSense(f.whole[:n:n])
			if err != nil {
				t.Fatalf("%d bytes of % x: %v", n, f.whole, err)
			}
			check := func(field string, from int, have, whole any) {
				if n >= from && have != whole {
					t.Errorf("%d bytes of % x: %s is %v, want %v", n, f.whole, field, have, whole)
				}
			}
			check("key", f.key, got.Key, want.Key)
			check("ASC", f.asc, got.ASC, want.ASC)
			check("ASCQ", f.ascq, got.ASCQ, want.ASCQ)
			check("information", f.information, got.Information, want.Information)
			check("specific", f.specifics, got.Specific, want.Specific)
			if got.InformationValid != (n >= f.information) {
				t.Errorf("%d bytes of % x: information valid is %v", n, f.whole, got.InformationValid)
			}
		}
	}
}

func TestSenseSpecific(t *testing.T) {
	inCDB := Sense{Key: IllegalRequest, Specific: [3]byte{0xc0, 0x01, 0x02}}
	if offset, cdb, ok := inCDB.FieldPointer(); offset != 0x102 || !cdb || !ok {
		t.Errorf("FieldPointer() = %#x, %v, %v", offset, cdb, ok)
	}
	inData := Sense{Key: IllegalRequest, Specific: [3]byte{0xbf, 0, 7}}
	if offset, cdb, ok := inData.FieldPointer(); offset != 7 || cdb || !ok {
		t.Errorf("FieldPointer() = %#x, %v, %v", offset, cdb, ok)
	}
	half := Sense{Key: NotReady, Specific: [3]byte{0x80, 0x80, 0}}
	if done, ok := half.Progress(); done != 0.5 || !ok {
		t.Errorf("Progress() = %v, %v", done, ok)
	}
	for _, s := range []Sense{half, {Key: IllegalRequest}} {
		if _, _, ok := s.FieldPointer(); ok {
			t.Errorf("%+v has a field pointer", s)
		}
	}
	for _, s := range []Sense{inCDB, {Key: NotReady}} {
		if _, ok := s.Progress(); ok {
			t.Errorf("%+v has a progress", s)
		}
	}
}

func TestSenseString(t *testing.T) {
	tests := []struct {
		sense Sense
		want  string
	}{
		{Sense{}, "no sense data"},
		{Sense{Format: SenseFixed}, "NO SENSE, 00/00"},
		{Sense{Format: SenseFixed, Key: IllegalRequest, ASC: 0x20},
			"ILLEGAL REQUEST, 20/00: invalid command operation code"},
		{Sense{Format: SenseFixed, Key: NotReady, ASC: 0x04, ASCQ: 0x0a},
			"NOT READY, 04/0a: not accessible, asymmetric access state transition"},
		{Sense{Format: SenseFixed, Key: DataProtect, ASC: 0x27, ASCQ: 0x07},
			"DATA PROTECT, 27/07: space allocation failed write protect"},
		{Sense{Format: SenseDescriptor, Key: MediumError, ASC: 0x0c, ASCQ: 0x02, Deferred: true},
			"MEDIUM ERROR, 0c/02: write error, auto reallocation failed (deferred)"},
		{Sense{Format: SenseFixed, Key: MediumError, ASC: 0x11, ASCQ: 0xee},
			"MEDIUM ERROR, 11/ee"},
		{Sense{Format: SenseFixed, Key: VendorSpecific, ASC: 0x99, ASCQ: 0x01}, "VENDOR SPECIFIC, 99/01"},
	}
	for _, tt := range tests {
		if got := tt.sense.String(); got != tt.want {
			t.Errorf("%+v: String() = %q, want %q", tt.sense, got, tt.want)
		}
	}
}

func FuzzSense(f *testing.F) {
	f.Add(fixedSense)
	f.Add(descriptorSense)
	f.Add([]byte{0x73, 0, 0, 0, 0, 0, 0, 0xff, 2, 6, 0, 0, 0x80})
	f.Add([]byte{0x71, 0, 0x0b, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x47, 0x05})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSense(b)
		if err != nil {
			mustBePrintable(t, err.Error())
			return
		}
		if s.Format == SenseNone || s.Key > 0x0f {
			t.Fatalf("% x: %+v", b, s)
		}
		mustBePrintable(t, s.String(), Classify(CheckCondition, s).String())
	})
}
