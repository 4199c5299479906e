package cache

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var errFault = errors.New("injected fault")

// fakeDisk is a Device in memory with a volatile cache. It fails the test where
// a Volume breaks the rules of Device, has two writes to one frame in flight, or
// changes memory that a write carries.
type fakeDisk struct {
	t         testing.TB
	blockSize int
	optimal   int
	readOnly  bool
	faults    float64 // share of the commands that fail
	yields    bool    // commands let others run
	fixed     bool    // nothing can be deallocated
	sound     bool    // commands that erase do not fail
	resizes   bool    // resize is used: a command may come too late and fail
	// The hooks, when not nil, are called before a command is carried out and
	// decide its error.
	onRead, onWrite func(ctx context.Context, off int64, n int) error
	onSync          func(ctx context.Context) error
	onErase         func(ctx context.Context, off, n int64) error

	epoch                atomic.Uint64
	size                 atomic.Int64
	reads, writes, syncs atomic.Int64
	written              atomic.Int64 // bytes
	zeros, frees, asked  atomic.Int64 // commands

	mu      sync.Mutex
	data    []byte             // as it reads
	durable []byte             // as it is after a power cut; nil = nobody asks
	unsafe  map[int64]struct{} // offsets of the sectors that may differ
	writing []bool             // by frame
	free    map[int64]bool     // offsets of the sectors that are deallocated
}

func newFakeDisk(t testing.TB, blockSize, blocks int) *fakeDisk {
	size := blockSize * blocks
	d := &fakeDisk{t: t, blockSize: blockSize, data: make([]byte, size), writing: make([]bool, size/frameSize+1), free: map[int64]bool{}}
	d.size.Store(int64(size))
	return d
}

func (d *fakeDisk) fails() bool { return d.faults > 0 && rand.Float64() < d.faults }

func (d *fakeDisk) pause() {
	if d.yields {
		for range rand.IntN(4) {
			runtime.Gosched()
		}
	}
}

func (d *fakeDisk) ReadvAt(ctx context.Context, bufs [][]byte, off int64) error {
	n, err := d.check(bufs, off)
	if err != nil {
		return err
	}
	d.reads.Add(1)
	if d.onRead != nil {
		if err := d.onRead(ctx, off, int(n)); err != nil {
			return err
		}
	}
	d.pause()
	if d.fails() || d.yields && ctx.Err() != nil {
		return errFault
	}
	for _, b := range bufs {
		d.mu.Lock()
		off += int64(copy(b, d.data[off:]))
		d.mu.Unlock()
		d.pause()
	}
	return nil
}

func (d *fakeDisk) WritevAt(ctx context.Context, bufs [][]byte, off int64) error {
	d.claim(bufs, off, true)
	defer d.claim(bufs, off, false)
	n, err := d.check(bufs, off)
	if err != nil {
		return err
	}
	d.writes.Add(1)
	d.written.Add(n)
	if d.yields {
		was := bytes.Join(bufs, nil)
		defer func() {
			if !bytes.Equal(was, bytes.Join(bufs, nil)) {
				d.t.Errorf("the %d bytes at %d were changed while a command carried them", n, off)
			}
		}()
	}
	if d.onWrite != nil {
		if err := d.onWrite(ctx, off, int(n)); err != nil {
			return err
		}
	}
	d.pause()
	fails := d.fails() || d.yields && ctx.Err() != nil
	for _, b := range bufs {
		for len(b) > 0 {
			if fails && rand.IntN(4) == 0 { // some of it may be written all the same
				return errFault
			}
			m := min(len(b), sectorSize*(1+rand.IntN(16)))
			d.mu.Lock()
			copy(d.data[off:], b[:m])
			for end := off + int64(m); off < end; off += sectorSize {
				d.free[off] = false
				if d.unsafe != nil {
					d.unsafe[off] = struct{}{}
				}
			}
			d.mu.Unlock()
			b = b[m:]
			d.pause()
		}
	}
	if fails {
		return errFault
	}
	return nil
}

// check holds the Volume to whole blocks within the disk.
func (d *fakeDisk) check(bufs [][]byte, off int64) (int64, error) {
	n, size := length(bufs), d.Size()
	if d.resizes && off+n > size {
		return n, errFault
	}
	if bs := int64(d.blockSize); n == 0 || off%bs != 0 || n%bs != 0 || off < 0 || off+n > size {
		d.t.Errorf("command for %d bytes at %d: not whole blocks of %d within %d", n, off, bs, size)
	}
	return n, nil
}

func length(bufs [][]byte) (n int64) {
	for _, b := range bufs {
		n += int64(len(b))
	}
	return n
}

// claim notes that a command is under way for a range.
func (d *fakeDisk) claim(bufs [][]byte, off int64, on bool) { d.claimRange(off, length(bufs), on) }

func (d *fakeDisk) claimRange(off, n int64, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := off / frameSize; b <= (off+n-1)/frameSize; b++ {
		if on && d.writing[b] {
			d.t.Errorf("two writes in flight for block %d", b)
		}
		d.writing[b] = on
	}
}

func (d *fakeDisk) Sync(ctx context.Context) error {
	d.syncs.Add(1)
	d.pause()
	if d.onSync != nil {
		if err := d.onSync(ctx); err != nil {
			return err
		}
	}
	if d.fails() || d.yields && ctx.Err() != nil {
		return errFault
	}
	d.mu.Lock()
	for at := range d.unsafe {
		copy(d.durable[at:at+sectorSize], d.data[at:])
	}
	clear(d.unsafe)
	d.mu.Unlock()
	d.pause()
	return nil
}

// volatile makes the disk remember what a power cut would leave.
func (d *fakeDisk) volatile() {
	d.durable, d.unsafe = slices.Clone(d.data), map[int64]struct{}{}
}

