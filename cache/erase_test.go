package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// erasers are the two ways to make a range read as zeroes.
var erasers = map[string]func(*Volume, context.Context, int64, int64) error{"zero": (*Volume).Zero, "punch": (*Volume).Punch}

// fullDisk is one of 4 KiB blocks that is full of 0xff, durably.
func fullDisk(t testing.TB, size int) *fakeDisk {
	d := newFakeDisk(t, 512, size/512)
	for i := range d.data {
		d.data[i] = 0xff
	}
	d.volatile()
	return d
}

// wantAt reads n bytes, which must all be b.
func wantAt(t *testing.T, v *Volume, off int64, n int, b byte) {
	t.Helper()
	p := make([]byte, n)
	if _, err := v.ReadAt(t.Context(), p, off); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(p, bytes.Repeat([]byte{b}, n)) {
		t.Errorf("of %d bytes at %d some are not %#x: they begin with %#x", n, off, b, p[:min(n, 16)])
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestEraseUnaligned: exactly the range reads as zeroes, and is zeroes on the disk after
// a Sync; whole logical blocks go by commands of the Device, the edges as data.
func TestEraseUnaligned(t *testing.T) {
	const size = 400 << 10
	for name, erase := range erasers {
		for _, blockSize := range []int{512, 4096} {
			for _, r := range [][2]int{{1000, 300<<10 + 17}, {4096, 8192}, {100, 300}, {511, 514}, {4000, 200}, {0, 1}, {8192, 0}} {
				for mode := range None + 1 {
					from, n := r[0], r[1]
					disk := newFakeDisk(t, blockSize, size/blockSize)
					v := open(t, disk, VolumeOptions{Mode: mode})
					mustWriteAt(t, v, 0, size, 0xff)
					must(t, erase(v, t.Context(), int64(from), int64(n)))
					wantAt(t, v, 0, from, 0xff)
					wantAt(t, v, int64(from), n, 0)
					wantAt(t, v, int64(from+n), size-from-n, 0xff)
					mustSync(t, v)
					want := bytes.Repeat([]byte{0xff}, size)
					clear(want[from : from+n])
					if !bytes.Equal(disk.snapshot(), want) {
						t.Errorf("%s of %d bytes at %d, block size %d, mode %d: wrong on the disk", name, n, from, blockSize, mode)
					}
					whole := (from+n)/blockSize > (from+blockSize-1)/blockSize
					if got := disk.zeros.Load()+disk.frees.Load() > 0; got != whole {
						t.Errorf("%s of %d bytes at %d: the Device was told to: %v", name, n, from, got)
					}
				}
			}
		}
	}
}

// TestWriteDuringErase: a write that comes while the target erases waits, and
// its data stays; one that came before is on the target or forgotten.
func TestWriteDuringErase(t *testing.T) {
	for _, erase := range erasers {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 64)
			v := open(t, disk, VolumeOptions{})
			mustWriteAt(t, v, 0, 8192, 1)
			result := make(chan error, 1)
			disk.onErase = func(context.Context, int64, int64) error {
				go func() {
					_, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{7}, 512), 512)
					result <- err
				}()
				synctest.Wait()
				if len(result) > 0 {
					t.Error("the write did not wait")
				}
				return nil
			}
			must(t, erase(v, t.Context(), 0, 8192))
			must(t, <-result)
			wantAt(t, v, 0, 512, 0)
			wantAt(t, v, 512, 512, 7)
			wantAt(t, v, 1024, 8192-1024, 0)
			mustSync(t, v)
			if disk.data[0] != 0 || disk.data[512] != 7 || disk.data[1024] != 0 {
				t.Error("wrong on the disk")
			}
		})
	}
}

