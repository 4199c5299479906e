package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFetchReadsOver: one command reads over a few blocks that are in memory, and what
// is there, dirty or not, stays as it is.
func TestFetchReadsOver(t *testing.T) {
	for _, c := range []struct {
		blocks string   // missing, clean, dirty, or dirty in part
		want   []string // the fetches: first block + number
	}{
		{"....", []string{"0+4"}},
		{".c.d.p.c", []string{"0+7"}},
		{"c.c.c", []string{"1+3"}},
		{"..cd..", []string{"0+6"}},
		{".cc.", []string{"0+1", "3+1"}}, // more in memory than not
		{strings.Repeat(".", 20) + "cdcdcdcd.", []string{"0+29"}},
		{strings.Repeat(".", 20) + "cdcdcdcdc.", []string{"0+20", "29+1"}}, // too many at a time
	} {
		t.Run(c.blocks, func(t *testing.T) {
			n := len(c.blocks)
			disk := newFakeDisk(t, 512, n*frameSize/512)
			for i := range disk.data {
				disk.data[i] = byte(rand.Uint32())
			}
			want := bytes.Clone(disk.data)
			v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
			read := func(off, n int) []byte {
				p := make([]byte, n)
				if _, err := v.ReadAt(t.Context(), p, int64(off)); err != nil {
					t.Fatal(err)
				}
				return p
			}
			for i, kind := range c.blocks {
				at, length := i*frameSize, map[rune]int{'d': frameSize, 'p': 512}[kind]
				if kind == 'c' {
					read(at, frameSize)
				}
				copy(want[at:], bytes.Repeat([]byte{'n'}, length))
				mustWriteAt(t, v, int64(at), length, 'n')
			}
			before := v.Stats()
			var got []string
			disk.onRead = func(_ context.Context, off int64, n int) error {
				got = append(got, fmt.Sprintf("%d+%d", off/frameSize, n/frameSize))
				return nil
			}
			if !bytes.Equal(read(0, n*frameSize), want) {
				t.Error("read something else than was written")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("fetched %v, want %v", got, c.want)
			}
			s := v.Stats()
			hits, misses := strings.Count(c.blocks, "c")+strings.Count(c.blocks, "d"), strings.Count(c.blocks, ".")+strings.Count(c.blocks, "p")
			if int(s.Hits-before.Hits) != hits || int(s.Misses-before.Misses) != misses {
				t.Errorf("%d hits, %d misses, want %d and %d", s.Hits-before.Hits, s.Misses-before.Misses, hits, misses)
			}
			got = nil
			if !bytes.Equal(read(0, n*frameSize), want) || got != nil {
				t.Errorf("read again: fetched %v", got)
			}
		})
	}
}

// badSector has reads of one block fail, at once or when goes is closed.
func badSector(d *fakeDisk, block int64, goes <-chan struct{}) {
	d.onRead = func(_ context.Context, off int64, n int) error {
		if first := off >> frameBits; block < first || block >= first+int64(n)>>frameBits {
			return nil
		}
		if goes != nil {
			<-goes
		}
		return errFault
	}
}

// TestFetchOverBadSector: a block that cannot be read, and is in memory, does no harm to
// its neighbours, whether they are read ahead or not; its own rest does.
func TestFetchOverBadSector(t *testing.T) {
	const bad = 41
	for _, length := range []int{frameSize, 512} {
		for _, ahead := range []int{0, 1 << 20} {
			disk := newFakeDisk(t, 512, 64*frameSize/512)
			want := bytes.Clone(disk.data)
			v := open(t, disk, VolumeOptions{FlushInterval: time.Hour, ReadAhead: ahead})
			copy(want[bad*frameSize:], bytes.Repeat([]byte{'n'}, length))
			mustWriteAt(t, v, bad*frameSize, length, 'n')
			badSector(disk, bad, nil)
			for block := 0; block < 64; block += 4 {
				got := make([]byte, 4*frameSize)
				_, err := v.ReadAt(t.Context(), got, int64(block)*frameSize)
				switch lacks := block == bad-1 && length < frameSize; {
				case lacks && err != errFault:
					t.Errorf("block %d, which is in memory in part: %v", block, err)
				case !lacks && (err != nil || !bytes.Equal(got, want[block*frameSize:][:len(got)])):
					t.Errorf("block %d, with %d bytes of block %d in memory, ahead %d: %v", block, length, bad, ahead, err)
				}
			}
		}
	}
}

