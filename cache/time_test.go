package cache

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// answerAfter makes a disk answer each command after d.
func answerAfter(disk *fakeDisk, d time.Duration) {
	wait := func(context.Context, int64, int) error { time.Sleep(d); return nil }
	disk.onRead, disk.onWrite = wait, wait
}

// TestAge: the write-back of a byte starts within FlushInterval, and the
// synchronization follows.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: 10 * time.Second})
		start := time.Now()
		var after atomic.Int64
		disk.onWrite = func(context.Context, int64, int) error { after.Store(int64(time.Since(start))); return nil }
		mustWrite(t, v)
		time.Sleep(5 * time.Second)
		mustWrite(t, v) // does not make it younger
		if disk.writes.Load() > 0 {
			t.Errorf("written back after %v", time.Duration(after.Load()))
		}
		time.Sleep(5 * time.Second)
		if began := time.Duration(after.Load()); began == 0 || began > 10*time.Second {
			t.Errorf("write-back began after %v", began)
		}
		time.Sleep(10 * time.Second)
		if disk.syncs.Load() != 1 || v.Unsynced() {
			t.Errorf("%d synchronizations after 20 s", disk.syncs.Load())
		}
	})
}

// TestGather: while there is much room, data is left a second to gather before it is
// written back for its amount alone; half of what may be dirty is too much to wait.
func TestGather(t *testing.T) {
	for _, c := range []struct {
		written int64 // MiB, of 16 that may be dirty
		waits   bool
	}{{1, true}, {4, true}, {10, false}} {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 64<<20/512)
			answerAfter(disk, 2*time.Millisecond)
			v := openOn(t, newCache(t, 64<<20), disk, VolumeOptions{DirtyLimit: 16 << 20, FlushInterval: time.Minute})
			fill := func(n int64) {
				if _, err := v.WriteAt(t.Context(), make([]byte, n<<20), 0); err != nil {
					t.Fatal(err)
				}
			}
			fill(8)
			if err := v.Sync(t.Context()); err != nil || v.Unsynced() {
				t.Fatal(err)
			}
			before := disk.writes.Load()
			fill(c.written)
			time.Sleep(900 * time.Millisecond)
			if waited := disk.writes.Load() == before; waited != c.waits {
				t.Errorf("%d MiB: waited %v, want %v", c.written, waited, c.waits)
			}
			time.Sleep(200 * time.Millisecond)
			if began, want := disk.writes.Load() > before, c.written > 1; began != want {
				t.Errorf("%d MiB: write-back has begun after 1.1 s: %v, want %v", c.written, began, want)
			}
		})
	}
}

// TestFailedWriteBackIsTriedAgain, without anybody asking for it.
func TestFailedWriteBackIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		var well atomic.Bool
		disk.onWrite = func(context.Context, int64, int) error {
			if well.Load() {
				return nil
			}
			return errFault
		}
		v := open(t, disk, VolumeOptions{FlushInterval: time.Second})
		mustWrite(t, v)
		time.Sleep(time.Minute)
		if n := disk.writes.Load(); n < 10 || n > 40 {
			t.Errorf("tried %d times in a minute", n)
		}
		well.Store(true)
		time.Sleep(10 * time.Second)
		if disk.snapshot()[0] != 1 || v.Failures() == 0 || v.Unsynced() {
			t.Errorf("%d failures, unsynced %v", v.Failures(), v.Unsynced())
		}
	})
}

// TestMaxAge: clean data is fetched again when it is too old.
func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		v := open(t, disk, VolumeOptions{MaxAge: time.Minute})
		p := make([]byte, 512)
		for i, want := range []int64{1, 1, 2} {
			if _, err := v.ReadAt(t.Context(), p, 0); err != nil || disk.reads.Load() != want {
				t.Errorf("read %d: %v, %d commands", i, err, disk.reads.Load())
			}
			time.Sleep(31 * time.Second)
		}
		disk.data[0] = 7
		time.Sleep(time.Minute)
		if _, err := v.ReadAt(t.Context(), p, 0); err != nil || p[0] != 7 {
			t.Errorf("%v, read %d", err, p[0])
		}
	})
}

// TestMaxAgeOfMany: what is too old is fetched again with one command, read ahead or not.
func TestMaxAgeOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ahead := range []int{0, 1 << 20} {
			disk := newFakeDisk(t, 512, 1<<11)
			v := open(t, disk, VolumeOptions{MaxAge: time.Minute, ReadAhead: ahead})
			all := make([]byte, 1<<18)
			for i := range 2 {
				if _, err := v.ReadAt(t.Context(), all, 1<<19); err != nil {
					t.Fatal(err)
				}
				if n := disk.reads.Load(); n > int64(i+1) {
					t.Errorf("%d commands", n)
				}
				time.Sleep(2 * time.Minute)
			}
		}
	})
}

