package scsi

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// capacity16 is READ CAPACITY (16) data of 2^32 blocks of 512 bytes, thin,
// zeroing, 8 logical blocks a physical one, first aligned LBA 0103h, type 2
// protection.
var capacity16 = []byte{
	0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0,
	0x03, 0x13, 0xc1, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
}

func TestParseReadCapacity16(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want Capacity
	}{
		{"all fields", capacity16, Capacity{
			Blocks: 1 << 32, BlockSize: 512, LBPME: true, LBPRZ: true,
			LogicalPerPhysicalExponent: 3, LowestAlignedLBA: 0x103,
			ProtectionEnabled: true, ProtectionType: 2,
		}},
		{"the least there is", capacity16[:12], Capacity{Blocks: 1 << 32, BlockSize: 512}},
		{"cut before the alignment", capacity16[:14], Capacity{
			Blocks: 1 << 32, BlockSize: 512, LogicalPerPhysicalExponent: 3,
			ProtectionEnabled: true, ProtectionType: 2,
		}},
		{"a protection type that is not enabled", []byte{
			0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0x10, 0, 0x06, 0xf1, 0x3f, 0xff,
		}, Capacity{Blocks: 8, BlockSize: 4096, LogicalPerPhysicalExponent: 1, LowestAlignedLBA: 0x3fff}},
		{"block size 0 is the caller's to refuse", make([]byte, 32), Capacity{Blocks: 1}},
		{"last LBA 2^64-2", []byte{
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 2, 0,
		}, Capacity{Blocks: math.MaxUint64, BlockSize: 512}},
	}
	for _, tt := range tests {
		got, err := ParseReadCapacity16(tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	overflow := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}
	if c, err := ParseReadCapacity16(overflow); !errors.Is(err, ErrMalformed) {
		t.Errorf("last LBA 2^64-1: %+v, error %v, want ErrMalformed", c, err)
	}
	for n := range readCapacity16Min {
		if _, err := ParseReadCapacity16(capacity16[:n:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: error %v, want ErrMalformed", n, err)
		}
	}
}

func TestParseReadCapacity10(t *testing.T) {
	got, err := ParseReadCapacity10([]byte{0x00, 0x1f, 0xff, 0xff, 0, 0, 2, 0})
	if want := (Capacity{Blocks: 1 << 21, BlockSize: 512}); err != nil || got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
	got, err = ParseReadCapacity10([]byte{0xff, 0xff, 0xff, 0xfe, 0, 0, 2, 0})
	if want := (Capacity{Blocks: math.MaxUint32, BlockSize: 512}); err != nil || got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
	_, err = ParseReadCapacity10([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0})
	if !errors.Is(err, ErrCapacityTooLarge) {
		t.Errorf("last LBA 2^32-1: error %v, want ErrCapacityTooLarge", err)
	}
	for n := range ReadCapacity10Len {
		if _, err := ParseReadCapacity10(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: error %v, want ErrMalformed", n, err)
		}
	}
}

func TestCapacityBytes(t *testing.T) {
	tests := []struct {
		blocks    uint64
		blockSize uint32
		want      int64
		ok        bool
	}{
		{0, 512, 0, true},
		{1 << 32, 4096, 1 << 44, true},
		{1<<63 - 1, 1, math.MaxInt64, true},
		{1 << 63, 1, 0, false},
		{1 << 54, 512, 0, false},
		{math.MaxUint64, math.MaxUint32, 0, false},
	}
	for _, tt := range tests {
		got, ok := Capacity{Blocks: tt.blocks, BlockSize: tt.blockSize}.Bytes()
		if got != tt.want || ok != tt.ok {
			t.Errorf("%d blocks of %d: %d, %v, want %d, %v", tt.blocks, tt.blockSize, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzCapacity(f *testing.F) {
	f.Add(capacity16)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (Capacity, error){ParseReadCapacity10, ParseReadCapacity16} {
			c, err := parse(b)
			if err != nil {
				continue
			}
			if c.Blocks == 0 {
				t.Fatalf("% x: a last LBA, but no block", b)
			}
			if n, ok := c.Bytes(); ok && (n < 0 || c.BlockSize != 0 && uint64(n)/uint64(c.BlockSize) != c.Blocks) {
				t.Fatalf("%+v: %d bytes", c, n)
			}
		}
	})
}
