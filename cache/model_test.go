package cache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestModel lets writers share blocks but no bytes: each knows what its own
// bytes must be, whatever the others do to the rest of the block.
func TestModel(t *testing.T) {
	for _, blockSize := range []int{512, 4096} {
		for _, faults := range []float64{0, 0.05} {
			t.Run(fmt.Sprintf("block=%d,faults=%v", blockSize, faults), func(t *testing.T) {
				seed := uint64(time.Now().UnixNano())
				t.Logf("seed %d", seed)
				testModel(t, blockSize, faults, seed)
			})
		}
	}
}

func testModel(t *testing.T, blockSize int, faults float64, seed uint64) {
	const writers, rounds = 8, 300
	disk := newFakeDisk(t, blockSize, 64)
	disk.faults = faults
	v := New(disk, Options{})
	model := make([]byte, disk.Size())
	// Writer i owns the bytes from cuts[i] to cuts[i+1]; no cut is at the edge of a block.
	cuts := make([]int, writers+1)
	cuts[writers] = len(model)
	for i := 1; i < writers; i++ {
		cuts[i] = i*len(model)/writers + 1 + i*37
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			w := &modelWriter{v: v, rng: rand.New(rand.NewPCG(seed, uint64(i))), base: cuts[i], model: model[cuts[i]:cuts[i+1]]}
			for range rounds {
				if err := w.step(t); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(disk.snapshot(), model) {
		t.Error("the disk differs from the model")
	}
}

// modelWriter writes and reads a part of a Volume and knows what must be there.
type modelWriter struct {
	v     *Volume
	rng   *rand.Rand
	base  int    // offset of model in the Volume
	model []byte // what the Volume holds from base on
}

func (w *modelWriter) step(t *testing.T) error {
	at := w.rng.IntN(len(w.model))
	n := 1 + w.rng.IntN(min(len(w.model)-at, 3*w.v.BlockSize()))
	part, off := w.model[at:at+n], int64(w.base+at)
	switch w.rng.IntN(5) {
	case 0, 1:
		for i := range part {
			part[i] = byte(w.rng.Uint32())
		}
		return untilGood(func() error { _, err := w.v.WriteAt(t.Context(), part, off); return err })
	case 2:
		clear(part)
		return untilGood(func() error { return w.v.Zero(t.Context(), off, int64(n)) })
	case 3:
		return untilGood(func() error { return w.v.Sync(t.Context()) })
	}
	got := make([]byte, n)
	err := untilGood(func() error { _, err := w.v.ReadAt(t.Context(), got, off); return err })
	if err == nil && !bytes.Equal(got, part) {
		return fmt.Errorf("%d bytes at %d are not what was written", n, off)
	}
	return err
}

// untilGood repeats what fails because of an injected fault.
func untilGood(do func() error) error {
	for {
		if err := do(); !errors.Is(err, errFault) {
			return err
		}
	}
}
