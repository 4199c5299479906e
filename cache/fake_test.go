package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var errFault = errors.New("injected fault")

// fakeDisk is a Device in memory. It fails the test where a Volume breaks the
// rules of Device, or has two writes to one block in flight.
type fakeDisk struct {
	t         testing.TB
	blockSize int
	readOnly  bool
	epoch     atomic.Uint64
	syncs     atomic.Int64
	faults    float64 // share of the reads and writes that fail
	// onSync, when not nil, is called by Sync and decides its error.
	onSync func() error
	// onWrite, when not nil, is called before a write is carried out.
	onWrite func()

	mu      sync.Mutex
	data    []byte
	writing []bool // by block
}

func newFakeDisk(t testing.TB, blockSize, blocks int) *fakeDisk {
	return &fakeDisk{t: t, blockSize: blockSize, data: make([]byte, blockSize*blocks), writing: make([]bool, blocks)}
}

func (d *fakeDisk) ReadvAt(_ context.Context, bufs [][]byte, off int64) error {
	d.check(bufs, off)
	if d.faults > 0 && rand.Float64() < d.faults {
		return errFault
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range bufs {
		off += int64(copy(b, d.data[off:]))
	}
	return nil
}

func (d *fakeDisk) WritevAt(_ context.Context, bufs [][]byte, off int64) error {
	n := d.check(bufs, off)
	d.claim(off, n, true)
	defer d.claim(off, n, false)
	if d.onWrite != nil {
		d.onWrite()
	}
	fails := d.faults > 0 && rand.Float64() < d.faults
	for _, b := range bufs {
		if fails && rand.IntN(2) == 0 { // some of it may be written all the same
			break
		}
		d.mu.Lock()
		off += int64(copy(d.data[off:], b))
		d.mu.Unlock()
		runtime.Gosched()
	}
	if fails {
		return errFault
	}
	return nil
}

// check holds the Volume to whole blocks within the disk.
func (d *fakeDisk) check(bufs [][]byte, off int64) int64 {
	n := int64(0)
	for _, b := range bufs {
		n += int64(len(b))
	}
	if bs := int64(d.blockSize); n == 0 || off%bs != 0 || n%bs != 0 || off < 0 || off+n > d.Size() {
		d.t.Errorf("command for %d bytes at %d: not whole blocks of %d within %d", n, off, bs, d.Size())
	}
	return n
}

func (d *fakeDisk) claim(off, n int64, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	bs := int64(d.blockSize)
	for b := off / bs; b < (off+n)/bs; b++ {
		if on && d.writing[b] {
			d.t.Errorf("two writes in flight for block %d", b)
		}
		d.writing[b] = on
	}
}

func (d *fakeDisk) Sync(context.Context) error {
	d.syncs.Add(1)
	if d.onSync != nil {
		return d.onSync()
	}
	return nil
}

func (d *fakeDisk) Epoch() uint64        { return d.epoch.Load() }
func (d *fakeDisk) Size() int64          { return int64(len(d.data)) }
func (d *fakeDisk) BlockSize() int       { return d.blockSize }
func (d *fakeDisk) OptimalTransfer() int { return 0 }
func (d *fakeDisk) MaxTransfer() int     { return 0 }
func (d *fakeDisk) ReadOnly() bool       { return d.readOnly }

func (d *fakeDisk) snapshot() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.data)
}
