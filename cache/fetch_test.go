package cache

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
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
				part := bytes.Repeat([]byte{'n'}, length)
				copy(want[at:], part)
				if _, err := v.WriteAt(t.Context(), part, int64(at)); err != nil {
					t.Fatal(err)
				}
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