// TestEraseFails: what was dirty, or may yet be lost, stays; what was read is read again,
// for the Device may have done some of it.
func TestEraseFails(t *testing.T) {
	for _, erase := range erasers {
		disk := fullDisk(t, 32<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		wantAt(t, v, 0, 4096, 0xff)
		mustWriteAt(t, v, 4096, 4096, 1)
		disk.onErase = func(context.Context, int64, int64) error {
			disk.mu.Lock()
			defer disk.mu.Unlock()
			clear(disk.data[2048:6144])
			return errFault
		}
		if err := erase(v, t.Context(), 0, 8192); err != errFault {
			t.Error(err)
		}
		wantAt(t, v, 0, 2048, 0xff)
		wantAt(t, v, 2048, 2048, 0)
		wantAt(t, v, 4096, 4096, 1)
		mustSync(t, v)
		if disk.durable[4096] != 1 {
			t.Error("the dirty data is lost")
		}
	}
}

// TestEraseFailsOverWritten: what the target has answered for, and not synchronized, is
// written again.
func TestEraseFailsOverWritten(t *testing.T) {
	disk := newFakeDisk(t, 512, 64)
	disk.volatile()
	v := open(t, disk, VolumeOptions{Mode: Writethrough, FlushInterval: time.Hour})
	mustWriteAt(t, v, 0, 4096, 1)
	disk.onErase = func(context.Context, int64, int64) error {
		disk.mu.Lock()
		defer disk.mu.Unlock()
		clear(disk.data[:2048])
		return errFault
	}
	if err := v.Zero(t.Context(), 0, 4096); err != errFault {
		t.Error(err)
	}
	wantAt(t, v, 0, 4096, 1)
	mustSync(t, v)
	if !bytes.Equal(disk.durable[:4096], bytes.Repeat([]byte{1}, 4096)) {
		t.Error("memory and disk differ")
	}
}

// TestPunchUnsupported: then nothing was done, in memory neither, and Zero does it.
func TestPunchUnsupported(t *testing.T) {
	disk := fullDisk(t, 32<<10)
	disk.fixed = true
	v := open(t, disk, VolumeOptions{})
	mustWriteAt(t, v, 0, 4096, 1)
	err := v.Punch(t.Context(), 100, 16<<10)
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, unix.EOPNOTSUPP) {
		t.Error(err)
	}
	wantAt(t, v, 0, 4096, 1)
	wantAt(t, v, 4096, 12<<10, 0xff)
	if v.Thin() {
		t.Error("it is thin")
	}
	must(t, v.Zero(t.Context(), 100, 16<<10))
	wantAt(t, v, 100, 16<<10, 0)
}

// TestPunchUnproven: a target that does not say what it has freed may have freed it: what
// was read before is read again, and what was not synchronized is written again.
func TestPunchUnproven(t *testing.T) {
	disk := fullDisk(t, 32<<10)
	v := open(t, disk, VolumeOptions{Mode: Writethrough, FlushInterval: time.Hour})
	wantAt(t, v, 0, 8192, 0xff)
	mustWriteAt(t, v, 0, 4096, 1)
	disk.onErase = func(context.Context, int64, int64) error {
		disk.mu.Lock()
		defer disk.mu.Unlock()
		clear(disk.data[:8192])
		return unix.EOPNOTSUPP
	}
	if err := v.Punch(t.Context(), 0, 8192); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Error(err)
	}
	wantAt(t, v, 4096, 4096, 0)
	mustSync(t, v)
	if !bytes.Equal(disk.snapshot()[:4096], bytes.Repeat([]byte{1}, 4096)) {
		t.Error("what was written is lost")
	}
}

// TestEraseCountsAsWrite: for the time of the last write, and for what Sync has to do.
func TestEraseCountsAsWrite(t *testing.T) {
	for _, erase := range erasers {
		synctest.Test(t, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 64)
			v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
			before := v.ModTime()
			time.Sleep(time.Second)
			must(t, erase(v, t.Context(), 0, 4096))
			if !v.Unsynced() || !v.ModTime().Equal(before.Add(time.Second)) {
				t.Errorf("unsynced: %v, written at %v", v.Unsynced(), v.ModTime())
			}
			mustSync(t, v)
			if v.Unsynced() || disk.syncs.Load() != 1 || len(v.erased.ranges) > 0 {
				t.Errorf("unsynced: %v after %d commands, %v", v.Unsynced(), disk.syncs.Load(), v.erased.ranges)
			}
		})
	}
}

// TestEraseIsSynchronized: in the background too, as early as data.
func TestEraseIsSynchronized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 64)
		v := open(t, disk, VolumeOptions{FlushInterval: 5 * time.Second})
		must(t, v.Punch(t.Context(), 0, 4096))
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if v.Unsynced() || disk.syncs.Load() != 1 {
			t.Errorf("unsynced: %v after %d commands", v.Unsynced(), disk.syncs.Load())
		}
	})
}

