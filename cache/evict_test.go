package cache

import (
	"math/rand/v2"
	"testing"
)

// TestScanResistance: what is read again and again stays, however much is read
// once meanwhile.
func TestScanResistance(t *testing.T) {
	const hot, size = 1 << 20, 64 << 20
	for name, piece := range map[string]int{"sequential": 64 << 10, "backwards": -(64 << 10)} {
		disk := newFakeDisk(t, 512, size/512)
		v := open(t, disk, VolumeOptions{ReadAhead: 1 << 20})
		read := func(off int64, n int) {
			if _, err := v.ReadAt(t.Context(), make([]byte, n), off); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			for range 256 {
				read(rand.Int64N(hot/4096)*4096, 4096)
			}
		}
		for at := int64(hot); at < size; at += 64 << 10 {
			if piece < 0 {
				read(size+hot-at-64<<10, 64<<10)
			} else {
				read(at, 64<<10)
			}
		}
		before := v.Stats()
		for at := int64(0); at < hot; at += 4096 {
			read(at, 4096)
		}
		if s := v.Stats(); s.Hits-before.Hits < 180 {
			t.Errorf("%s: %d of 256 blocks are left", name, s.Hits-before.Hits)
		}
	}
}

// TestGhosts: what comes back soon after its eviction stays longer.
func TestGhosts(t *testing.T) {
	g := make(ghosts, 1<<10)
	g.add(1, 77)
	if !g.take(1, 77) || g.take(1, 77) || g.take(2, 77) {
		t.Error("a ghost is remembered once, and for its disk only")
	}
}

// TestLongFetchInOnePiece: after random reads have filled the memory, what is
// fetched for a long read lies in few pieces.
func TestLongFetchInOnePiece(t *testing.T) {
	const size = 64 << 20
	disk := newFakeDisk(t, 512, size/512)
	v := open(t, disk, VolumeOptions{})
	for range 4 * minSize / frameSize {
		off := rand.Int64N(size/2/4096) * 4096
		if _, err := v.ReadAt(t.Context(), make([]byte, 4096), off); err != nil {
			t.Fatal(err)
		}
	}
	pieces, blocks := 0, 0
	for at := int64(size / 2); at < size; at += maxPiece {
		vec, err := v.Read(t.Context(), at, maxPiece, nil)
		if err != nil {
			t.Fatal(err)
		}
		pieces, blocks = pieces+len(vec), blocks+maxPiece/frameSize
		v.Release(vec)
	}
	if most := blocks / 3; pieces > most {
		t.Errorf("%d blocks lie in %d pieces, more than %d", blocks, pieces, most)
	}
}
