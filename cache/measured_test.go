package cache

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestLatencies: each access to the device is counted once, by what it took; one that
// memory answers is not.
func TestLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 2048)
		v := open(t, disk, VolumeOptions{})
		disk.onRead = func(context.Context, int64, int) error { time.Sleep(3 * time.Millisecond); return nil }
		disk.onWrite = func(context.Context, int64, int) error { time.Sleep(7 * time.Second); return nil }
		disk.onSync = func(context.Context) error { time.Sleep(5 * time.Minute); return errFault }
		p := make([]byte, 64<<10)
		for range 2 { // the second time from memory
			if _, err := v.ReadAt(t.Context(), p, 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := v.WriteAt(t.Context(), p, 0); err != nil {
			t.Fatal(err)
		}
		if err := v.Sync(t.Context()); err != errFault {
			t.Errorf("Sync: %v", err)
		}
		disk.onSync = nil
		l := v.Latencies()
		wantOne(t, "reads", l.Reads, int64(5*time.Millisecond), int64(3*time.Millisecond))
		wantOne(t, "writes", l.Writes, int64(30*time.Second), int64(7*time.Second))
		wantOne(t, "flushes", l.Flushes, 0, int64(5*time.Minute))
		wantOne(t, "sizes", l.WriteSizes, 64<<10, 64<<10)
	})
}

// wantOne checks that one value was counted, up to bound; 0 = above all.
func wantOne(t *testing.T, name string, h Histogram, bound, sum int64) {
	t.Helper()
	i := slices.Index(h.Bounds, bound)
	if i < 0 {
		i = len(h.Bounds)
	}
	want := make([]uint64, len(h.Bounds)+1)
	want[i] = 1
	if !slices.Equal(h.Counts, want) || h.Sum != sum {
		t.Errorf("%s: %v up to %v, sum %d; want one up to %d, sum %d", name, h.Counts, h.Bounds, h.Sum, bound, sum)
	}
}

func TestCacheUsed(t *testing.T) {
	v := open(t, newFakeDisk(t, 512, 2048), VolumeOptions{})
	if n := v.cache.Used(); n != 0 {
		t.Errorf("%d bytes are used of a new cache", n)
	}
	if _, err := v.ReadAt(t.Context(), make([]byte, 64<<10), 0); err != nil {
		t.Fatal(err)
	}
	if n := v.cache.Used(); n != 64<<10 {
		t.Errorf("%d bytes are used after a read of 64 KiB", n)
	}
}