// TestEraseLost: what the target has lost before it was synchronized reads as zeroes all
// the same, and is erased again before a Sync returns, and before anything newer is
// written there, in each mode; without an error.
func TestEraseLost(t *testing.T) {
	for name, erase := range erasers {
		for mode := range None + 1 {
			for _, background := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					disk := fullDisk(t, 256<<10)
					v := open(t, disk, VolumeOptions{Mode: mode, FlushInterval: time.Hour})
					must(t, erase(v, t.Context(), 512, 128<<10))
					mustWriteAt(t, v, 8192, 512, 7)
					disk.loseAll()
					wantAt(t, v, 0, 512, 0xff)
					wantAt(t, v, 512, 8192-512, 0)
					wantAt(t, v, 8192, 512, 7)
					mustWriteAt(t, v, 16384, 4096, 8)
					if background {
						time.Sleep(2 * time.Hour)
						synctest.Wait()
					} else {
						mustSync(t, v)
					}
					if v.Unsynced() || v.Failures() != 0 {
						t.Errorf("%s, mode %d: unsynced %v, %d failures", name, mode, v.Unsynced(), v.Failures())
					}
					want := bytes.Repeat([]byte{0xff}, 256<<10)
					clear(want[512 : 128<<10+512])
					copy(want[8192:], bytes.Repeat([]byte{7}, 512))
					copy(want[16384:], bytes.Repeat([]byte{8}, 4096))
					if !bytes.Equal(disk.durable, want) {
						t.Errorf("%s, mode %d, in the background %v: the disk has lost something", name, mode, background)
					}
				})
			}
		}
	}
}

// loseAll loses all that was not synchronized.
func (d *fakeDisk) loseAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.data, d.durable)
	clear(d.unsafe)
	clear(d.free)
	d.epoch.Add(1)
}

// TestEraseLostMeanwhile: before the target has answered.
func TestEraseLostMeanwhile(t *testing.T) {
	for _, erase := range erasers {
		disk := fullDisk(t, 32<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		var erasures atomic.Int32
		disk.onErase = func(context.Context, int64, int64) error {
			switch erasures.Add(1) {
			case 1:
				disk.epoch.Add(1)
			case 2: // by Sync, or in the background before; what the first did is lost
				disk.mu.Lock()
				copy(disk.data, disk.durable)
				disk.mu.Unlock()
			}
			return nil
		}
		must(t, erase(v, t.Context(), 0, 8192))
		mustSync(t, v)
		if n := erasures.Load(); n != 2 || disk.durable[0] != 0 {
			t.Errorf("%d commands, the disk has %#x", n, disk.durable[0])
		}
	}
}

// TestRepayFails: the Sync fails and the next tries again; of what is newer there nothing
// is written before. A target that deallocates no more gets zeroes.
func TestRepayFails(t *testing.T) {
	for _, mode := range []Mode{Writeback, Writethrough} {
		synctest.Test(t, func(t *testing.T) { // the background tries again when time passes
			disk := fullDisk(t, 32<<10)
			v := open(t, disk, VolumeOptions{Mode: mode, FlushInterval: time.Hour})
			must(t, v.Punch(t.Context(), 0, 16<<10))
			disk.loseAll()
			disk.onErase = func(context.Context, int64, int64) error { return errFault }
			_, err := v.WriteAt(t.Context(), make([]byte, 512), 4096)
			if (err == nil) != (mode == Writeback) || err != nil && err != errFault {
				t.Errorf("write: %v", err)
			}
			if err := v.Sync(t.Context()); err != errFault || v.Failures() == 0 || !v.Unsynced() {
				t.Errorf("%v, %d failures, unsynced %v", err, v.Failures(), v.Unsynced())
			}
			if disk.writes.Load() != 0 {
				t.Error("what is newer was written")
			}
			disk.onErase, disk.fixed = nil, true
			mustSync(t, v)
			if disk.zeros.Load() == 0 || !bytes.Equal(disk.durable[:16<<10], make([]byte, 16<<10)) {
				t.Error("nothing was zeroed")
			}
		})
	}
}

// TestNewerWaitsForRepay: the background writes nothing to a range that is to be erased
// again first, and all the rest.
func TestNewerWaitsForRepay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := fullDisk(t, 32<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Second})
		must(t, v.Punch(t.Context(), 0, 8192))
		disk.loseAll()
		var repaired atomic.Bool
		disk.onErase = func(context.Context, int64, int64) error {
			if repaired.Load() {
				return nil
			}
			return errFault
		}
		mustWriteAt(t, v, 4096, 512, 1)
		mustWriteAt(t, v, 16384, 512, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		if disk.data[4096] != 0xff || disk.data[16384] != 2 {
			t.Errorf("the disk has %#x in the range, and %#x outside", disk.data[4096], disk.data[16384])
		}
		repaired.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if disk.durable[0] != 0 || disk.durable[4096] != 1 || v.Unsynced() {
			t.Errorf("in the end it has %#x and %#x; unsynced %v", disk.durable[0], disk.durable[4096], v.Unsynced())
		}
	})
}