// crash loses what was not synchronized, some sectors excepted.
func (d *fakeDisk) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := range d.unsafe {
		if kept := rand.IntN(2) == 0; kept {
			copy(d.durable[at:at+sectorSize], d.data[at:])
		} else {
			copy(d.data[at:at+sectorSize], d.durable[at:])
			d.free[at] = false
		}
	}
	clear(d.unsafe)
	d.epoch.Add(1)
}

func (d *fakeDisk) Zero(ctx context.Context, off, n int64) error {
	d.zeros.Add(1)
	return d.erase(ctx, off, n, false)
}

func (d *fakeDisk) Deallocate(ctx context.Context, off, n int64) error {
	if d.fixed {
		return unix.EOPNOTSUPP
	}
	d.frees.Add(1)
	return d.erase(ctx, off, n, true)
}

// erase makes a range read as zeroes, sector by sector, or a part of it where it fails.
func (d *fakeDisk) erase(ctx context.Context, off, n int64, free bool) error {
	if bs := int64(d.blockSize); n <= 0 || (off|n)%bs != 0 || off < 0 || off+n > int64(len(d.data)) {
		d.t.Errorf("%d bytes at %d are to be erased: not whole blocks of %d", n, off, bs)
	}
	if d.resizes && off+n > d.Size() {
		return errFault
	}
	d.claimRange(off, n, true)
	defer d.claimRange(off, n, false)
	if d.onErase != nil {
		if err := d.onErase(ctx, off, n); err != nil {
			return err
		}
	}
	fails := (d.fails() || d.yields && ctx.Err() != nil) && !d.sound
	for at := off; at < off+n; at += sectorSize {
		if fails && rand.IntN(4) == 0 {
			return errFault
		}
		d.mu.Lock()
		clear(d.data[at : at+sectorSize])
		d.free[at] = free
		if d.unsafe != nil {
			d.unsafe[at] = struct{}{}
		}
		d.mu.Unlock()
		if at>>sectorBits%16 == 0 {
			d.pause()
		}
	}
	if fails {
		return errFault
	}
	return nil
}

// Allocation knows of each sector whether it was deallocated, and not written since.
func (d *fakeDisk) Allocation(_ context.Context, off int64) (int64, bool, error) {
	d.asked.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	hole, end := d.freeBlock(off), off
	for end < d.Size() && d.freeBlock(end) == hole {
		end += int64(d.blockSize)
	}
	return end - off, hole, nil
}

// freeBlock tells whether all of a logical block is free: what fails, or is lost, may
// leave it in part.
func (d *fakeDisk) freeBlock(off int64) bool {
	for at := off; at < off+int64(d.blockSize); at += sectorSize {
		if !d.free[at] {
			return false
		}
	}
	return true
}

func (d *fakeDisk) Thin() bool { return !d.fixed }

func (d *fakeDisk) Epoch() uint64        { return d.epoch.Load() }
func (d *fakeDisk) Size() int64          { return d.size.Load() }
func (d *fakeDisk) BlockSize() int       { return d.blockSize }
func (d *fakeDisk) OptimalTransfer() int { return d.optimal }

func (d *fakeDisk) UnmapGranularity() int { return 0 }
func (d *fakeDisk) MaxTransfer() int      { return 0 }
func (d *fakeDisk) ReadOnly() bool        { return d.readOnly }

func (d *fakeDisk) snapshot() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.data)
}

// newCache returns a Cache of the least size; the test fails if something is in
// use when it ends.
func newCache(t testing.TB, size int64) *Cache {
	t.Helper()
	c, err := New(Options{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.verify(t)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// open opens dev on a Cache of its own and closes it when the test ends.
func open(t testing.TB, dev Device, opts VolumeOptions) *Volume {
	t.Helper()
	return openOn(t, newCache(t, 0), dev, opts)
}

func openOn(t testing.TB, c *Cache, dev Device, opts VolumeOptions) *Volume {
	t.Helper()
	v, err := c.Open(dev, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.verify(t)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = v.Close(ctx)
	})
	return v
}

// verify checks what must hold whenever the lock is free.
func (c *Cache) verify(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	used, byState := 0, map[*Volume]*[states]int{}
	for id := range c.frames {
		f := &c.frames[id]
		if f.state != free {
			used++
		}
		if f.state <= detached {
			if f.state == detached && f.pins == 0 {
				t.Errorf("frame %d is detached and nobody uses it", id)
			}
			continue
		}
		v := c.volumes[f.volume]
		if byState[v] == nil {
			byState[v] = new([states]int)
		}
		byState[v][f.state]++
		switch {
		case c.lookup(f.volume, f.block) != frameID(id):
			t.Errorf("frame %d is not in the index", id)
		case !f.valid.has(f.mask):
			t.Errorf("frame %d: mask %x is not within valid %x", id, f.mask, f.valid)
		case f.state.held() != (f.mask != 0):
			t.Errorf("frame %d: state %d with mask %x", id, f.state, f.mask)
		}
	}
	if free := len(c.frames) - 1 - used; free != c.chunks.n {
		t.Errorf("%d frames are free, %d are counted", free, c.chunks.n)
	}
	for v, counts := range byState {
		for s := clean; s < states; s++ {
			if counts[s] != v.counts[s] {
				t.Errorf("volume %d: %d frames in state %d, %d are counted", v.id, counts[s], s, v.counts[s])
			}
		}
		fl := &v.flush
		if n := counts[dirty]; n != fl.dirty.len+fl.urgent.len {
			t.Errorf("%d dirty frames, %d in the lists", n, fl.dirty.len+fl.urgent.len)
		}
	}
}
