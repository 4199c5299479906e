package scsi

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnmapList: both length fields leave themselves, and what is before them, out
// (SBC-3, section 5.28.2).
func TestUnmapList(t *testing.T) {
	got := UnmapList(BlockRange{0x0102030405060708, 0x090a0b0c}, BlockRange{1, 2})
	want := []byte{
		0, 38, 0, 32, 0, 0, 0, 0,
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if cdb := Unmap(2); int(binary.BigEndian.Uint16(cdb[7:])) != len(got) {
		t.Errorf("PARAMETER LIST LENGTH is %d for %d bytes", binary.BigEndian.Uint16(cdb[7:]), len(got))
	}
}

func TestBlockRange(t *testing.T) {
	r := BlockRange{math.MaxUint64 - 9, 10}
	for lba, want := range map[uint64]bool{0: false, math.MaxUint64 - 10: false, math.MaxUint64 - 9: true, math.MaxUint64: true} {
		if r.Has(lba) != want {
			t.Errorf("Has(%d): %v", lba, !want)
		}
	}
}

// lbaStatus makes GET LBA STATUS parameter data.
func lbaStatus(runs ...LBAStatus) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+16*len(runs)))
	b = append(b, 0, 0, 0, 0)
	for _, r := range runs {
		b = binary.BigEndian.AppendUint64(b, r.LBA)
		b = binary.BigEndian.AppendUint32(b, r.Blocks)
		b = append(b, byte(r.Provisioning), 0, 0, 0)
	}
	return b
}

func TestParseLBAStatus(t *testing.T) {
	run := func(lba uint64, blocks uint32, p Provisioning) LBAStatus {
		return LBAStatus{BlockRange{lba, blocks}, p}
	}
	tests := map[string]struct {
		data []byte
		want []LBAStatus
	}{
		"two runs":          {lbaStatus(run(8, 8, Deallocated), run(16, 1, Mapped)), []LBAStatus{run(8, 8, Deallocated), run(16, 1, Mapped)}},
		"reserved bits":     {append(lbaStatus(run(8, 8, Deallocated))[:20], 0xf1, 0xff, 0xff, 0xff), []LBAStatus{run(8, 8, Deallocated)}},
		"cut in the second": {lbaStatus(run(8, 8, Anchored), run(16, 1, Mapped))[:39], []LBAStatus{run(8, 8, Anchored)}},
		"shorter by its own account": {
			append([]byte{0, 0, 0, 20}, lbaStatus(run(8, 8, Deallocated), run(16, 1, Mapped))[4:]...),
			[]LBAStatus{run(8, 8, Deallocated)},
		},
		"a gap":                {lbaStatus(run(8, 8, Deallocated), run(17, 1, Deallocated)), []LBAStatus{run(8, 8, Deallocated)}},
		"an overlap":           {lbaStatus(run(8, 8, Deallocated), run(12, 1, Deallocated)), []LBAStatus{run(8, 8, Deallocated)}},
		"an empty second":      {lbaStatus(run(8, 8, Deallocated), run(16, 0, Mapped), run(16, 8, Mapped)), []LBAStatus{run(8, 8, Deallocated)}},
		"begins elsewhere":     {lbaStatus(run(0, 16, Deallocated)), nil},
		"begins later":         {lbaStatus(run(9, 16, Deallocated)), nil},
		"an empty first":       {lbaStatus(run(8, 0, Deallocated)), nil},
		"no descriptor":        {lbaStatus(), nil},
		"less than the header": {make([]byte, 7), nil},
		"a length of nothing":  {append([]byte{0, 0, 0, 0}, lbaStatus(run(8, 8, Deallocated))[4:]...), nil},
	}
	for name, tt := range tests {
		got, err := ParseLBAStatus(tt.data, 8)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (err == nil) != (tt.want != nil) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	const last = math.MaxUint64 - 3
	if got, err := ParseLBAStatus(lbaStatus(run(last, 8, Deallocated)), last); err == nil {
		t.Errorf("a run past the last address: %v", got)
	}
}

func FuzzLBAStatus(f *testing.F) {
	f.Add(lbaStatus(LBAStatus{BlockRange{8, 8}, Deallocated}, LBAStatus{BlockRange{16, 1}, Mapped}), uint64(8))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, lba uint64) {
		runs, err := ParseLBAStatus(b, lba)
		if err != nil {
			mustBePrintable(t, err.Error())
		}
		if (len(runs) == 0) != (err != nil) {
			t.Fatalf("%d runs and error %v", len(runs), err)
		}
		if LBAStatusLen(len(runs)) > len(b) && len(runs) > 0 {
			t.Fatalf("%d bytes gave %d runs", len(b), len(runs))
		}
		next := lba
		for _, r := range runs {
			if r.LBA != next || r.Blocks == 0 || next+uint64(r.Blocks) < next {
				t.Fatalf("from %d on came %v", lba, runs)
			}
			next += uint64(r.Blocks)
		}
	})
}
