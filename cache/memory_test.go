package cache

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestShortMemoryOfManyDisks: readers of many disks do not wait for each other's frames
// for ever.
func TestShortMemoryOfManyDisks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, minSize)
		const piece = 64
		var readers sync.WaitGroup
		for range minSize / frameSize / piece * 3 {
			disk := newFakeDisk(t, 512, 1<<20/512)
			answerAfter(disk, time.Millisecond)
			v := openOn(t, c, disk, VolumeOptions{})
			readers.Go(func() {
				for range 2 {
					if _, err := v.ReadAt(t.Context(), make([]byte, 1), piece/2*frameSize); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
					// What is in memory already divides it.
					if _, err := v.ReadAt(t.Context(), make([]byte, piece*frameSize), 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		readers.Wait()
	})
}

// readAllFree has a reader use all memory that is free, until Release.
func readAllFree(t *testing.T, v *Volume) [][]byte {
	t.Helper()
	v.cache.mu.Lock()
	free := v.cache.chunks.n
	v.cache.mu.Unlock()
	vec, err := v.Read(t.Context(), 0, free*frameSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	return vec
}

// TestEraseWithoutMemory: a part of a block is erased while all memory is in use, and
// what is left of the block becomes clean meanwhile.
func TestEraseWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, minSize)
		disk, other := newFakeDisk(t, 512, 8<<20/512), newFakeDisk(t, 512, 8<<20/512)
		copy(disk.data[512:], bytes.Repeat([]byte{9}, frameSize))
		v, w := openOn(t, c, disk, VolumeOptions{}), openOn(t, c, other, VolumeOptions{})
		if _, err := v.ReadAt(t.Context(), make([]byte, frameSize), 0); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, v)
		time.Sleep(4 * time.Second)
		if v.Stats().HeldBytes == 0 {
			t.Fatal("it is not written")
		}
		vec := readAllFree(t, w)
		done := make(chan error, 1)
		go func() { done <- v.Zero(t.Context(), 512, 512) }()
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("it has not waited for memory")
		}
		time.Sleep(10 * time.Second)
		c.verify(t)
		w.Release(vec)
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.verify(t)
		p := make([]byte, 3*512)
		if _, err := v.ReadAt(t.Context(), p, 0); err != nil || p[0] != 1 || p[512] != 0 || p[1024] != 9 {
			t.Errorf("%v; read %d, %d and %d", err, p[0], p[512], p[1024])
		}
	})
}

// TestSynchronizedMakesRoom: what a SYNCHRONIZE CACHE makes clean is memory for who waits
// for some.
func TestSynchronizedMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, minSize)
		disk, other := newFakeDisk(t, 512, 8<<20/512), newFakeDisk(t, 512, 8<<20/512)
		v, w := openOn(t, c, disk, VolumeOptions{}), openOn(t, c, other, VolumeOptions{})
		if _, err := v.WriteAt(t.Context(), make([]byte, 256<<10), 0); err != nil {
			t.Fatal(err)
		}
		vec := readAllFree(t, w)
		defer w.Release(vec)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := v.ReadAt(ctx, make([]byte, 4096), 4<<20); err != nil {
			t.Errorf("with all of the disk's data synchronized: %v", err)
		}
	})
}
