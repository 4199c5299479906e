package cache

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
)

// TestWriteDuringDiscard: a write that comes while the target discards waits, and
// its data stays; one that came before is on the target or forgotten.
func TestWriteDuringDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 64)
		v := open(t, disk, VolumeOptions{})
		mustWrite(t, v)
		written := make(chan error, 1)
		err := v.Discard(t.Context(), 0, 8192, func(context.Context) error {
			go func() { _, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{7}, 512), 512); written <- err }()
			synctest.Wait()
			if len(written) > 0 {
				t.Error("the write did not wait")
			}
			return disk.zero(0, 8192)
		})
		if err != nil {
			t.Error(err)
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
		p := make([]byte, 1024)
		if _, err := v.ReadAt(t.Context(), p, 0); err != nil || p[0] != 0 || p[512] != 7 {
			t.Errorf("%v, read %d and %d", err, p[0], p[512])
		}
	})
}

// TestDiscardFails: then all stays as it was.
func TestDiscardFails(t *testing.T) {
	v := open(t, newFakeDisk(t, 512, 64), VolumeOptions{})
	mustWrite(t, v)
	if err := v.Discard(t.Context(), 0, 512, func(context.Context) error { return errFault }); err != errFault {
		t.Error(err)
	}
	if err := v.Discard(t.Context(), 1, 512, nil); err != ErrRange {
		t.Errorf("a part of a block: %v", err)
	}
	p := make([]byte, 512)
	if _, err := v.ReadAt(t.Context(), p, 0); err != nil || p[0] != 1 {
		t.Errorf("%v, read %d", err, p[0])
	}
}
