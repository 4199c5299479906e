package scsi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCDB(t *testing.T) {
	tests := []struct {
		name string
		got  CDB
		want CDB
	}{
		{"TEST UNIT READY", TestUnitReady(), CDB{}},
		{"INQUIRY", Inquiry(0x1234), CDB{0x12, 0, 0, 0x12, 0x34}},
		{"INQUIRY", InquiryVPD(VPDDeviceIdentification, 0x00ff), CDB{0x12, 1, 0x83, 0x00, 0xff}},
		{"REPORT LUNS", ReportLUNs(0x01020304), CDB{0xa0, 0, 0, 0, 0, 0, 1, 2, 3, 4}},
		{"READ CAPACITY (10)", ReadCapacity10(), CDB{0x25}},
		{"READ CAPACITY (16)", ReadCapacity16(32), CDB{0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}},
		{"MODE SENSE (6)", ModeSense6(ModePageCaching, 192), CDB{0x1a, 0, 0x08, 0, 192}},
		{"MODE SENSE (10)", ModeSense10(ModePageAll, 0x1234), CDB{0x5a, 0, 0x3f, 0, 0, 0, 0, 0x12, 0x34}},
		{"READ (10)", Read10(0x01020304, 0x0506), CDB{0x28, 0, 1, 2, 3, 4, 0, 5, 6}},
		{"READ (16)", Read16(0x0102030405060708, 0x090a0b0c),
			CDB{0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"WRITE (10)", Write10(0x01020304, 0x0506, false), CDB{0x2a, 0, 1, 2, 3, 4, 0, 5, 6}},
		{"WRITE (10)", Write10(0x01020304, 0x0506, true), CDB{0x2a, 8, 1, 2, 3, 4, 0, 5, 6}},
		{"WRITE (16)", Write16(0x0102030405060708, 0x090a0b0c, false),
			CDB{0x8a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"WRITE (16)", Write16(1<<63, 1, true), CDB{0x8a, 8, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		{"SYNCHRONIZE CACHE (10)", SynchronizeCache10(0x01020304, 0x0506),
			CDB{0x35, 0, 1, 2, 3, 4, 0, 5, 6}},
		{"SYNCHRONIZE CACHE (16)", SynchronizeCache16(0x0102030405060708, 0x090a0b0c),
			CDB{0x91, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"PERSISTENT RESERVE IN", PersistentReserveIn(ReadKeys, 0x1234), CDB{0x5e, 0, 0, 0, 0, 0, 0, 0x12, 0x34}},
		{"PERSISTENT RESERVE IN", PersistentReserveIn(ReadReservation, 24), CDB{0x5e, 1, 0, 0, 0, 0, 0, 0, 24}},
		{"PERSISTENT RESERVE OUT", PersistentReserveOut(RegisterAndIgnore, 0), CDB{0x5f, 6, 0, 0, 0, 0, 0, 0, 24}},
		{"PERSISTENT RESERVE OUT", PersistentReserveOut(Reserve, WriteExclusiveRegistrantsOnly),
			CDB{0x5f, 1, 5, 0, 0, 0, 0, 0, 24}},
		{"PERSISTENT RESERVE OUT", PersistentReserveOut(PreemptAndAbort, WriteExclusiveRegistrantsOnly),
			CDB{0x5f, 5, 5, 0, 0, 0, 0, 0, 24}},
		{"WRITE SAME (10)", WriteSame10(0x01020304, 0x0506, 0), CDB{0x41, 0, 1, 2, 3, 4, 0, 5, 6}},
		{"WRITE SAME (10)", WriteSame10(0x01020304, 0x0506, SameUnmap|SameAnchor), CDB{0x41, 0x18, 1, 2, 3, 4, 0, 5, 6}},
		{"WRITE SAME (16)", WriteSame16(0x0102030405060708, 0x090a0b0c, 0),
			CDB{0x93, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"WRITE SAME (16)", WriteSame16(0x0102030405060708, 0x090a0b0c, SameUnmap|SameNDOB),
			CDB{0x93, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"UNMAP", Unmap(1), CDB{0x42, 0, 0, 0, 0, 0, 0, 0, 24}},
		{"UNMAP", Unmap(MaxUnmapRanges), CDB{0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xf8}},
		{"GET LBA STATUS", GetLBAStatus(0x0102030405060708, 0x090a0b0c),
			CDB{0x9e, 0x12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"unknown(0x43)", CDB{0x43}, CDB{0x43}},
		{"unknown(0x9e)", CDB{0x9e, 0x13}, CDB{0x9e, 0x13}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if got := tt.got.String(); got != tt.name {
			t.Errorf("% x: String() = %q, want %q", tt.got, got, tt.name)
		}
		if got := tt.got.Opcode(); got != tt.want[0] {
			t.Errorf("%s: Opcode() = %#x, want %#x", tt.name, got, tt.want[0])
		}
	}
}

func TestWritten(t *testing.T) {
	for _, c := range []CDB{Write10(7, 9, false), Write16(7, 9, true), WriteSame10(7, 9, SameUnmap), WriteSame16(7, 9, SameNDOB)} {
		if r, ok := c.Written(); r != (BlockRange{7, 9}) || !ok {
			t.Errorf("%s: %v, %v", c, r, ok)
		}
	}
	for _, c := range []CDB{Read10(7, 9), Read16(7, 9), Unmap(1), SynchronizeCache10(7, 9), GetLBAStatus(7, 9)} {
		if r, ok := c.Written(); ok {
			t.Errorf("%s: %v", c, r)
		}
	}
}

func TestCDBAllocatesNothing(t *testing.T) {
	var sink CDB
	n := testing.AllocsPerRun(100, func() { sink = Write16(1, 2, true) })
	if n != 0 || sink[0] != opWrite16 {
		t.Errorf("Write16 allocates %v times", n)
	}
}
