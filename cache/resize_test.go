package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// resize changes the capacity, within what the disk was made with. What lies beyond
// a smaller one is lost: something else is there when it grows again.
func (d *fakeDisk) resize(size int64) {
	d.size.Store(size)
	for !d.quietBeyond(size) {
		runtime.Gosched()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := size; i < int64(len(d.data)); i++ {
		d.data[i] = byte(rand.Uint32())
		if d.durable != nil {
			d.durable[i] = d.data[i]
		}
	}
	for at := range d.unsafe {
		if at >= size {
			delete(d.unsafe, at)
		}
	}
}

// quietBeyond tells whether no write beyond off is under way.
func (d *fakeDisk) quietBeyond(off int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, busy := range d.writing[off/frameSize:] {
		if busy {
			return false
		}
	}
	return true
}

// resizable is a disk that is as large as it can be.
func resizable(t testing.TB, size int) *fakeDisk {
	disk := newFakeDisk(t, 512, size/512)
	disk.resizes = true
	return disk
}

func mustWriteAt(t *testing.T, v *Volume, off int64, n int, b byte) {
	t.Helper()
	if m, err := v.WriteAt(t.Context(), bytes.Repeat([]byte{b}, n), off); m != n || err != nil {
		t.Fatalf("write of %d bytes at %d: %d, %v", n, off, m, err)
	}
}

func mustSync(t *testing.T, v *Volume) {
	t.Helper()
	if err := v.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestGrow: new blocks can be used at once, also where the old end was within a
// frame that is in memory.
func TestGrow(t *testing.T) {
	disk := resizable(t, 64<<10)
	disk.resize(9*frameSize + 512)
	v := open(t, disk, VolumeOptions{})
	mustWriteAt(t, v, 9*frameSize, 512, 1)
	if n, err := v.WriteAt(t.Context(), make([]byte, 512), 9*frameSize+512); n != 0 || err != ErrEnd {
		t.Errorf("write at the end: %d, %v", n, err)
	}
	disk.resize(64 << 10)
	if v.Size() != 64<<10 {
		t.Errorf("the size is %d", v.Size())
	}
	mustWriteAt(t, v, 63<<10, 1024, 2)
	got := make([]byte, 64<<10)
	if n, err := v.ReadAt(t.Context(), got, 0); n != len(got) || err != nil {
		t.Fatal(n, err)
	}
	want := disk.snapshot()
	for i := range 512 {
		want[9*frameSize+i] = 1
	}
	for i := range 1024 {
		want[63<<10+i] = 2
	}
	if !bytes.Equal(got, want) {
		t.Error("wrong content")
	}
}

// TestShrinkClean: nothing beyond the new end is owed to anybody: it is taken over,
// access ends there, and after a later growth what is there now is read.
func TestShrinkClean(t *testing.T) {
	for _, end := range []int64{8 * frameSize, 8*frameSize + 512} {
		disk := resizable(t, 64<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		mustWriteAt(t, v, 0, 64<<10, 1)
		mustSync(t, v)
		mustWriteAt(t, v, 8*frameSize, 512, 3) // stays within
		disk.resize(end + 512 - 512*(end/512%2))
		end := disk.Size()
		if v.Shrunk() || v.Size() != end {
			t.Fatalf("held back: %v, size %d and not %d", v.Shrunk(), v.Size(), end)
		}
		p := make([]byte, 1024)
		if n, err := v.ReadAt(t.Context(), p, end); n != 0 || err != io.EOF {
			t.Errorf("read at the end: %d, %v", n, err)
		}
		if n, err := v.WriteAt(t.Context(), p, end-512); n != 512 || err != ErrEnd {
			t.Errorf("write across the end: %d, %v", n, err)
		}
		mustSync(t, v)
		disk.resize(64 << 10)
		got := make([]byte, 64<<10)
		if _, err := v.ReadAt(t.Context(), got, 0); err != nil || !bytes.Equal(got, disk.snapshot()) {
			t.Errorf("grown again: %v, or old content", err)
		}
	}
}

// TestShrinkDirty: with data beyond the new end nothing at all is written back, in
// whatever mode, until the smaller size is accepted.
func TestShrinkDirty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := resizable(t, 64<<10)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Second})
		mustWriteAt(t, v, 0, 4096, 1)
		mustWriteAt(t, v, 32<<10-512, 1024, 2)
		if n := v.UnsyncedBeyond(32 << 10); n != 512 {
			t.Errorf("%d bytes beyond are not synchronized", n)
		}
		disk.resize(32 << 10)
		if v.Size() != 64<<10 || !v.Shrunk() || !v.Stats().Shrunk {
			t.Errorf("size %d, held back: %v", v.Size(), v.Shrunk())
		}
		before := disk.writes.Load()
		time.Sleep(time.Minute)
		if err := v.Sync(t.Context()); !errors.Is(err, ErrShrunk) {
			t.Errorf("Sync: %v", err)
		}
		if n := disk.writes.Load() - before; n != 0 {
			t.Errorf("%d writes", n)
		}
		p := make([]byte, 1024)
		if _, err := v.ReadAt(t.Context(), p, 32<<10-512); err != nil || p[512] != 2 {
			t.Errorf("what was written beyond reads %d, %v", p[512], err)
		}
		if _, err := v.ReadAt(t.Context(), p, 48<<10); !errors.Is(err, ErrShrunk) {
			t.Errorf("a read of what is not there: %v", err)
		}
		failures := v.Failures()
		if n, err := v.AcceptShrink(t.Context()); n != 512 || err != nil {
			t.Errorf("accepted: dropped %d, %v", n, err)
		}
		if v.Failures() == failures {
			t.Error("no open file is told of the loss")
		}
		mustSync(t, v)
		if v.Size() != 32<<10 || v.Shrunk() || disk.data[0] != 1 || disk.data[32<<10-1] != 2 {
			t.Errorf("size %d, held back: %v, or what lies within was not written", v.Size(), v.Shrunk())
		}
	})
}

