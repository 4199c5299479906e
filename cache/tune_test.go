package cache

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestTune: a shorter interval holds for what is dirty already.
func TestTune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		mustWrite(t, v)
		time.Sleep(time.Minute)
		if disk.writes.Load() > 0 {
			t.Fatal("written back within the hour")
		}
		v.Tune(VolumeOptions{FlushInterval: 2 * time.Minute})
		time.Sleep(time.Minute)
		if disk.writes.Load() != 1 {
			t.Errorf("%d writes after the new interval, want 1", disk.writes.Load())
		}
	})
}

// TestTuneLimit: writers wait above the new limit.
func TestTuneLimit(t *testing.T) {
	v := openOn(t, newCache(t, 4<<20), newFakeDisk(t, 512, 1<<20/512), VolumeOptions{DirtyLimit: 1 << 20})
	v.Tune(VolumeOptions{DirtyLimit: 64 << 10})
	if got := v.limit; got != 64<<10>>frameBits {
		t.Errorf("%d frames may be dirty", got)
	}
}

// TestHoldLate: what is held back stays in memory until it is let go.
func TestHoldLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Second})
		mustWrite(t, v)
		v.HoldLate()
		time.Sleep(time.Minute)
		if err := v.Sync(t.Context()); !errors.Is(err, ErrLate) || disk.writes.Load() > 0 || !v.Late() {
			t.Errorf("%d writes, %v", disk.writes.Load(), err)
		}
		v.WriteLate()
		if err := v.Sync(t.Context()); err != nil || disk.writes.Load() != 1 {
			t.Errorf("%d writes, %v", disk.writes.Load(), err)
		}
	})
}
