package target

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// unmapping sends an UNMAP of one run, and returns how it ended.
func (p *peer) unmapping(lba uint64, blocks uint32) (status byte, sense []byte) {
	list := make([]byte, 24)
	binary.BigEndian.PutUint16(list, 22)
	binary.BigEndian.PutUint16(list[2:], 16)
	binary.BigEndian.PutUint64(list[8:], lba)
	binary.BigEndian.PutUint32(list[16:], blocks)
	p.write(writing(p.command([]byte{OpUnmap, 0, 0, 0, 0, 0, 0, 0, 24}, 24)), list)
	_, status, sense = p.response()
	return status, sense
}

// TestIgnoring: what of an UNMAP of the blocks 4 to 43 is ignored, with granules of
// eight blocks from block 2 on.
func TestIgnoring(t *testing.T) {
	for what, freed := range map[Ignored][][2]int64{
		IgnoreNothing: {{4, 44}},
		IgnoreEdges:   {{10, 42}},
		IgnoreOdd:     {{18, 26}, {34, 42}},
		IgnoreAll:     nil,
	} {
		l := NewMemoryLUN(1<<20, 512, Thin(), Ignoring(what), Limits(BlockLimits{MaxUnmap: 100, MaxUnmapDescriptors: 1, UnmapGranularity: 8, UnmapAlignment: 2}))
		want := bytes.Repeat([]byte{7}, 64*512)
		l.WriteAt(want, 0)
		for _, r := range freed {
			clear(want[r[0]*512 : r[1]*512])
		}
		p := dial(t, start(t, Config{QuietLogin: true, LUNs: []*LUN{l}})).login()
		if status, sense := p.unmapping(4, 40); status != statusGood {
			t.Fatalf("UNMAP: % x", sense)
		}
		got := make([]byte, len(want))
		l.ReadAt(got, 0)
		for i := range int64(64) {
			if a, b := got[i*512], want[i*512]; a != b {
				t.Errorf("ignoring %d: block %d holds %d, want %d", what, i, a, b)
			}
		}
	}
}

// TestWithout: what options take away from a thin LUN.
func TestWithout(t *testing.T) {
	lbaStatus := []byte{OpServiceActionIn16, saGetLBAStatus, 13: 64, 15: 0}
	same16 := func(flags byte) []byte { return []byte{OpWriteSame16, flags, 13: 1, 15: 0} }
	for name, c := range map[string]struct {
		option               Option
		cdb                  []byte
		key, code, qualifier byte
	}{
		"unknown":                   {Unknown(OpWriteSame16), same16(wsNDOB), 5, 0x20, 0},
		"UNMAP does not free":       {FreedBy(OpWriteSame16), []byte{OpUnmap, 15: 0}, 5, 0x20, 0},
		"WRITE SAME does not free":  {FreedBy(OpUnmap), same16(wsUnmap | wsNDOB), 5, 0x24, 0},
		"nor where nothing does":    {FreedBy(), same16(wsUnmap | wsNDOB), 5, 0x24, 0},
		"no NDOB":                   {WithoutNDOB(), same16(wsNDOB), 5, 0x24, 0},
		"no status":                 {WithoutLBAStatus(), lbaStatus, 5, 0x20, 0},
		"longer than the limit":     {Limits(BlockLimits{MaxWriteSame: 1}), []byte{OpWriteSame16, wsNDOB, 13: 2, 15: 0}, 5, 0x24, 0},
		"zero blocks with WSNZ":     {Limits(BlockLimits{NonZeroWriteSame: true}), []byte{OpWriteSame16, wsNDOB, 15: 0}, 5, 0x24, 0},
		"more than fit in the pool": {func(l *LUN) { l.SetPool(4096, 0) }, []byte{OpWriteSame16, wsNDOB, 13: 9, 15: 0}, 7, 0x27, 7},
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, start(t, Config{QuietLogin: true, LUNs: []*LUN{NewMemoryLUN(1<<20, 512, Thin(), c.option)}})).login()
			p.write(reading(p.command(c.cdb, 64)), nil)
			if _, status, sense := p.response(); status != statusCheckCondition || !senseIs(sense, c.key, c.code, c.qualifier) {
				t.Errorf("status %#x, sense % x", status, sense)
			}
		})
	}
}

// TestPool: a write that needs more than the pool has writes nothing; what is unmapped
// is there to be used again; the threshold is announced when it is passed.
func TestPool(t *testing.T) {
	l := NewMemoryLUN(1<<20, 512, Thin())
	l.SetPool(16<<10, 8<<10)
	p := dial(t, start(t, Config{QuietLogin: true, LUNs: []*LUN{l}})).login()
	put := func(lba byte) []byte {
		k := writing(p.command([]byte{OpWrite10, 0, 0, 0, 0, lba, 0, 0, 8}, 4096))
		p.write(k, bytes.Repeat([]byte{lba}, 4096))
		_, _, sense := p.response()
		return sense
	}
	for _, step := range []struct {
		lba             byte
		code, qualifier byte // of the sense data; 0: none
	}{
		{0, 0, 0}, {8, 0, 0}, {0, 0x38, 0x07}, // announced by the command after the one that reached it
		{0, 0, 0}, {16, 0, 0}, {24, 0, 0}, {32, 0x27, 0x07}, {24, 0, 0},
	} {
		sense := put(step.lba)
		key := byte(senseUnitAttention)
		if step.code == ascSpaceAllocationFailed.code {
			key = senseDataProtect
		}
		if step.code == 0 && len(sense) > 0 || step.code != 0 && !senseIs(sense, key, step.code, step.qualifier) {
			t.Errorf("a write to block %d: % x", step.lba, sense)
		}
	}
	if n := l.Allocated(); n != 16<<10 {
		t.Errorf("%d bytes are allocated", n)
	}
	if status, sense := p.unmapping(0, 8); status != statusGood {
		t.Fatalf("% x", sense)
	}
	if sense := put(32); len(sense) > 0 {
		t.Errorf("after an UNMAP: % x", sense)
	}
	got := make([]byte, 1)
	if l.ReadAt(got, 32*512); got[0] != 32 {
		t.Error("not written")
	}
}
