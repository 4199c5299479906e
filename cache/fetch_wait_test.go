package cache

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadDiskFailsTogether: readers of a disk that answers nothing but errors do not try
// one after the other.
func TestDeadDiskFailsTogether(t *testing.T) {
	const readers = 12 // their memory is within the bound
	for range 5 {      // the order in which they are woken differs
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, readers*frameSize/512)
			disk.onRead = func(context.Context, int64, int) error { time.Sleep(time.Minute); return errFault }
			v := open(t, disk, VolumeOptions{})
			errs, start := make(chan error), time.Now()
			for i := range readers { // each less than the one before
				go func() {
					_, err := v.ReadAt(t.Context(), make([]byte, (readers-i)*frameSize), int64(i)*frameSize)
					errs <- err
				}()
				synctest.Wait()
			}
			for range readers {
				if err := <-errs; err != errFault {
					t.Errorf("the error is %v", err)
				}
			}
			if took := time.Since(start); took > 3*time.Minute {
				t.Errorf("the last of them ended after %v", took)
			}
		})
	}
}

// TestWrittenWhileWaiting: a reader that waits for memory needs the disk no more for what
// is written meanwhile.
func TestWrittenWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, 0)
		disk := newFakeDisk(t, 512, frameSize/512)
		w := openOn(t, c, newFakeDisk(t, 512, 2*minSize/512), VolumeOptions{})
		v := openOn(t, c, disk, VolumeOptions{FlushInterval: time.Hour})
		goes := make(chan struct{})
		disk.onErase = func(context.Context, int64, int64) error { <-goes; return nil }
		disk.onRead = func(context.Context, int64, int) error { return errFault }
		p, written := make([]byte, frameSize), bytes.Repeat([]byte{1}, frameSize)
		done := make(chan error, 3)
		begin := func(do func() error) {
			go func() { done <- do() }()
			synctest.Wait()
		}
		begin(func() error { return v.Zero(t.Context(), 0, frameSize) })
		begin(func() error { _, err := v.WriteAt(t.Context(), written, 0); return err }) // has its memory
		vec := readAllFree(t, w)
		begin(func() error { _, err := v.ReadAt(t.Context(), p, 0); return err })
		if len(done) > 0 {
			t.Fatal("nobody waits")
		}
		close(goes)
		synctest.Wait()
		w.Release(vec)
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if !bytes.Equal(p, written) {
			t.Error("read something else than was written")
		}
	})
}

// TestWriteBesideBadBlock: a writer who needs the rest of a logical block that others are
// fetching with more is not told of an error of that.
func TestWriteBesideBadBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 4096, 16)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		goes := make(chan struct{})
		badSector(disk, 9, goes)
		read, write := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := v.ReadAt(t.Context(), make([]byte, 16*frameSize), 0)
			read <- err
		}()
		synctest.Wait()
		go func() {
			_, err := v.WriteAt(t.Context(), make([]byte, 512), 3*frameSize)
			write <- err
		}()
		synctest.Wait()
		close(goes)
		if err := <-read; err != errFault {
			t.Errorf("who reads it: %v", err)
		}
		if err := <-write; err != nil {
			t.Errorf("who writes beside it: %v", err)
		}
	})
}