// TestLateFetchOfLost: what was read when the target had lost an erasure does not stay
// when that has been done again.
func TestLateFetchOfLost(t *testing.T) {
	for name, erase := range erasers {
		synctest.Test(t, func(t *testing.T) {
			disk := fullDisk(t, 32<<10)
			v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
			must(t, erase(v, t.Context(), 0, 4096))
			disk.loseAll()
			late := &lateReads{fakeDisk: disk, release: make(chan struct{})}
			v.dev = late
			done := make(chan error)
			p := make([]byte, 4096)
			go func() { _, err := v.ReadAt(t.Context(), p, 0); done <- err }()
			synctest.Wait()
			mustSync(t, v)
			close(late.release)
			if err := <-done; err != nil || p[0] != 0 {
				t.Errorf("%s: %v, read %#x", name, err, p[0])
			}
			wantAt(t, v, 0, 4096, 0)
		})
	}
}

// TestManyErasures: what is remembered is bounded, and none of it is given up.
func TestManyErasures(t *testing.T) {
	const n = 3 * maxErasures
	disk := fullDisk(t, n*1024)
	v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
	for _, i := range rand.Perm(n) {
		must(t, v.Punch(t.Context(), int64(i)*1024, 512))
		if i%500 == 0 {
			disk.loseAll()
		}
		v.cache.mu.Lock()
		remembered := len(v.erased.ranges)
		v.cache.mu.Unlock()
		if remembered > maxErasures {
			t.Fatalf("%d ranges are remembered", remembered)
		}
	}
	mustSync(t, v)
	for i := range n {
		if disk.durable[i*1024] != 0 || disk.durable[i*1024+512] != 0xff {
			t.Fatalf("range %d is %#x, then %#x", i, disk.durable[i*1024], disk.durable[i*1024+512])
		}
	}
}

// TestEraseSparesTheCache: what is often read stays in memory, however much is erased.
func TestEraseSparesTheCache(t *testing.T) {
	disk := newFakeDisk(t, 512, 64<<20/512)
	v := open(t, disk, VolumeOptions{})
	wantAt(t, v, 0, 1<<20, 0)
	before := disk.reads.Load()
	must(t, v.Zero(t.Context(), 1<<20, 31<<20))
	must(t, v.Punch(t.Context(), 32<<20, 32<<20))
	wantAt(t, v, 0, 1<<20, 0)
	if n := disk.reads.Load() - before; n != 0 || disk.written.Load() != 0 {
		t.Errorf("%d reads, %d bytes written", n, disk.written.Load())
	}
}

