package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestEndOfDisk(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	v := open(t, disk, VolumeOptions{Mode: Writethrough})
	ctx := t.Context()
	const size = 8 * 512
	for _, c := range []struct {
		off  int64
		n    int
		done int
		err  error
	}{
		{size - 512, 512, 512, nil},
		{size - 100, 100, 100, nil},
		{size - 100, 101, 100, ErrEnd},
		{size, 1, 0, ErrEnd},
		{size + 4096, 1, 0, ErrEnd},
		{-1, 1, 0, ErrRange},
		{0, 0, 0, nil},
	} {
		if n, err := v.WriteAt(ctx, make([]byte, c.n), c.off); n != c.done || err != c.err {
			t.Errorf("write of %d at %d: %d, %v; want %d, %v", c.n, c.off, n, err, c.done, c.err)
		}
		want := map[error]error{ErrEnd: io.EOF}[c.err]
		if c.err == ErrRange {
			want = ErrRange
		}
		if n, err := v.ReadAt(ctx, make([]byte, c.n), c.off); n != c.done || err != want {
			t.Errorf("read of %d at %d: %d, %v; want %d, %v", c.n, c.off, n, err, c.done, want)
		}
		vec, err := v.Read(ctx, c.off, c.n, nil)
		if got := len(bytes.Join(vec, nil)); got != c.done || err != nil {
			t.Errorf("Read of %d at %d: %d, %v; want %d", c.n, c.off, got, err, c.done)
		}
		v.Release(vec)
	}
	if err := v.Zero(ctx, size-1, 2); err != ErrRange {
		t.Errorf("zeroing past the end: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	disk.readOnly = true
	v := open(t, disk, VolumeOptions{Mode: Writethrough})
	if _, err := v.WriteAt(t.Context(), make([]byte, 512), 0); err != ErrReadOnly {
		t.Errorf("write: %v", err)
	}
	for _, err := range []error{v.Zero(t.Context(), 0, 512), v.Punch(t.Context(), 0, 100)} {
		if err != ErrReadOnly {
			t.Errorf("erase: %v", err)
		}
	}
}

func TestErrorsPassThrough(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	disk.faults = 1
	v := open(t, disk, VolumeOptions{Mode: Writethrough})
	before := v.ModTime()
	if n, err := v.WriteAt(t.Context(), make([]byte, 512), 0); n != 0 || err != errFault {
		t.Errorf("write: %d, %v", n, err)
	}
	if _, err := v.ReadAt(t.Context(), make([]byte, 512), 0); err != errFault {
		t.Errorf("read: %v", err)
	}
	if vec, err := v.Read(t.Context(), 0, 512, nil); vec != nil || err != errFault {
		t.Errorf("Read: %v, %v", vec, err)
	}
	if v.Unsynced() || v.Failures() != 0 || !v.ModTime().Equal(before) {
		t.Error("a write that failed counts as written")
	}
}

// TestWaitingWriterGivesUp ends a writer that waits for another one's block.
func TestWaitingWriterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		release := make(chan struct{})
		disk.onWrite = func(context.Context, int64, int) error { <-release; return nil }
		v := open(t, disk, VolumeOptions{Mode: Writethrough})
		go v.WriteAt(t.Context(), make([]byte, 512), 0)
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { _, err := v.WriteAt(ctx, make([]byte, 1), 5); failed <- err }()
		third := make(chan error, 1)
		go func() { _, err := v.WriteAt(t.Context(), make([]byte, 512), 0); third <- err }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting writer got %v", err)
		}
		synctest.Wait()
		select {
		case <-third:
			t.Error("the third writer overtook the first")
		default:
		}
		close(release)
		if err := <-third; err != nil {
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	for _, mode := range []Mode{Writeback, Writethrough, None} {
		disk := newFakeDisk(t, 512, 8)
		v := open(t, disk, VolumeOptions{Mode: mode})
		mustWrite(t, v)
		if err := v.Close(t.Context()); err != nil || disk.syncs.Load() != 1 || disk.data[0] != 1 {
			t.Errorf("close: %v after %d syncs", err, disk.syncs.Load())
		}
		if _, err := v.WriteAt(t.Context(), make([]byte, 512), 0); err != ErrClosed {
			t.Errorf("write after close: %v", err)
		}
		if _, err := v.ReadAt(t.Context(), make([]byte, 512), 0); err != ErrClosed {
			t.Errorf("read after close: %v", err)
		}
	}
}

// TestReleaseAfterClose: what was read outlives the Volume.
func TestReleaseAfterClose(t *testing.T) {
	v := open(t, newFakeDisk(t, 512, 64), VolumeOptions{})
	mustWrite(t, v)
	vec, err := v.Read(t.Context(), 0, 8192, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if vec[0][0] != 1 {
		t.Error("Close changed what a reader holds")
	}
	v.Release(vec)
}

// TestCloseLosesWhatCannotBeWritten: Close ends, with the error.
func TestCloseLosesWhatCannotBeWritten(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	disk.faults = 1
	v := open(t, disk, VolumeOptions{})
	mustWrite(t, v)
	if err := v.Close(t.Context()); err != errFault {
		t.Errorf("close: %v", err)
	}
}

func TestStats(t *testing.T) {
	v := open(t, newFakeDisk(t, 512, 8), VolumeOptions{})
	mustWrite(t, v)
	if got := v.Stats(); got.DirtyBytes != frameSize || got.HeldBytes != 0 {
		t.Errorf("after the write: %+v", got)
	}
	for _, off := range []int64{7, 600} { // found; fetched, for the rest of the block
		if _, err := v.ReadAt(t.Context(), make([]byte, 100), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := Stats{Reads: 2, Writes: 1, Syncs: 1, ReadBytes: 200, WrittenBytes: 512, Hits: 1, Misses: 1}
	if got := v.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBlocksLargerThanFrames(t *testing.T) {
	if _, err := newCache(t, 0).Open(newFakeDisk(t, 8192, 8), VolumeOptions{}); err == nil {
		t.Error("a disk with blocks of 8 KiB was opened")
	}
}

// mustWrite writes a block of ones at 0.
func mustWrite(t testing.TB, v *Volume) {
	t.Helper()
	if _, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{1}, 512), 0); err != nil {
		t.Fatal(err)
	}
}

// TestWriterWithoutHope: who waits for room is told of it when none can come: what is
// dirty is held back, or fails again and again.
func TestWriterWithoutHope(t *testing.T) {
	for name, c := range map[string]struct {
		fault, want error
		late        bool
	}{
		"late":      {errFault, ErrLate, true},
		"no space":  {unix.ENOSPC, unix.ENOSPC, false},
		"any error": {errFault, errFault, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := newFakeDisk(t, 512, 8<<20/512)
				var fails atomic.Bool
				fails.Store(true)
				disk.onWrite = func(context.Context, int64, int) error {
					if fails.Load() {
						return c.fault
					}
					return nil
				}
				v := open(t, disk, VolumeOptions{DirtyLimit: 1 << 20, HoldLate: func(error) bool { return c.late }})
				write := func() error {
					_, err := v.WriteAt(t.Context(), make([]byte, 8<<20), 0)
					return err
				}
				start := time.Now()
				for range 2 {
					if err := write(); err != c.want {
						t.Errorf("%v, want %v", err, c.want)
					}
				}
				if took := time.Since(start); took > time.Minute {
					t.Errorf("it took %v", took)
				}
				if v.Stats().DirtyBytes == 0 {
					t.Error("what is dirty was not kept")
				}
				fails.Store(false)
				v.WriteLate()
				if err := write(); err != nil {
					t.Errorf("once the disk takes it: %v", err)
				}
			})
		})
	}
}