// TestSingleFlight: readers of the same block share one command.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		answerAfter(disk, time.Second)
		v := open(t, disk, VolumeOptions{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := v.ReadAt(t.Context(), make([]byte, 512), int64(i*512)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := disk.reads.Load(); n != 1 {
			t.Errorf("%d commands", n)
		}
	})
}

// TestFetcherGivesUp: who waits for another's fetch is not ended with it.
func TestFetcherGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<10)
		disk.onRead = func(ctx context.Context, _ int64, _ int) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return nil
			}
		}
		v := open(t, disk, VolumeOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		read := func(ctx context.Context, result chan error) {
			_, err := v.ReadAt(ctx, make([]byte, 512), 0)
			result <- err
		}
		go read(ctx, first)
		synctest.Wait()
		go read(t.Context(), second)
		synctest.Wait()
		cancel()
		if err := <-first; err != context.Canceled {
			t.Errorf("who gave up: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("who did not: %v", err)
		}
	})
}

// TestLateFetch: what was fetched takes the place of nothing that was written,
// or erased, since the fetch began.
func TestLateFetch(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, v *Volume, disk *fakeDisk) error{
		"write": func(ctx context.Context, v *Volume, _ *fakeDisk) error {
			_, err := v.WriteAt(ctx, make([]byte, 512), 0)
			return err
		},
		"write, sync": func(ctx context.Context, v *Volume, _ *fakeDisk) error {
			if _, err := v.WriteAt(ctx, make([]byte, 512), 0); err != nil {
				return err
			}
			return v.Sync(ctx)
		},
		"zero":  func(ctx context.Context, v *Volume, _ *fakeDisk) error { return v.Zero(ctx, 0, 512) },
		"punch": func(ctx context.Context, v *Volume, _ *fakeDisk) error { return v.Punch(ctx, 0, 4096) },
		"write beside it, punch": func(ctx context.Context, v *Volume, _ *fakeDisk) error {
			if _, err := v.WriteAt(ctx, make([]byte, 512), 1024); err != nil {
				return err
			}
			return v.Punch(ctx, 0, 512)
		},
		"write beside it, punch, sync": func(ctx context.Context, v *Volume, _ *fakeDisk) error {
			if _, err := v.WriteAt(ctx, make([]byte, 512), 1024); err != nil {
				return err
			}
			if err := v.Punch(ctx, 0, 512); err != nil {
				return err
			}
			return v.Sync(ctx)
		},
		"punch, sync, write beside it": func(ctx context.Context, v *Volume, _ *fakeDisk) error {
			if err := v.Punch(ctx, 0, 512); err != nil {
				return err
			}
			if err := v.Sync(ctx); err != nil {
				return err
			}
			_, err := v.WriteAt(ctx, make([]byte, 512), 1024)
			return err
		},
		"punch, lost, repaid, sync": func(ctx context.Context, v *Volume, disk *fakeDisk) error {
			if err := v.Punch(ctx, 0, 512); err != nil {
				return err
			}
			disk.epoch.Add(1)
			return v.Sync(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := newFakeDisk(t, 512, 1<<10)
				disk.data[0] = 9
				v := open(t, disk, VolumeOptions{})
				late := &lateReads{fakeDisk: disk, release: make(chan struct{})}
				v.dev = late
				done := make(chan error)
				p := make([]byte, 4096)
				go func() { _, err := v.ReadAt(t.Context(), p, 0); done <- err }()
				synctest.Wait()
				if err := change(t.Context(), v, disk); err != nil {
					t.Fatal(err)
				}
				close(late.release)
				if err := <-done; err != nil || p[0] != 0 {
					t.Errorf("%v, read %d", err, p[0])
				}
				if _, err := v.ReadAt(t.Context(), p, 0); err != nil || p[0] != 0 {
					t.Errorf("%v, then read %d", err, p[0])
				}
			})
		})
	}
}

// lateReads answers with what was on the disk when the read began.
type lateReads struct {
	*fakeDisk
	release chan struct{}
}

func (d *lateReads) ReadvAt(ctx context.Context, bufs [][]byte, off int64) error {
	if err := d.fakeDisk.ReadvAt(ctx, bufs, off); err != nil {
		return err
	}
	<-d.release
	return nil
}