// TestEraseHeldBack: where nothing may be written back, nothing is erased either.
func TestEraseHeldBack(t *testing.T) {
	late := errors.New("away for too long")
	disk := newFakeDisk(t, 512, 64)
	v := open(t, disk, VolumeOptions{HoldLate: func(err error) bool { return err == late }, FlushInterval: time.Hour})
	must(t, v.Punch(t.Context(), 0, 4096))
	disk.onSync = func(context.Context) error { return late }
	if err := v.Sync(t.Context()); err != late {
		t.Error(err)
	}
	disk.onSync = nil
	disk.epoch.Add(1)
	for name, err := range map[string]error{"zero": v.Zero(t.Context(), 8192, 512), "punch": v.Punch(t.Context(), 8192, 512), "sync": v.Sync(t.Context())} {
		if err != ErrLate {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := disk.zeros.Load() + disk.frees.Load(); n != 1 {
		t.Errorf("%d commands", n)
	}
	v.WriteLate()
	mustSync(t, v)
}

// TestEraseBeyondShrink: what was erased beyond a new end and is not synchronized counts
// as data there.
func TestEraseBeyondShrink(t *testing.T) {
	disk := resizable(t, 64<<10)
	v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
	must(t, v.Punch(t.Context(), 16<<10, 32<<10))
	mustWriteAt(t, v, 32<<10, 512, 1)
	mustWriteAt(t, v, 60<<10, 512, 1)
	if n := v.UnsyncedBeyond(32 << 10); n != 16<<10+512 {
		t.Errorf("%d bytes beyond are not synchronized", n)
	}
	disk.resize(32 << 10)
	if !v.Shrunk() {
		t.Error("taken over")
	}
	for _, err := range []error{v.Zero(t.Context(), 0, 512), v.Sync(t.Context())} {
		if err != ErrShrunk {
			t.Error(err)
		}
	}
	if n, err := v.AcceptShrink(t.Context()); n != 16<<10+512 || err != nil {
		t.Errorf("%d bytes dropped, %v", n, err)
	}
	if n := v.UnsyncedBeyond(0); n != 16<<10 || v.Size() != 32<<10 {
		t.Errorf("%d bytes are not synchronized, of %d", n, v.Size())
	}
	mustSync(t, v)
	if err := v.Zero(t.Context(), 32<<10-512, 1024); err != ErrRange {
		t.Errorf("past the end: %v", err)
	}
}

// TestErasures compares with a model that knows of each sector.
func TestErasures(t *testing.T) {
	t.Logf("-seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 0))
	type sector struct {
		erased, free, owed bool
		no                 uint64
	}
	const n = 200
	for range 200 {
		var e erasures
		var model [n]sector
		for no := uint64(1); no < 60; no++ {
			from := rng.IntN(n)
			to := from + 1 + rng.IntN(min(n-from, 30))
			r := erasure{off: int64(from) * 512, end: int64(to) * 512, no: no, free: rng.IntN(2) == 0, owed: rng.IntN(5) == 0}
			switch rng.IntN(8) {
			default:
				e.add(r)
				for i := from; i < to; i++ {
					model[i] = sector{true, r.free, r.owed, no}
				}
			case 0:
				e.cut(r.off, r.end)
				clear(model[from:to])
			case 1:
				e.lost()
				for i := range model {
					model[i].owed = model[i].erased
				}
			case 2:
				e.synced(no)
				for i := range model {
					if !model[i].owed {
						model[i] = sector{}
					}
				}
			}
			owed := 0
			var got [n]sector
			for i, r := range e.ranges {
				if r.off >= r.end || i > 0 && r.off < e.ranges[i-1].end {
					t.Fatalf("out of order: %v", e.ranges)
				}
				if r.owed {
					owed++
				}
				for at := r.off / 512; at < r.end/512; at++ {
					if model[at].no > r.no {
						t.Fatalf("sector %d is forgotten too early", at)
					}
					got[at] = sector{true, r.free, r.owed, model[at].no}
				}
			}
			if got != model || owed != e.owed {
				t.Fatalf("%d are owed, %d are counted; or wrong ranges: %v", owed, e.owed, e.ranges)
			}
			for block := range int64(n / 8) {
				set, owes := sectors(0), false
				for i, s := range model[block*8:][:8] {
					if s.erased {
						set |= 1 << i
					}
					owes = owes || s.owed
				}
				if e.sectors(block) != set || e.owes(block) != owes {
					t.Fatalf("block %d: %x, owes %v", block, e.sectors(block), e.owes(block))
				}
			}
		}
	}
}

// TestAllocation: a hole is where the Device says so and nothing newer is in memory.
func TestAllocation(t *testing.T) {
	disk := newFakeDisk(t, 512, 64<<10/512)
	v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
	want := func(off, n int64, hole bool) {
		t.Helper()
		if gotN, got, err := v.Allocation(t.Context(), off); gotN != n || got != hole || err != nil {
			t.Errorf("at %d: %d bytes, hole: %v, %v; want %d, %v", off, gotN, got, err, n, hole)
		}
	}
	want(0, 64<<10, false)
	must(t, v.Punch(t.Context(), 8192, 32<<10))
	want(0, 8192, false)
	want(100, 8092, false)
	want(8192, 32<<10, true)
	want(8195, 32<<10-3, true)
	want(40<<10, 24<<10, false)
	for _, step := range []func(){
		func() { mustWriteAt(t, v, 16<<10, 5000, 1) }, // dirty
		func() { // written
			v.cache.mu.Lock()
			must(t, v.drainAll(t.Context()))
			v.cache.mu.Unlock()
		},
		func() { mustSync(t, v) },
	} {
		step()
		want(8192, 8192, true)
		if _, hole, err := v.Allocation(t.Context(), 16<<10); hole || err != nil {
			t.Errorf("data is a hole, %v", err)
		}
		want(24<<10, 16<<10, true)
	}
	for _, off := range []int64{-1, 64 << 10} {
		if _, _, err := v.Allocation(t.Context(), off); err != ErrRange {
			t.Errorf("at %d: %v", off, err)
		}
	}
}

func (v *Volume) drainAll(ctx context.Context) error {
	v.sync.running = &syncRun{done: make(chan struct{})}
	defer func() { v.sync.running = nil }()
	v.flush.close(v.cache.frames)
	return v.drain(ctx)
}

// TestAllocationMemo: the Device is asked once for what is asked for again and again, and
// anew after a write, after what was erased, and after a while.
func TestAllocationMemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 64<<10/512)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		asks := func(what string, want int64) {
			t.Helper()
			before := disk.asked.Load()
			for off := int64(0); off < 8192; off += 512 {
				if _, _, err := v.Allocation(t.Context(), off); err != nil {
					t.Fatal(err)
				}
			}
			if n := disk.asked.Load() - before; n != want {
				t.Errorf("%s: asked %d times, want %d", what, n, want)
			}
		}
		asks("first", 1)
		asks("again", 0)
		mustWriteAt(t, v, 32<<10, 512, 1)
		asks("after a write", 1)
		must(t, v.Punch(t.Context(), 48<<10, 512))
		asks("after a hole", 1)
		must(t, v.Zero(t.Context(), 50<<10, 512))
		asks("after zeroes", 1)
		asks("again", 0)
		time.Sleep(2 * time.Second)
		asks("later", 1)
	})
}

