package scsi

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLUN(t *testing.T) {
	tests := []struct {
		lun    LUN
		number uint64
		single bool
		text   string
		path   string
	}{
		{LUN{}, 0, true, "0", "lun-0"},
		{LUN{0, 255}, 255, true, "255", "lun-255"},
		{LUN{0x40, 5}, 5, true, "5", "lun-0x4005000000000000"},
		{LUN{0x41, 0}, 256, true, "256", "lun-0x4100000000000000"},
		{LUN{0x7f, 0xff}, 16383, true, "16383", "lun-0x7fff000000000000"},
		{LUN{0xd2, 0, 0x40, 0}, 16384, true, "16384", "lun-0xd200400000000000"},
		{LUN{0xd2, 0xff, 0xff, 0xff}, 1<<24 - 1, true, "16777215", "lun-0xd2ffffff00000000"},
		{LUN{0xe2, 0, 1, 0, 0, 0}, 1 << 24, true, "16777216", "lun-0xe200010000000000"},
		// Bus 1, a second level, a remainder behind the number: not one number.
		{LUN{1, 0}, 0, false, "0x0100000000000000", "lun-0x0100000000000000"},
		{LUN{0, 1, 0, 2}, 1, false, "0x0001000200000000", "lun-0x0001000200000000"},
		{LUN{0x40, 1, 0x40, 2}, 1, false, "0x4001400200000000", "lun-0x4001400200000000"},
		{LUN{0xd2, 0, 0, 1, 1}, 1, false, "0xd200000101000000", "lun-0xd200000101000000"},
		{LUN{0xe2, 0, 0, 0, 0, 1, 1}, 1, false, "0xe200000000010100", "lun-0xe200000000010100"},
		// REPORT LUNS well known unit, logical unit addressing, not specified.
		{LUN{0xc1, 1}, 0, false, "0xc101000000000000", "lun-0xc101000000000000"},
		{LUN{0x80, 1}, 0, false, "0x8001000000000000", "lun-0x8001000000000000"},
		{LUN{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0, false, "0xffffffffffffffff", "lun-0xffffffffffffffff"},
	}
	for _, tt := range tests {
		number, single := tt.lun.Number()
		if single != tt.single || single && number != tt.number {
			t.Errorf("% x: Number() = %d, %v, want %d, %v", tt.lun[:], number, single, tt.number, tt.single)
		}
		if got := tt.lun.String(); got != tt.text {
			t.Errorf("% x: String() = %q, want %q", tt.lun[:], got, tt.text)
		}
		if got := tt.lun.UdevPath(); got != tt.path {
			t.Errorf("% x: UdevPath() = %q, want %q", tt.lun[:], got, tt.path)
		}
	}
}

func TestLUNFromNumber(t *testing.T) {
	tests := []struct {
		number uint64
		want   LUN
		ok     bool
	}{
		{0, LUN{}, true},
		{255, LUN{0, 255}, true},
		{256, LUN{0x41, 0}, true},
		{16383, LUN{0x7f, 0xff}, true},
		{16384, LUN{0xd2, 0, 0x40, 0}, true},
		{1<<24 - 1, LUN{0xd2, 0xff, 0xff, 0xff}, true},
		{1 << 24, LUN{0xe2, 0, 1, 0, 0, 0}, true},
		{1<<40 - 1, LUN{0xe2, 0xff, 0xff, 0xff, 0xff, 0xff}, true},
		{1 << 40, LUN{}, false},
		{math.MaxUint64, LUN{}, false},
	}
	for _, tt := range tests {
		got, ok := LUNFromNumber(tt.number)
		if ok != tt.ok || got != tt.want {
			t.Errorf("LUNFromNumber(%d) = % x, %v, want % x, %v", tt.number, got[:], ok, tt.want[:], tt.ok)
		}
		if back, single := got.Number(); ok && (!single || back != tt.number) {
			t.Errorf("LUNFromNumber(%d).Number() = %d, %v", tt.number, back, single)
		}
	}
	if l, ok := FlatLUN(16384); ok {
		t.Errorf("FlatLUN(16384) = % x, want none", l[:])
	}
	if l, _ := FlatLUN(3); l != (LUN{0x40, 3}) {
		t.Errorf("FlatLUN(3) = % x", l[:])
	}
}

// reportLUNs lays out REPORT LUNS data with a list length of its own.
func reportLUNs(length uint32, luns ...LUN) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	b = append(b, 0, 0, 0, 0)
	for _, l := range luns {
		b = append(b, l[:]...)
	}
	return b
}

func TestParseReportLUNs(t *testing.T) {
	many := make([]LUN, 1000)
	for i := range many {
		many[i], _ = LUNFromNumber(uint64(i))
	}
	few := []LUN{{0, 1}, {0x41, 2}, {0xd2, 1, 2, 3}}
	tests := []struct {
		name  string
		data  []byte
		want  []LUN
		total int
	}{
		{"none", reportLUNs(0), []LUN{}, 8},
		{"three forms", reportLUNs(24, few...), few, 32},
		{"a thousand", reportLUNs(8000, many...), many, 8008},
		{"cut by the allocation length", reportLUNs(8000, many[:2]...), many[:2], 8008},
		{"cut within a LUN", reportLUNs(24, few...)[:20], few[:1], 32},
		{"length too long", reportLUNs(math.MaxUint32, few...), few, math.MaxInt32},
		{"length too short", reportLUNs(8, few...), few[:1], 16},
		{"length not of whole LUNs", reportLUNs(15, few...), few[:1], 23},
	}
	for _, tt := range tests {
		got, total, err := ParseReportLUNs(tt.data)
		if err != nil || total != tt.total {
			t.Errorf("%s: total %d, error %v, want %d", tt.name, total, err, tt.total)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for n := range reportLUNsHeader {
		if _, _, err := ParseReportLUNs(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: error %v, want ErrMalformed", n, err)
		}
	}
}

func FuzzReportLUNs(f *testing.F) {
	f.Add(reportLUNs(0))
	f.Add(reportLUNs(16, LUN{0, 1}, LUN{0x41, 2}))
	f.Add(reportLUNs(math.MaxUint32, LUN{0xd2, 1, 2, 3}, LUN{0xe2, 1, 2, 3, 4, 5}))
	f.Fuzz(func(t *testing.T, b []byte) {
		luns, total, err := ParseReportLUNs(b)
		if err != nil {
			return
		}
		if cap(luns)*lunSize > len(b) || total < reportLUNsHeader {
			t.Fatalf("%d bytes gave %d LUNs, total %d", len(b), len(luns), total)
		}
		for _, l := range luns {
			mustBePrintable(t, l.String(), l.UdevPath())
			if n, ok := l.Number(); ok && n > maxLongFlat {
				t.Fatalf("% x has number %d", l[:], n)
			}
		}
	})
}
