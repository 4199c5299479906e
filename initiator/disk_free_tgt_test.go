package initiator

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// TestTgtDeallocate: a real target frees what it is told to, in every way that it
// knows, the file behind the LUN gets holes, GET LBA STATUS knows them, and everything
// else is as it was. tgt writes WRITE SAME with NDOB from nowhere, and fails.
func TestTgtDeallocate(t *testing.T) {
	for name, c := range map[string]struct {
		blockSize int
		refused   way
	}{
		"512":                      {512, 0},
		"4096":                     {4096, 0},
		"WRITE SAME (10)":          {512, freeNDOB | free16 | zeroNDOB | zero16},
		"UNMAP and zeroes by (16)": {4096, withUnmap},
		"UNMAP and writes":         {512, withUnmap | zeroNDOB | zero16 | zero10},
	} {
		t.Run(name, func(t *testing.T) { tgtDeallocate(t, c.blockSize, c.refused) })
	}
}

func tgtDeallocate(t *testing.T, blockSize int, refused way) {
	lun := tgt.LUN{BlockSize: blockSize, Params: map[string]string{"thin_provisioning": "1"}}
	_, _, disk, path := tgtDiskOf(t, nil, lun, func(*Config) {})
	disk.ways.setRefused(refused)
	if !disk.Thin() {
		t.Error("it is not thin")
	}
	want := pattern(1, 8<<20)
	if _, err := disk.WriteAt(timeout(t), want, 0); err != nil {
		t.Fatal(err)
	}
	if n, hole, err := disk.Allocation(timeout(t), 0); n != 8<<20 || hole || err != nil {
		t.Errorf("Allocation of a full disk: %d, %v, %v", n, hole, err)
	}
	for _, r := range []struct{ off, n int64 }{{1 << 20, 2 << 20}, {4<<20 + 4096, 4096}, {6<<20 - 4096, 2<<20 + 4096}} {
		if err := disk.Deallocate(timeout(t), r.off, r.n); err != nil {
			t.Fatal(err)
		}
		clear(want[r.off : r.off+r.n])
		if n, hole, err := disk.Allocation(timeout(t), r.off); n != r.n || !hole || err != nil {
			t.Errorf("Allocation at %d: %d, %v, %v", r.off, n, hole, err)
		}
	}
	if err := disk.Zero(timeout(t), 0, 64<<10); err != nil {
		t.Fatal(err)
	}
	clear(want[:64<<10])
	got := make([]byte, len(want))
	if _, err := disk.ReadAt(timeout(t), got, 0); err != nil {
		t.Fatal(err)
	}
	same(t, "what is read back", got, want)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, want) {
		t.Error("the file is not what is read back")
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if allocated := st.Blocks * 512; allocated > 4<<20 {
		t.Errorf("%d bytes of the file are allocated, after 4 MiB and 8 KiB of 8 MiB were freed", allocated)
	}
}