// TestAllocationMemoIsNotLate: an answer that a write has overtaken is not kept.
func TestAllocationMemoIsNotLate(t *testing.T) {
	disk := newFakeDisk(t, 512, 64<<10/512)
	v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
	must(t, v.Punch(t.Context(), 0, 64<<10))
	late := &lateAllocation{fakeDisk: disk, then: func() { mustWriteAt(t, v, 0, 512, 1); mustSync(t, v) }}
	v.dev = late
	if _, _, err := v.Allocation(t.Context(), 0); err != nil { // concurrent with the write: either answer is right
		t.Error(err)
	}
	if _, hole, err := v.Allocation(t.Context(), 0); hole || err != nil {
		t.Errorf("data is a hole, %v", err)
	}
}

// lateAllocation answers with what was so when it was asked.
type lateAllocation struct {
	*fakeDisk
	then func()
}

func (d *lateAllocation) Allocation(ctx context.Context, off int64) (int64, bool, error) {
	n, hole, err := d.fakeDisk.Allocation(ctx, off)
	if d.then != nil {
		d.then()
		d.then = nil
	}
	return n, hole, err
}

// TestPieces: of a long range a part at a time is shut for writes, and the parts end
// where blocks are aligned.
func TestPieces(t *testing.T) {
	for _, c := range []struct {
		r    erasure
		want int64
	}{
		{erasure{off: 512, end: 1024}, 1024},
		{erasure{off: 512, end: 1 << 40}, zeroPiece},
		{erasure{off: zeroPiece, end: 1 << 40}, 2 * zeroPiece},
		{erasure{off: 512, end: 1 << 40, free: true}, freePiece},
	} {
		if got := c.r.firstPiece().end; got != c.want {
			t.Errorf("%+v: the first piece ends at %d, want %d", c.r, got, c.want)
		}
	}
}

