package cache

import (
	"bytes"
	"testing"
	"testing/synctest"
)

// TestDistrust: what another host may have written over is fetched again; what is
// dirty, and only that of a block, is kept.
func TestDistrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 64)
		v := open(t, disk, VolumeOptions{})
		read := func(off int64) byte {
			t.Helper()
			var p [1]byte
			if _, err := v.ReadAt(t.Context(), p[:], off); err != nil {
				t.Fatal(err)
			}
			return p[0]
		}
		write := func(b byte, off int64) {
			t.Helper()
			if _, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{b}, 512), off); err != nil {
				t.Fatal(err)
			}
		}
		read(0)
		read(frameSize)
		write(1, frameSize) // a block that is dirty in part
		write(2, 2*frameSize)
		if err := v.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		read(3 * frameSize)
		write(3, 3*frameSize)
		for i := range disk.data { // the other host
			disk.data[i] = 9
		}
		if read(0) == 9 || read(3*frameSize+512) == 9 {
			t.Error("nothing was in memory: the test tests nothing")
		}
		if err := v.Distrust(t.Context()); err != nil {
			t.Fatal(err)
		}
		for off, want := range map[int64]byte{0: 9, frameSize: 9, frameSize + 512: 9, 2 * frameSize: 9, 3 * frameSize: 3, 3*frameSize + 512: 9} {
			if got := read(off); got != want {
				t.Errorf("at %d: %d, want %d", off, got, want)
			}
		}
		if err := v.Sync(t.Context()); err != nil || disk.data[3*frameSize] != 3 || disk.data[3*frameSize+512] != 9 {
			t.Errorf("%v; the disk has %d and %d", err, disk.data[3*frameSize], disk.data[3*frameSize+512])
		}
	})
}

// TestDistrustOfLateFetch: what is on its way when the disk is distrusted is from before,
// also where a part of the block is dirty.
func TestDistrustOfLateFetch(t *testing.T) {
	for _, write := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 64)
			v := open(t, disk, VolumeOptions{})
			late := &lateReads{fakeDisk: disk, release: make(chan struct{})}
			v.dev = late
			done := make(chan error)
			p := make([]byte, 1)
			go func() { _, err := v.ReadAt(t.Context(), p, 0); done <- err }()
			synctest.Wait()
			if write {
				if _, err := v.WriteAt(t.Context(), make([]byte, 512), 1024); err != nil {
					t.Fatal(err)
				}
			}
			disk.data[0] = 9 // the other host
			if err := v.Distrust(t.Context()); err != nil {
				t.Fatal(err)
			}
			close(late.release)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if _, err := v.ReadAt(t.Context(), p, 0); err != nil || p[0] != 9 {
				t.Errorf("%v, read %d, want what the other host wrote", err, p[0])
			}
		})
	}
}