// TestWriterWithHope: a failure that is over, or that is of other blocks, does not end a
// write that waits for room.
func TestWriterWithHope(t *testing.T) {
	for name, spoil := range map[string]func(*fakeDisk, *atomic.Bool) (limit int64){
		"one bad block": func(disk *fakeDisk, _ *atomic.Bool) int64 {
			disk.onWrite = func(_ context.Context, off int64, _ int) error {
				if time.Sleep(time.Millisecond); off == 0 {
					return errFault
				}
				return nil
			}
			return 4 << 20 // beside the bad block a piece has to have room
		},
		"synchronization that failed": func(disk *fakeDisk, fails *atomic.Bool) int64 {
			disk.onSync = func(context.Context) error {
				if fails.Load() {
					return errFault
				}
				return nil
			}
			return 1 << 20
		},
		"erasures that failed": func(disk *fakeDisk, fails *atomic.Bool) int64 {
			disk.onErase = func(context.Context, int64, int64) error {
				if fails.Load() {
					return errFault
				}
				return nil
			}
			return 1 << 20
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := newFakeDisk(t, 512, 32<<20/512)
				var fails atomic.Bool
				v := open(t, disk, VolumeOptions{DirtyLimit: spoil(disk, &fails)})
				if err := v.Zero(t.Context(), 16<<20, 1<<20); err != nil {
					t.Fatal(err)
				}
				fails.Store(true)
				disk.epoch.Add(1)
				mustWrite(t, v)
				time.Sleep(30 * time.Second)
				if v.Failures() == 0 {
					t.Fatal("nothing failed")
				}
				fails.Store(false)
				time.Sleep(maxRetryDelay)
				for range 2 {
					if _, err := v.WriteAt(t.Context(), make([]byte, 12<<20), 1<<20); err != nil {
						t.Error(err)
					}
					time.Sleep(30 * time.Second)
				}
			})
		})
	}
}

// TestWriterAfterBurst: many commands that fail at the same time are one reason to wait
// for a moment, and none to fail who writes.
func TestWriterAfterBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 32<<20/512)
		start := time.Now()
		disk.onWrite = func(context.Context, int64, int) error {
			if time.Sleep(time.Millisecond); time.Since(start) < time.Second {
				return errFault
			}
			return nil
		}
		v := open(t, disk, VolumeOptions{DirtyLimit: 4 << 20})
		for at := int64(0); at < 32<<20; at += 16 << 10 { // each a command of its own
			if _, err := v.WriteAt(t.Context(), make([]byte, 512), at); err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
		if v.Failures() < 10 {
			t.Errorf("%d commands failed", v.Failures())
		}
	})
}

// TestWriterWithoutHopeBesideSyncs: that others ask again and again for what fails keeps
// nobody from being told.
func TestWriterWithoutHopeBesideSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const busy = 20 * time.Millisecond // also whenever the writer looks whether there is hope
		disk := newFakeDisk(t, 512, 8<<20/512)
		disk.onWrite = func(context.Context, int64, int) error { time.Sleep(busy); return errFault }
		v := open(t, disk, VolumeOptions{DirtyLimit: 1 << 20})
		mustWrite(t, v)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		go func() {
			for ctx.Err() == nil {
				_ = v.Sync(ctx)
			}
		}()
		time.Sleep(busy / 2)
		if _, err := v.WriteAt(ctx, make([]byte, 8<<20), 0); err != errFault {
			t.Errorf("%v, want what the disk says", err)
		}
	})
}
