package cache

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestReadAheadOfManyDisks: where many disks share the memory, less is read ahead of each,
// in commands that are as much smaller, but not nothing.
func TestReadAheadOfManyDisks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, piece, delay = 32 << 20, 128 << 10, 10 * time.Millisecond
		c := newCache(t, 64<<20)
		for range 11 {
			openOn(t, c, newFakeDisk(t, 512, 8), VolumeOptions{})
		}
		disk := newFakeDisk(t, 512, size/512)
		answerAfter(disk, delay)
		v := openOn(t, c, disk, VolumeOptions{ReadAhead: 8 << 20})
		start := time.Now()
		for at := int64(0); at < size; at += piece {
			if _, err := v.ReadAt(t.Context(), make([]byte, piece), at); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			ahead, limit := v.ahead, c.readLimit()/2
			c.mu.Unlock()
			if ahead > limit {
				t.Fatalf("%d frames are being read ahead, %d may be", ahead, limit)
			}
		}
		if took := time.Since(start); took > size/piece*delay*6/10 {
			t.Errorf("%v for %d reads of %v each", took, size/piece, delay)
		}
	})
}