// TestReadAheadCoversLatency: behind a path that takes 10 ms, a reader at depth
// 1 is at least twenty times as fast as without reading ahead.
func TestReadAheadCoversLatency(t *testing.T) {
	read := func(ahead int) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			const size, piece = 64 << 20, 128 << 10
			disk := newFakeDisk(t, 512, size/512)
			answerAfter(disk, 10*time.Millisecond)
			v := openOn(t, newCache(t, 256<<20), disk, VolumeOptions{ReadAhead: ahead})
			start := time.Now()
			for at := int64(0); at < size; at += piece {
				if _, err := v.ReadAt(t.Context(), make([]byte, piece), at); err != nil {
					t.Fatal(err)
				}
			}
			took = time.Since(start)
		})
		return took
	}
	without, with := read(0), read(8<<20)
	if with*20 > without {
		t.Errorf("%v with, %v without", with, without)
	}
}

// TestReadAheadOfSeveral: the streams of several readers are told apart, and a
// reader that takes its time has little read ahead.
func TestReadAheadOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 64<<20/512)
		answerAfter(disk, 10*time.Millisecond)
		v := openOn(t, newCache(t, 64<<20), disk, VolumeOptions{ReadAhead: 4 << 20})
		const each = 2 << 20
		for at := int64(0); at < each; at += 64 << 10 {
			for stream := range int64(8) {
				if _, err := v.ReadAt(t.Context(), make([]byte, 64<<10), stream*(8<<20)+at); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		s := v.Stats()
		if s.Misses*4 > s.Hits {
			t.Errorf("%d hits, %d misses", s.Hits, s.Misses)
		}
		if n := disk.reads.Load(); n > 8*each/(64<<10)*3/2 {
			t.Errorf("%d commands", n)
		}
		v.cache.mu.Lock()
		defer v.cache.mu.Unlock()
		for i := range v.streams.active {
			if w := v.streams.active[i].window; w > 512<<10 {
				t.Errorf("window of %d bytes for a slow reader", w)
			}
		}
	})
}

// TestAgeBesideSlowWriteBack: a write-back that takes its time keeps nothing else from
// going out in time.
func TestAgeBesideSlowWriteBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow, interval = time.Minute, 5 * time.Second
		disk := newFakeDisk(t, 512, 8<<20/512)
		v := open(t, disk, VolumeOptions{FlushInterval: interval})
		start := time.Now()
		var began atomic.Int64
		disk.onWrite = func(_ context.Context, off int64, _ int) error {
			if off == 0 {
				time.Sleep(slow)
			} else {
				began.CompareAndSwap(0, int64(time.Since(start)))
			}
			return nil
		}
		mustWrite(t, v)
		time.Sleep(interval)
		if disk.writes.Load() != 1 {
			t.Fatalf("%d write-backs", disk.writes.Load())
		}
		written := time.Since(start)
		if _, err := v.WriteAt(t.Context(), make([]byte, 512), 4<<20); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * slow)
		if after := time.Duration(began.Load()) - written; after < 0 || after > interval {
			t.Errorf("write-back began %v after the write", after)
		}
	})
}

// TestNoBusyWait: while nothing can be done, nothing is looked for.
func TestNoBusyWait(t *testing.T) {
	for name, stick := range map[string]func(t *testing.T, v *Volume, disk *fakeDisk){
		"held back": func(_ *testing.T, v *Volume, _ *fakeDisk) { v.HoldLate() },
		"synchronizing": func(_ *testing.T, v *Volume, _ *fakeDisk) {
			go func() { _ = v.Sync(context.Background()) }()
		},
		"synchronizing in the background": func(*testing.T, *Volume, *fakeDisk) {},
		"erasing again": func(t *testing.T, v *Volume, disk *fakeDisk) {
			if err := v.Zero(t.Context(), 0, 512); err != nil {
				t.Fatal(err)
			}
			disk.epoch.Add(1)
			disk.onErase = func(context.Context, int64, int64) error { time.Sleep(time.Hour); return nil }
			go func() { _ = v.Sync(context.Background()) }()
		},
		"writing": func(t *testing.T, v *Volume, disk *fakeDisk) {
			disk.onWrite = func(context.Context, int64, int) error { time.Sleep(time.Hour); return nil }
			mustWrite(t, v)
			go func() { _ = v.Sync(context.Background()) }()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &askedSize{fakeDisk: newFakeDisk(t, 512, 8<<20/512)}
				disk.onSync = func(context.Context) error { time.Sleep(time.Hour); return nil }
				v := open(t, disk, VolumeOptions{})
				if _, err := v.WriteAt(t.Context(), make([]byte, 512), 4<<20); err != nil {
					t.Fatal(err)
				}
				time.Sleep(4 * time.Second) // it is on the target, and not synchronized
				if s := v.Stats(); s.HeldBytes == 0 {
					t.Fatal("nothing waits to be synchronized")
				}
				stick(t, v, disk.fakeDisk)
				time.Sleep(6 * time.Second)
				before := disk.asked.Load()
				time.Sleep(10 * time.Second)
				if n := disk.asked.Load() - before; n > 100 {
					t.Errorf("work was looked for %d times in 10 seconds", n)
				}
				v.WriteLate()
				time.Sleep(3 * time.Hour)
			})
		})
	}
}

