//go:build !race

package cache

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// place is a frame's worth of one disk.
type place struct{ identity, offset uint64 }

// survivor is what a copy of the arena says of a place.
type survivor struct {
	state       state
	valid, mask sectors
	generation  uint64
	data        []byte
}

// rebuild reads a copy of an arena, as a successor would.
func rebuild(memory []byte) (map[place]survivor, error) {
	h := (*header)(unsafe.Pointer(unsafe.SliceData(memory)))
	if h.magic != layoutMagic || h.version != layoutVersion || h.frameSize != frameSize || h.descriptorSizeBytes != uint64(descriptorSize) {
		return nil, fmt.Errorf("unknown layout: %+v", *h)
	}
	found := map[place]survivor{}
	for i := range h.frames {
		d := (*descriptor)(unsafe.Pointer(&memory[h.descriptors+i*uint64(descriptorSize)]))
		p := place{d.identity, d.offset}
		if d.generation == 0 || found[p].generation > d.generation {
			continue
		}
		found[p] = survivor{
			state: state(d.status), valid: sectors(d.status >> 8), mask: sectors(d.status >> 16),
			generation: d.generation, data: memory[h.data+i*frameSize:][:frameSize],
		}
	}
	return found, nil
}

// TestRebuild copies the arena at random instants, in the middle of changes too,
// and compares what a successor finds with what the disk must hold: together with
// the disk's own content, all that was written. It is left out under the race
// detector: a copy at any instant is one that nobody waits for.
func TestRebuild(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seed, 0))
	t.Logf("-seed %d", *seed)
	const size = 1 << 20
	disk := newFakeDisk(t, 512, size/512)
	v := open(t, disk, VolumeOptions{Identity: 0xfeed, FlushInterval: time.Millisecond, DirtyLimit: 512 << 10})
	before, after := make([]byte, size), make([]byte, size)
	var stores, copies atomic.Int64
	check := func() {
		copies.Add(1)
		holdsEither(t, bytes.Clone(v.cache.memory), disk.snapshot(), before, after)
	}
	v.cache.mu.Lock()
	v.cache.stored = func() {
		if stores.Add(1)%97 == 0 {
			check()
		}
	}
	v.cache.mu.Unlock()
	for range 300 {
		off := rng.Int64N(size - 1)
		n := 1 + rng.Int64N(min(size-off, 20000))
		if rng.IntN(10) == 0 {
			if err := v.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		v.cache.mu.Lock()
		copy(after[off:], p)
		v.cache.mu.Unlock()
		if _, err := v.WriteAt(t.Context(), p, off); err != nil {
			t.Fatal(err)
		}
		v.cache.mu.Lock()
		copy(before[off:], p)
		v.cache.mu.Unlock()
	}
	v.cache.mu.Lock()
	v.cache.stored = nil
	matchesIndex(t, v.cache)
	v.cache.mu.Unlock()
	if copies.Load() < 20 {
		t.Errorf("only %d copies were looked at", copies.Load())
	}
}

// matchesIndex compares what a successor finds with the index. The lock is held.
func matchesIndex(t *testing.T, c *Cache) {
	found, err := rebuild(c.memory)
	if err != nil {
		t.Error(err)
	}
	n := 0
	for id := range c.frames {
		f := &c.frames[id]
		if f.state <= detached {
			continue
		}
		n++
		s := found[place{0xfeed, uint64(f.block) << frameBits}]
		if s.state != f.state || s.valid != f.valid || s.mask != f.mask {
			t.Errorf("block %d: found state %d, valid %x, mask %x; want %d, %x, %x", f.block, s.state, s.valid, s.mask, f.state, f.valid, f.mask)
		}
	}
	if n != len(found) {
		t.Errorf("found %d frames, want %d", len(found), n)
	}
}

// holdsEither overlays the disk with what the arena says is newer, and compares
// it with what must be there: before, or after the write that is under way.
func holdsEither(t *testing.T, memory, disk, before, after []byte) {
	t.Helper()
	found, err := rebuild(memory)
	if err != nil {
		t.Error(err)
		return
	}
	for _, p := range slices.Collect(maps.Keys(found)) {
		s := found[p]
		if p.identity != 0xfeed || !s.valid.has(s.mask) || s.state.held() != (s.mask != 0) {
			t.Errorf("%+v: state %d, valid %x, mask %x", p, s.state, s.valid, s.mask)
		}
		copySectors(disk[p.offset:], s.data, s.valid)
	}
	for i := range disk {
		if disk[i] != before[i] && disk[i] != after[i] {
			t.Errorf("byte %d is %#x, must be %#x or %#x", i, disk[i], before[i], after[i])
			return
		}
	}
}