// TestResizeAfterClose: a closed Volume holds nothing, whoever has its place.
func TestResizeAfterClose(t *testing.T) {
	c := newCache(t, 0)
	closed := openOn(t, c, resizable(t, 64<<10), VolumeOptions{})
	if err := closed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := openOn(t, c, resizable(t, 64<<10), VolumeOptions{FlushInterval: time.Hour})
	mustWriteAt(t, v, 0, 4096, 1)
	if n := closed.UnsyncedBeyond(0); n != 0 {
		t.Errorf("%d bytes of a closed Volume are not synchronized", n)
	}
	closed.dev.(measured).Device.(*fakeDisk).resize(512)
	if n, err := closed.AcceptShrink(t.Context()); n != 0 || err != nil || v.UnsyncedBeyond(0) != 4096 {
		t.Errorf("dropped %d, %v, and %d of the other's 4096 bytes are left", n, err, v.UnsyncedBeyond(0))
	}
}

// TestShrinkForAMoment: a disk that has its size again has lost what it answered
// GOOD for and had not synchronized.
func TestShrinkForAMoment(t *testing.T) {
	for _, mode := range []Mode{Writeback, Writethrough, None} {
		disk := resizable(t, 64<<10)
		v := open(t, disk, VolumeOptions{Mode: mode, FlushInterval: time.Hour})
		mustWriteAt(t, v, 60<<10, 4096, 1)
		disk.resize(32 << 10)
		if !v.Shrunk() {
			t.Error("not held back")
		}
		if _, err := v.WriteAt(t.Context(), make([]byte, 512), 0); mode != Writeback && !errors.Is(err, ErrShrunk) {
			t.Errorf("mode %d: a write while it is held back: %v", mode, err)
		}
		disk.resize(64 << 10)
		if v.Shrunk() {
			t.Error("held back")
		}
		mustSync(t, v)
		if disk.data[60<<10] != 1 || disk.data[64<<10-1] != 1 {
			t.Errorf("mode %d: what was acknowledged is lost", mode)
		}
	}
}

// TestResizeModel: one client, a disk that changes its size, and a plain byte
// array.
func TestResizeModel(t *testing.T) {
	for mode, name := range []string{"writeback", "writethrough", "none"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("-seed %d", *seed)
			// So small that nothing but the client asks for a SYNCHRONIZE CACHE.
			const most = 24 * frameSize
			disk := resizable(t, most)
			disk.volatile()
			m := &resizeModel{disk: disk, rng: rand.New(rand.NewPCG(*seed, uint64(mode))), bytes: make([]modelByte, most), size: most}
			m.v = open(t, disk, VolumeOptions{Mode: Mode(mode), FlushInterval: time.Hour, ReadAhead: 64 << 10})
			for i := range 500 * *long {
				if err := m.step(t.Context()); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			m.v.cache.verify(t)
		})
	}
}