// TestAwaitedBadSector: who waits for another's fetch is not told of a block that only
// the other wants, and nobody of one that is in memory.
func TestAwaitedBadSector(t *testing.T) {
	const bad = 9
	for _, inMemory := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 16*frameSize/512)
			v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
			var want error = errFault
			if inMemory {
				mustWriteAt(t, v, bad*frameSize, frameSize, 'n')
				want = nil
			}
			goes := make(chan struct{})
			badSector(disk, bad, goes)
			read := func(block, n int64) <-chan error {
				done := make(chan error, 1)
				go func() {
					_, err := v.ReadAt(t.Context(), make([]byte, n*frameSize), block*frameSize)
					done <- err
				}()
				return done
			}
			all := read(0, 16)
			synctest.Wait()
			first, good, same := read(0, 1), read(3, 1), read(0, 16)
			synctest.Wait()
			close(goes)
			if err := errors.Join(<-first, <-good); err != nil {
				t.Errorf("a good block: %v", err)
			}
			if err := <-all; err != want {
				t.Errorf("who fetches, in memory %v: %v", inMemory, err)
			}
			if err := <-same; err != want {
				t.Errorf("who wants the same, in memory %v: %v", inMemory, err)
			}
		})
	}
}

// TestFetchTooOld: what is too old is fetched as if it were not there, in one command.
func TestFetchTooOld(t *testing.T) {
	for _, ahead := range []int{0, 256 << 10} {
		synctest.Test(t, func(t *testing.T) {
			const blocks = 128
			disk := newFakeDisk(t, 512, blocks*frameSize/512)
			v := open(t, disk, VolumeOptions{MaxAge: time.Minute, FlushInterval: time.Hour, ReadAhead: ahead})
			readAll := func(b byte) (commands int64) {
				disk.mu.Lock()
				for i := range disk.data {
					disk.data[i] = b
				}
				disk.mu.Unlock()
				want := bytes.Repeat([]byte{b}, blocks*frameSize)
				copy(want[9*frameSize:], bytes.Repeat([]byte{'n'}, frameSize))
				copy(want[11*frameSize:], bytes.Repeat([]byte{'n'}, 512))
				before := disk.reads.Load()
				p := make([]byte, blocks*frameSize)
				for at := 0; at < len(p); at += 32 * frameSize {
					if _, err := v.ReadAt(t.Context(), p[at:at+32*frameSize], int64(at)); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(p, want) {
					t.Error("wrong content")
				}
				synctest.Wait()
				return disk.reads.Load() - before
			}
			mustWriteAt(t, v, 9*frameSize, frameSize, 'n')
			mustWriteAt(t, v, 11*frameSize, 512, 'n')
			first := readAll('a')
			time.Sleep(2 * time.Minute)
			before := v.Stats()
			if again := readAll('b'); again > first {
				t.Errorf("read ahead %d: %d commands at first, %d when all is too old", ahead, first, again)
			}
			if s := v.Stats(); ahead == 0 && (s.Hits-before.Hits != 1 || s.Misses-before.Misses != blocks-1) {
				t.Errorf("%d hits, %d misses", s.Hits-before.Hits, s.Misses-before.Misses)
			}
		})
	}
}

// TestReadOverIsWanted: blocks that are read over, and then used, are as wanted as others
// that are found in memory.
func TestReadOverIsWanted(t *testing.T) {
	const hot, size = 64, 64 << 20
	disk := newFakeDisk(t, 512, size/512)
	v := open(t, disk, VolumeOptions{})
	read := func(block, n int64) {
		if _, err := v.ReadAt(t.Context(), make([]byte, n*frameSize), block*frameSize); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(hot) {
		read(i*4+1, 1)
	}
	for i := range int64(hot) { // the others are missing
		read(i*4, 3)
	}
	for at := int64(hot * 4); at < size/frameSize; at += 16 {
		read(at, 16)
	}
	before := v.Stats()
	for i := range int64(hot) {
		read(i*4+1, 1)
	}
	if s := v.Stats(); s.Hits-before.Hits < hot*3/4 {
		t.Errorf("%d of %d blocks are left", s.Hits-before.Hits, hot)
	}
}