// TestNoBusyWaitAfterGivenUp: what goes through, and was given up, is left alone until it
// is old.
func TestNoBusyWaitAfterGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &askedSize{fakeDisk: newFakeDisk(t, 512, 8<<20/512)}
		disk.onWrite = func(ctx context.Context, _ int64, _ int) error { return ctx.Err() }
		v := open(t, disk, VolumeOptions{Mode: Writethrough, DirtyLimit: 1})
		killed, kill := context.WithCancel(t.Context())
		kill()
		if _, err := v.WriteAt(killed, make([]byte, 512), 0); err == nil || v.Stats().DirtyBytes == 0 {
			t.Fatalf("%v, and nothing is dirty", err)
		}
		time.Sleep(3 * time.Second)
		if n := disk.asked.Load(); n > 50 {
			t.Errorf("it was looked for what is to be done %d times", n)
		}
		time.Sleep(2 * time.Second)
		if v.Stats().DirtyBytes != 0 {
			t.Error("it was not written when it was old")
		}
	})
}

// askedSize counts how often a Volume looks at its disk's size, as it does whenever it
// looks for work.
type askedSize struct {
	*fakeDisk
	asked atomic.Int64
}

func (d *askedSize) Size() int64 { d.asked.Add(1); return d.fakeDisk.Size() }

// TestMaxAgeBesideWrites: that a part of a block is written does not make the rest of it
// younger, nor does it come to the disk again.
func TestMaxAgeBesideWrites(t *testing.T) {
	for _, blockSize := range []int{512, 4096} {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, blockSize, 8<<20/blockSize)
			v := open(t, disk, VolumeOptions{MaxAge: time.Minute})
			p := make([]byte, frameSize)
			read := func() {
				t.Helper()
				if _, err := v.ReadAt(t.Context(), p, 0); err != nil {
					t.Fatal(err)
				}
			}
			write := func(b byte) {
				t.Helper()
				if _, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{b}, 512), 0); err != nil {
					t.Fatal(err)
				}
			}
			another := func(at int, b byte) { // host
				disk.mu.Lock()
				defer disk.mu.Unlock()
				disk.data[at] = b
			}
			read()
			time.Sleep(2 * time.Minute)
			another(1024, 7)
			write(1)
			if read(); p[1024] != 7 {
				t.Errorf("block %d: what was too old is there again after a write beside it", blockSize)
			}
			if err := v.Sync(t.Context()); err != nil || disk.snapshot()[1024] != 7 {
				t.Errorf("block %d: %v; another host's data is overwritten by what was too old", blockSize, err)
			}
			time.Sleep(30 * time.Second)
			write(2)
			time.Sleep(20 * time.Second) // written and synchronized
			another(1024, 8)
			time.Sleep(11 * time.Second)
			if read(); blockSize == 512 && p[1024] != 8 {
				t.Errorf("block %d: what is too old is younger for a write beside it", blockSize)
			}
			write(3)
			another(2048, 9)
			for range 30 { // dirty all the time
				time.Sleep(3 * time.Second)
				write(4)
			}
			if read(); blockSize == 512 && p[2048] != 9 {
				t.Errorf("block %d: what is too old stays for writes beside it", blockSize)
			}
		})
	}
}

// TestAgeOfRewritten: what is written to a block while a write-back of it takes its time
// is old when that ends, though younger data waits before it.
func TestAgeOfRewritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 5 * time.Second
		disk := newFakeDisk(t, 512, 8<<20/512)
		start := time.Now()
		began := make(chan time.Duration, 100)
		disk.onWrite = func(_ context.Context, off int64, _ int) error {
			if off == 0 {
				began <- time.Since(start)
				time.Sleep(interval)
			}
			return nil
		}
		v := open(t, disk, VolumeOptions{FlushInterval: interval})
		mustWrite(t, v)
		time.Sleep(interval)
		mustWrite(t, v)
		rewritten := time.Since(start)
		for range 30 { // some other data is always young
			time.Sleep(100 * time.Millisecond)
			if _, err := v.WriteAt(t.Context(), make([]byte, 512), 4<<20); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if n := len(began); n != 2 {
			t.Fatalf("%d write-backs", n)
		}
		<-began
		if again := <-began; again-rewritten > interval {
			t.Errorf("written after %v, the write-back began after %v", rewritten, again)
		}
	})
}