type resizeModel struct {
	disk  *fakeDisk
	v     *Volume
	rng   *rand.Rand
	bytes []modelByte
	size  int64
	held  bool
}

// modelByte is one byte of a Volume.
type modelByte struct {
	value    byte
	unsynced bool // not overwritten by what the disk has
	gone     bool // the disk has shrunk below it: it cannot be read
}

func (m *resizeModel) step(ctx context.Context) error {
	off := m.rng.Int64N(m.size)
	n := 1 + m.rng.Int64N(min(m.size-off, 16<<10))
	switch m.rng.IntN(16) {
	case 0:
		return m.resize(512 * (1 + m.rng.Int64N(int64(len(m.bytes)/512))))
	case 1:
		return m.accept(ctx)
	case 2:
		return m.sync(ctx)
	case 3, 4, 5, 6, 7, 8:
		return m.read(ctx, off, n)
	}
	return m.write(ctx, off, n)
}

func (m *resizeModel) write(ctx context.Context, off, n int64) error {
	if m.held { // what it then reads of a block first may be gone
		off, n = off/512*512, (n+511)/512*512
	}
	if m.held && m.v.opts.Mode != Writeback {
		return nil
	}
	p := bytes.Repeat([]byte{byte(m.rng.Uint32())}, int(n))
	if _, err := m.v.WriteAt(ctx, p, off); err != nil && !errors.Is(err, ErrEnd) {
		return err
	}
	for at := off / 512 * 512; at < min((off+n+511)/512*512, m.size); at++ {
		b := &m.bytes[at]
		if b.unsynced, b.gone = true, false; at >= off && at < off+n {
			b.value = p[at-off]
		}
	}
	return nil
}