// TestAllocationOfAShrinkingDisk: a disk that shrinks while it is asked has nothing at
// what was beyond its end.
func TestAllocationOfAShrinkingDisk(t *testing.T) {
	disk := newFakeDisk(t, 512, 64<<10/512)
	v := open(t, disk, VolumeOptions{})
	v.dev = &lateAllocation{fakeDisk: disk, then: func() { disk.size.Store(16 << 10) }}
	if n, _, err := v.Allocation(t.Context(), 32<<10); err != ErrRange {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestWrittenBetweenErasures: what was written to an erased range and synchronized stays,
// though the range behind it is erased while it is being synchronized, and that is lost.
func TestWrittenBetweenErasures(t *testing.T) {
	for name, erase := range erasers {
		for mode := range None + 1 {
			disk := fullDisk(t, 64<<10)
			v := open(t, disk, VolumeOptions{Mode: mode, FlushInterval: time.Hour})
			must(t, erase(v, t.Context(), 0, 8192))
			mustWriteAt(t, v, 0, 4096, 7)
			disk.onSync = func(context.Context) error {
				disk.onSync = nil
				return erase(v, t.Context(), 8192, 8192)
			}
			mustSync(t, v)
			wantAt(t, v, 0, 4096, 7)
			disk.loseAll()
			mustSync(t, v)
			wantAt(t, v, 0, 4096, 7)
			wantAt(t, v, 4096, 12<<10, 0)
			if !bytes.Equal(disk.durable[:4096], bytes.Repeat([]byte{7}, 4096)) {
				t.Errorf("%s, mode %d: what was synchronized is lost", name, mode)
			}
		}
	}
}

// TestWriteBackBesideErase: what is dirty around a range that is being erased goes out, and
// nothing of the range goes with it.
func TestWriteBackBesideErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8*frameSize/512)
		step := make(chan struct{})
		disk.onErase = func(context.Context, int64, int64) error { <-step; return nil }
		v := open(t, disk, VolumeOptions{})
		if _, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{1}, 8*frameSize), 0); err != nil {
			t.Fatal(err)
		}
		erased, synced := make(chan error, 1), make(chan error, 1)
		go func() { erased <- v.Zero(t.Context(), 2*frameSize, 2*frameSize) }()
		synctest.Wait()
		go func() { synced <- v.Sync(t.Context()) }()
		synctest.Wait()
		if n := disk.written.Load(); n != 6*frameSize {
			t.Errorf("%d bytes were written beside the range, want %d", n, 6*frameSize)
		}
		close(step)
		if err := errors.Join(<-erased, <-synced); err != nil {
			t.Error(err)
		}
		for block, want := range []byte{1, 1, 0, 0, 1, 1, 1, 1} {
			if got := disk.snapshot()[block*frameSize]; got != want {
				t.Errorf("block %d holds %d, want %d", block, got, want)
			}
		}
	})
}

// TestFailedEraseBesideDirty: what was read of a range, of which an erasure that failed may
// have done some, is read again, also beside what is dirty.
func TestFailedEraseBesideDirty(t *testing.T) {
	disk := newFakeDisk(t, 512, 8<<20/512)
	copy(disk.data, bytes.Repeat([]byte{9}, 2*frameSize))
	disk.onErase = func(_ context.Context, off, n int64) error {
		clear(disk.data[off : off+n])
		return errFault
	}
	v := open(t, disk, VolumeOptions{})
	p := make([]byte, 2*frameSize)
	if _, err := v.ReadAt(t.Context(), p, 0); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, v)
	if err := v.Zero(t.Context(), 0, frameSize+512); err != errFault {
		t.Fatal(err)
	}
	if _, err := v.ReadAt(t.Context(), p, 0); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{9}, 2*frameSize)
	clear(want[:frameSize+512])
	copy(want, bytes.Repeat([]byte{1}, 512))
	if !bytes.Equal(p, want) {
		t.Errorf("read %d, %d, %d, %d", p[0], p[512], p[frameSize], p[frameSize+512])
	}
}
