package cache

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// serve makes a disk carry out one write after the other, rate bytes a second.
func serve(disk *fakeDisk, rate int) {
	turn := make(chan struct{}, 1)
	disk.onWrite = func(_ context.Context, _ int64, n int) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
		return nil
	}
}

// TestPacing: writers that are faster than the disk are slowed to its rate,
// evenly.
func TestPacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 512<<20/512)
		serve(disk, 100<<20)
		v := openOn(t, newCache(t, 64<<20), disk, VolumeOptions{FlushInterval: 5 * time.Second})
		p := make([]byte, 64<<10)
		var waits []time.Duration
		start := time.Now()
		for at := int64(0); at < 256<<20; at += int64(len(p)) {
			before := time.Now()
			if _, err := v.WriteAt(t.Context(), p, at); err != nil {
				t.Fatal(err)
			}
			if at > 128<<20 {
				waits = append(waits, time.Since(before))
			}
		}
		rate := 256 / time.Since(start).Seconds()
		var total, long time.Duration
		for _, w := range waits {
			total += w
			if w > 5*time.Millisecond {
				long += w
			}
		}
		if worst := slices.Max(waits); worst > 200*time.Millisecond || long > total/10 {
			t.Errorf("of the %v that writers waited, %v were long waits, the longest %v", total, long, worst)
		}
		if rate < 90 {
			t.Errorf("%.0f MiB/s through a disk of 100 MiB/s", rate)
		}
	})
}

// TestBacklog: of a slow disk no more is dirty than it can write in
// FlushInterval, 8 MiB at least.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 512<<20/512)
		serve(disk, 4<<20)
		v := openOn(t, newCache(t, 256<<20), disk, VolumeOptions{FlushInterval: 3 * time.Second})
		p := make([]byte, 64<<10)
		most := int64(0)
		for at := int64(0); at < 64<<20; at += int64(len(p)) {
			if _, err := v.WriteAt(t.Context(), p, at); err != nil {
				t.Fatal(err)
			}
			if s := v.Stats(); at > 40<<20 {
				most = max(most, s.DirtyBytes+s.HeldBytes)
			}
		}
		if most > 14<<20 {
			t.Errorf("%d MiB were held", most>>20)
		}
	})
}

// TestHungDisk: with one of two disks hung under writers and readers, the other
// goes on as if it were alone.
func TestHungDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		hang := func(ctx context.Context, _ int64, _ int) error { <-ctx.Done(); return ctx.Err() }
		hung, good := newFakeDisk(t, 512, 256<<20/512), newFakeDisk(t, 512, 256<<20/512)
		hung.onRead, hung.onWrite = hang, hang
		answerAfter(good, time.Millisecond)
		c := newCache(t, 64<<20)
		v, w := openOn(t, c, hung, VolumeOptions{}), openOn(t, c, good, VolumeOptions{})
		var wg sync.WaitGroup
		for i := range int64(64) {
			wg.Go(func() {
				for at := i << 20; ctx.Err() == nil; at = (at + 64<<20) % v.Size() {
					_, _ = v.WriteAt(ctx, make([]byte, 256<<10), at)
				}
			})
		}
		for i := range int64(512) {
			wg.Go(func() { _, _ = v.ReadAt(ctx, make([]byte, 256<<10), v.Size()/2+i<<18) })
		}
		time.Sleep(10 * time.Second)
		if s := v.Stats(); s.DirtyBytes > c.Size()/8 {
			t.Errorf("the hung disk holds %d MiB of %d", s.DirtyBytes>>20, c.Size()>>20)
		}
		start := time.Now()
		for at := int64(0); at < 8<<20; at += 4096 {
			if _, err := w.WriteAt(ctx, make([]byte, 4096), at); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took > 10*time.Millisecond {
			t.Errorf("writing 8 MiB took %v", took)
		}
		start = time.Now()
		for at := int64(0); at < 1<<20; at += 4096 {
			if _, err := w.ReadAt(ctx, make([]byte, 4096), 64<<20+at*8); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 256*time.Millisecond {
			t.Errorf("256 reads of a disk that answers in 1 ms took %v", took)
		}
		if err := w.Sync(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		wg.Wait()
		hung.onRead, hung.onWrite = nil, nil
		v.stop() // ends the write-backs that hang
		v.workers.Wait()
	})
}

// TestSmallDirtyLimit: however little may be dirty, writers go on.
func TestSmallDirtyLimit(t *testing.T) {
	for _, limit := range []int64{1, 4096, 64 << 10} {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 8<<20/512)
			answerAfter(disk, time.Millisecond)
			v := open(t, disk, VolumeOptions{DirtyLimit: limit})
			var writers sync.WaitGroup
			for i := range int64(4) {
				writers.Go(func() {
					for at := range int64(2) {
						if _, err := v.WriteAt(t.Context(), make([]byte, 100<<10), at<<20+i<<18); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
		})
	}
}