func (m *resizeModel) read(ctx context.Context, off, n int64) error {
	p := make([]byte, n)
	_, err := m.v.ReadAt(ctx, p, off)
	if errors.Is(err, ErrShrunk) {
		for _, b := range m.bytes[off : off+n] {
			if b.gone {
				return nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("read of %d bytes at %d of %d, held back: %v: %w", n, off, m.size, m.held, err)
	}
	return m.compare(p, off)
}

func (m *resizeModel) compare(p []byte, off int64) error {
	for i, b := range p {
		if want := m.bytes[off+int64(i)]; want.value != b || want.gone {
			return fmt.Errorf("byte %d is %#x and not %+v", off+int64(i), b, want)
		}
	}
	return nil
}

// sync compares the whole disk.
func (m *resizeModel) sync(ctx context.Context) error {
	err := m.v.Sync(ctx)
	for errors.Is(err, errFault) { // of a command that was under way when the disk shrank
		err = m.v.Sync(ctx)
	}
	if m.held {
		if !errors.Is(err, ErrShrunk) {
			return fmt.Errorf("Sync of what is held back: %v", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for i := range m.bytes {
		m.bytes[i].unsynced = false
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	return m.compare(m.disk.durable[:m.size], 0)
}

func (m *resizeModel) resize(to int64) error {
	before := m.disk.Size()
	m.disk.resize(to)
	now := m.disk.snapshot()
	unsynced := int64(0)
	for i := range m.bytes {
		switch b, at := &m.bytes[i], int64(i); {
		case at >= to && at < m.size && b.unsynced:
			unsynced++
		case at >= to:
			b.unsynced, b.gone = false, true
		case at >= before && !b.unsynced:
			b.value, b.gone = now[i], false
		}
	}
	if m.held = unsynced > 0; !m.held {
		m.size = to
	}
	if size, held, n := m.v.Size(), m.v.Shrunk(), m.v.UnsyncedBeyond(to); size != m.size || held != m.held || n != unsynced {
		return fmt.Errorf("from %d to %d with %d bytes beyond: the size is %d and not %d, held back: %v, with %d bytes", before, to, unsynced, size, m.size, held, n)
	}
	return nil
}

func (m *resizeModel) accept(ctx context.Context) error {
	want := int64(0)
	m.size, m.held = m.disk.Size(), false
	for i := m.size; i < int64(len(m.bytes)); i++ {
		if m.bytes[i].unsynced {
			want++
		}
		m.bytes[i].unsynced, m.bytes[i].gone = false, true
	}
	dropped, err := m.v.AcceptShrink(ctx)
	if err != nil || dropped != want || m.v.Size() != m.size {
		return fmt.Errorf("dropped %d and not %d, the size is %d and not %d: %w", dropped, want, m.v.Size(), m.size, err)
	}
	return nil
}

// TestResizeUnderLoad: a disk that shrinks and grows all the time does not harm what
// lies below all its sizes, nor hang who writes beyond them.
func TestResizeUnderLoad(t *testing.T) {
	const size, least = 2 << 20, 1<<20 + 512
	disk := resizable(t, size)
	disk.volatile()
	disk.yields = true
	v := open(t, disk, VolumeOptions{ReadAhead: 256 << 10, FlushInterval: 10 * time.Millisecond})
	var writers sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			part := make([]byte, least/4-100)
			w := &modelWriter{v: v, disk: disk, rng: rand.New(rand.NewPCG(*seed, uint64(i))), bytes: rand.NewChaCha8([32]byte{byte(i)}), base: i * least / 4, model: part}
			for range 100 * *long {
				if err := w.step(t.Context()); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() { disturbBeyond(t, v, least, done) })
	}
	others.Go(func() { keepResizing(t, v, disk, least, done) })
	writers.Wait()
	close(done)
	others.Wait()
	v.cache.verify(t)
}

// disturbBeyond writes and reads what may be gone at any time.
func disturbBeyond(t *testing.T, v *Volume, from int64, done chan struct{}) {
	p := make([]byte, 8<<10)
	for {
		select {
		case <-done:
			return
		default:
		}
		time.Sleep(100 * time.Microsecond)
		off := from + rand.Int64N(1<<20)
		if _, err := v.WriteAt(t.Context(), p[:1+rand.IntN(len(p))], off); err != nil && err != ErrEnd && err != ErrShrunk && err != ErrLate && err != errFault {
			t.Errorf("write: %v", err)
		}
		if _, err := v.ReadAt(t.Context(), p, off); err != nil && err != io.EOF && err != ErrShrunk && err != errFault && err != io.ErrUnexpectedEOF {
			t.Errorf("read: %v", err)
		}
	}
}

func keepResizing(t *testing.T, v *Volume, disk *fakeDisk, least int64, done chan struct{}) {
	for {
		disk.resize((least + rand.Int64N(1<<20)) / 512 * 512)
		time.Sleep(time.Millisecond)
		if rand.IntN(2) == 0 {
			v.Size()
			disk.resize(2 << 20)
		}
		if _, err := v.AcceptShrink(t.Context()); err != nil {
			t.Errorf("AcceptShrink: %v", err)
		}
		select {
		case <-done:
			disk.resize(2 << 20)
			v.Size()
			return
		default:
		}
	}
}

// TestHeldUntilItGrows: what was held back while the disk was too small goes out when it
// has grown, whoever notices that.
func TestHeldUntilItGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8<<20/512)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Second})
		if _, err := v.WriteAt(t.Context(), make([]byte, 512), 4<<20); err != nil {
			t.Fatal(err)
		}
		disk.size.Store(2 << 20)
		if !v.Shrunk() {
			t.Fatal("it has not shrunk")
		}
		time.Sleep(time.Minute)
		disk.size.Store(8 << 20)
		if v.Shrunk() || disk.writes.Load() > 0 {
			t.Fatalf("shrunk %v, %d writes", v.Shrunk(), disk.writes.Load())
		}
		time.Sleep(time.Minute)
		if v.Unsynced() {
			t.Error("what was held back is not written")
		}
	})
}

// TestFetchAcrossShrink: what was read before the disk shrank is not there after it has
// grown again, nor beside what is dirty.
func TestFetchAcrossShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &lateReads{resizable(t, 64<<10), make(chan struct{})}
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		mustWriteAt(t, v, 12*frameSize, 512, 1)
		read := func() []byte {
			p := make([]byte, 5*frameSize)
			if _, err := v.ReadAt(t.Context(), p, 10*frameSize); err != nil {
				t.Error(err)
			}
			return p
		}
		go read()
		synctest.Wait()
		for _, size := range []int64{32 << 10, 64 << 10} {
			disk.resize(size)
			v.Size()
		}
		close(disk.release)
		synctest.Wait()
		want := disk.snapshot()[10*frameSize:][:5*frameSize]
		copy(want[2*frameSize:], bytes.Repeat([]byte{1}, 512))
		if !bytes.Equal(read(), want) {
			t.Error("what was read before is still there")
		}
	})
}
