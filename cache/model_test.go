package cache

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var (
	long = flag.Int("long", 1, "multiplies the length of the model tests")
	seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the model tests")
)

// TestModel lets writers share blocks but no bytes: each knows what its own
// bytes must be, whatever the others do to the rest of the block, the cache to
// the block, and faults and restarts to the disk.
func TestModel(t *testing.T) {
	for _, blockSize := range []int{512, 4096} {
		for mode, name := range []string{"writeback", "writethrough", "none"} {
			t.Run(fmt.Sprintf("%s,block=%d", name, blockSize), func(t *testing.T) {
				t.Parallel()
				t.Logf("-seed %d", *seed)
				m := newModel(t, blockSize, Mode(mode))
				m.run(t)
			})
		}
	}
}

type model struct {
	disk *fakeDisk
	v    *Volume
	data []byte
	cuts []int // writer i owns the bytes from cuts[i] to cuts[i+1]
}

const modelWriters = 8

func newModel(t *testing.T, blockSize int, mode Mode) *model {
	const size = 8<<20 + 4096 // twice the cache
	m := &model{disk: newFakeDisk(t, blockSize, size/blockSize), data: make([]byte, size)}
	m.disk.volatile()
	m.disk.faults, m.disk.yields = 0.01, true
	opts := VolumeOptions{Mode: mode, ReadAhead: 1 << 20, DirtyLimit: 1 << 20, FlushInterval: 100 * time.Millisecond}
	if blockSize == 512 {
		opts.MaxAge = 20 * time.Millisecond
	}
	m.v = open(t, m.disk, opts)
	m.cuts = make([]int, modelWriters+1)
	m.cuts[modelWriters] = size
	for i := 1; i < modelWriters; i++ { // no cut is at the edge of a block
		m.cuts[i] = i*size/modelWriters + 1 + i*37
	}
	return m
}

