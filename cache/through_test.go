package cache

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestThroughBesideWhoGivesUp: that a Sync is given up, which carries a part of what
// another writes through, does not concern him.
func TestThroughBesideWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8<<20/512)
		step := make(chan struct{})
		disk.onWrite = func(ctx context.Context, _ int64, _ int) error {
			select {
			case <-step:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		v := open(t, disk, VolumeOptions{Mode: Writethrough})
		first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() { _, err := v.WriteAt(t.Context(), make([]byte, frameSize), frameSize); first <- err }()
		synctest.Wait()
		data := bytes.Repeat([]byte{7}, 3*frameSize) // around the block that is under way
		go func() { _, err := v.WriteAt(t.Context(), data, 0); second <- err }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { third <- v.Sync(ctx) }()
		synctest.Wait()
		if n := disk.writes.Load(); n != 3 {
			t.Fatalf("%d commands: the Sync carries nothing of the write", n)
		}
		cancel()
		if err := <-third; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		close(step)
		if err := errors.Join(<-first, <-second); err != nil {
			t.Errorf("who did not: %v", err)
		}
		if !bytes.Equal(disk.snapshot()[:len(data)], data) {
			t.Error("not all of it is on the disk")
		}
	})
}

// TestThroughHeldBack: what goes through is not sent while all is held back.
func TestThroughHeldBack(t *testing.T) {
	for _, mode := range []Mode{Writethrough, None} {
		disk := newFakeDisk(t, 512, 8)
		v := open(t, disk, VolumeOptions{Mode: mode})
		mustWrite(t, v)
		v.HoldLate()
		if _, err := v.WriteAt(t.Context(), make([]byte, 512), 0); err != ErrLate || disk.writes.Load() != 1 {
			t.Errorf("%v, %d writes", err, disk.writes.Load())
		}
		v.WriteLate()
		mustWrite(t, v)
	}
}

// TestThroughHeldBackMeanwhile: what waits for another's write-back of the block is not
// sent after it, when all has come to be held back.
func TestThroughHeldBackMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		step := make(chan struct{})
		disk.onWrite = func(context.Context, int64, int) error { <-step; return nil }
		v := open(t, disk, VolumeOptions{Mode: Writethrough})
		first, second := make(chan error, 1), make(chan error, 1)
		for _, result := range []chan error{first, second} {
			go func() { _, err := v.WriteAt(t.Context(), make([]byte, 512), 0); result <- err }()
			synctest.Wait()
		}
		v.HoldLate()
		close(step)
		if err := <-first; err != nil {
			t.Errorf("what was sent before: %v", err)
		}
		if err := <-second; err != ErrLate || disk.writes.Load() != 1 {
			t.Errorf("%v, %d writes", err, disk.writes.Load())
		}
		v.WriteLate()
	})
}
