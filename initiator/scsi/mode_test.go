package scsi

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cachingPage is the caching page, saveable, with WCE and RCD as the low byte says.
func cachingPage(flags byte) []byte {
	return append([]byte{0x88, 0x12, flags}, make([]byte, 17)...)
}

var (
	blockDescriptor = []byte{0, 0, 0, 0, 0, 0, 2, 0}
	controlPage     = append([]byte{0x0a, 0x0a}, make([]byte, 10)...)
	// controlExtension is a page in sub-page format (page 0Ah, sub-page 01h) whose
	// bytes look like a caching page to who takes its length from the wrong place.
	controlExtension = append([]byte{0x4a, 0x01, 0x00, 0x1c, 0x08, 0x12, 0x04}, make([]byte, 25)...)
)

// mode6 lays out MODE SENSE (6) data.
func mode6(deviceSpecific byte, descriptors []byte, pages ...[]byte) []byte {
	b := append([]byte{0, 0, deviceSpecific, byte(len(descriptors))}, descriptors...)
	b = append(b, slices.Concat(pages...)...)
	b[0] = byte(len(b) - 1)
	return b
}

// mode10 lays out MODE SENSE (10) data.
func mode10(deviceSpecific byte, descriptors []byte, pages ...[]byte) []byte {
	b := append([]byte{0, 0, 0, deviceSpecific, 0, 0, 0, byte(len(descriptors))}, descriptors...)
	b = append(b, slices.Concat(pages...)...)
	b[0], b[1] = byte((len(b)-2)>>8), byte(len(b)-2)
	return b
}

func TestParseModeSense(t *testing.T) {
	tests := []struct {
		name           string
		deviceSpecific byte
		descriptors    []byte
		pages          [][]byte
		want           ModeData
	}{
		{"no page", 0, nil, nil, ModeData{}},
		{"write protected", 0x80, nil, nil, ModeData{WriteProtect: true}},
		{"all other bits", 0x6f, nil, nil, ModeData{}},
		{"DPOFUA", 0x10, blockDescriptor, nil, ModeData{DPOFUA: true}},
		{"write cache", 0, nil, [][]byte{cachingPage(0x04)}, ModeData{CachingPage: true, WCE: true}},
		{"no cache", 0, blockDescriptor, [][]byte{cachingPage(0x01)}, ModeData{CachingPage: true, RCD: true}},
		{"neither bit", 0, blockDescriptor, [][]byte{cachingPage(0xfa)}, ModeData{CachingPage: true}},
		{"last of all pages", 0x90, blockDescriptor, [][]byte{controlPage, controlExtension, cachingPage(0x04)},
			ModeData{WriteProtect: true, DPOFUA: true, CachingPage: true, WCE: true}},
		{"another page", 0, nil, [][]byte{controlPage}, ModeData{}},
		{"another page in sub-page format", 0, nil, [][]byte{controlExtension}, ModeData{}},
		{"page 08h in sub-page format", 0, nil, [][]byte{{0x48, 0x01, 0, 1, 0x04}}, ModeData{}},
		{"cut page", 0, nil, [][]byte{cachingPage(0x04)[:3]}, ModeData{CachingPage: true, WCE: true}},
		{"page cut before its flags", 0, nil, [][]byte{{0x08, 0x12}}, ModeData{}},
		{"page of no length", 0, nil, [][]byte{{0x08, 0x00}, cachingPage(0x04)}, ModeData{CachingPage: true, WCE: true}},
		{"odd page before", 0, nil, [][]byte{{0x01, 2, 0xff, 0xff}, cachingPage(0x01)}, ModeData{CachingPage: true, RCD: true}},
		{"one byte", 0, nil, [][]byte{{0x08}}, ModeData{}},
		{"two bytes of a sub-page", 0, nil, [][]byte{{0x48, 1}}, ModeData{}},
	}
	for _, tt := range tests {
		got, err := ParseModeSense6(mode6(tt.deviceSpecific, tt.descriptors, tt.pages...))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s, (6): error %v (-want +got):\n%s", tt.name, err, diff)
		}
		got, err = ParseModeSense10(mode10(tt.deviceSpecific, tt.descriptors, tt.pages...))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s, (10): error %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func TestParseModeSenseLengths(t *testing.T) {
	short := mode6(0, nil, cachingPage(0x04))
	short[0] = 3 // ends behind the header, so the page is stale memory
	if got, err := ParseModeSense6(short); err != nil || got != (ModeData{}) {
		t.Errorf("data behind MODE DATA LENGTH: %+v, error %v", got, err)
	}
	long := mode6(0, nil, cachingPage(0x04))
	long[0] = 255
	if got, err := ParseModeSense6(long); err != nil || !got.WCE {
		t.Errorf("MODE DATA LENGTH beyond the data: %+v, error %v", got, err)
	}
	descriptors := mode10(0, blockDescriptor, cachingPage(0x04))
	descriptors[6] = 0xff // BLOCK DESCRIPTOR LENGTH beyond the data
	if got, err := ParseModeSense10(descriptors); err != nil || got != (ModeData{}) {
		t.Errorf("descriptors beyond the data: %+v, error %v", got, err)
	}
	for n := range modeHeader6 {
		if _, err := ParseModeSense6(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("(6), %d bytes: error %v, want ErrMalformed", n, err)
		}
	}
	for n := range modeHeader10 {
		if _, err := ParseModeSense10(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("(10), %d bytes: error %v, want ErrMalformed", n, err)
		}
	}
}

func FuzzModeSense(f *testing.F) {
	f.Add(mode6(0x90, blockDescriptor, controlPage, cachingPage(0x05)))
	f.Add(mode10(0x90, blockDescriptor, controlExtension, cachingPage(0x05)))
	f.Add([]byte{0xff, 0, 0, 0xff, 0x48, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (ModeData, error){ParseModeSense6, ParseModeSense10} {
			m, err := parse(b)
			if err == nil && (m.WCE || m.RCD) && !m.CachingPage {
				t.Fatalf("% x: %+v", b, m)
			}
		}
	})
}