func (m *model) run(t *testing.T) {
	var writers sync.WaitGroup
	for i := range modelWriters {
		writers.Go(func() {
			w := &modelWriter{v: m.v, disk: m.disk, rng: rand.New(rand.NewPCG(*seed, uint64(i))), bytes: rand.NewChaCha8([32]byte{byte(i), byte(*seed)}), base: m.cuts[i], model: m.data[m.cuts[i]:m.cuts[i+1]]}
			for range 2500 * *long {
				if err := w.step(t.Context()); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	writers.Wait()
	m.v.cache.verify(t)
	if err := untilGood(func() error { return m.v.Sync(t.Context()) }); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(m.disk.durable, m.data) {
		t.Error("what is durable differs from the model")
	}
}

// modelWriter writes and reads a part of a Volume and knows what must be there.
type modelWriter struct {
	v     *Volume
	disk  *fakeDisk
	rng   *rand.Rand
	bytes *rand.ChaCha8 // faster where there are many
	base  int           // offset of model in the Volume
	model []byte        // what the Volume holds from base on
	hot   int           // where it prefers to work
	next  int           // where what was erased last ends
}

func (w *modelWriter) step(ctx context.Context) error {
	if w.rng.IntN(200) == 0 {
		w.disk.crash()
	}
	switch w.rng.IntN(400) {
	case 0:
		if err := w.v.Distrust(ctx); err != nil {
			return err
		}
	case 1:
		w.v.HoldLate()
		w.disk.pause()
		w.v.WriteLate()
	}
	if w.rng.IntN(50) == 0 {
		w.hot = w.rng.IntN(len(w.model))
	}
	at := min(w.hot+w.rng.IntN(64<<10), len(w.model)-1)
	longest := 1 << (5 + w.rng.IntN(8))
	if w.rng.IntN(20) == 0 {
		longest = 128 << 10
	}
	n := 1 + w.rng.IntN(min(len(w.model)-at, longest))
	part, off := w.model[at:at+n], int64(w.base+at)
	switch w.rng.IntN(25) {
	default:
		_, _ = w.bytes.Read(part)
		return untilGood(func() error { _, err := w.v.WriteAt(ctx, part, off); return err })
	case 0:
		return w.erase(ctx, at, n, (*Volume).Zero)
	case 1:
		return untilGood(func() error { return w.v.Sync(ctx) })
	case 2:
		return w.erase(ctx, at, n, (*Volume).Punch)
	case 15:
		return w.allocation(ctx, part, off)
	case 3:
		return w.giveUp(ctx, part, off)
	case 4, 5, 6, 7, 8:
		return w.pinned(ctx, part, off)
	case 9, 10, 11, 12, 13, 14:
		got := make([]byte, n)
		err := untilGood(func() error { _, err := w.v.ReadAt(ctx, got, off); return err })
		return w.compare(err, got, part, off)
	}
}

// erase goes on where the last one ended, now and then, as fstrim does.
func (w *modelWriter) erase(ctx context.Context, at, n int, erase func(*Volume, context.Context, int64, int64) error) error {
	if w.rng.IntN(2) == 0 && w.next < len(w.model) {
		at = w.next
		n = min(n+4096-(w.base+at+n)%4096, len(w.model)-at) // up to the end of a block
	}
	w.next = at + n
	clear(w.model[at:w.next])
	return untilGood(func() error { return erase(w.v, ctx, int64(w.base+at), int64(n)) })
}

func (w *modelWriter) compare(err error, got, want []byte, off int64) error {
	if err != nil || bytes.Equal(got, want) {
		return err
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("of %d bytes at %d, number %d is %#x and not %#x", len(got), off, i, got[i], want[i])
		}
	}
	return errors.New("too short")
}

// pinned holds what it has read for a while.
func (w *modelWriter) pinned(ctx context.Context, want []byte, off int64) error {
	var vec [][]byte
	err := untilGood(func() (err error) { vec, err = w.v.Read(ctx, off, len(want), nil); return err })
	if err != nil {
		return err
	}
	defer w.v.Release(vec)
	was := bytes.Join(vec, nil)
	if err := w.compare(nil, was, want, off); err != nil {
		return err
	}
	// A write must leave the slices as they are.
	_, _ = w.bytes.Read(want[:len(want)/2])
	err = untilGood(func() error { _, err := w.v.WriteAt(ctx, want[:len(want)/2], off); return err })
	if err != nil {
		return err
	}
	for range w.rng.IntN(3) {
		w.disk.pause()
	}
	return w.compare(nil, bytes.Join(vec, nil), was, off)
}

// allocation finds no hole where the model has data.
func (w *modelWriter) allocation(ctx context.Context, part []byte, off int64) error {
	n, hole, err := w.v.Allocation(ctx, off)
	if err != nil || !hole {
		return err
	}
	for i, b := range part[:min(int64(len(part)), n)] {
		if b != 0 {
			return fmt.Errorf("%#x in a hole of %d bytes at %d, number %d", b, n, off, i)
		}
	}
	return nil
}

// giveUp does something with a context that has ended, or ends soon.
func (w *modelWriter) giveUp(ctx context.Context, part []byte, off int64) error {
	soon, cancel := context.WithTimeout(ctx, time.Duration(w.rng.IntN(300))*time.Microsecond)
	defer cancel()
	switch w.rng.IntN(5) {
	case 0:
		got := make([]byte, len(part))
		if _, err := w.v.ReadAt(soon, got, off); err != nil {
			return nil
		}
		return w.compare(nil, got, part, off)
	case 1:
		_ = w.v.Sync(soon)
		return nil
	case 2:
		_ = w.v.Zero(soon, off, int64(len(part)))
	case 3:
		_ = w.v.Punch(soon, off, int64(len(part)))
	case 4:
		_, _ = w.v.WriteAt(soon, make([]byte, len(part)), off)
	}
	// Any part of it may be done, but nothing comes later.
	return untilGood(func() error { _, err := w.v.WriteAt(ctx, part, off); return err })
}

// untilGood repeats what fails because of an injected fault, or of a disk that has
// shrunk, or is held back, for a while.
func untilGood(do func() error) error {
	for {
		err := do()
		if !errors.Is(err, errFault) && !errors.Is(err, ErrShrunk) && !errors.Is(err, ErrLate) {
			return err
		}
		if err == ErrShrunk || err == ErrLate {
			time.Sleep(time.Millisecond)
		}
	}
}
