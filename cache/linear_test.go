package cache

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// access is one read or write of a block's number.
type access struct {
	block int
	write bool
	value uint64 // written
}

// register is a block for the checker: what is read is what was written last.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byBlock := map[int][]porcupine.Operation{}
		for _, op := range history {
			b := op.Input.(access).block
			byBlock[b] = append(byBlock[b], op)
		}
		parts := make([][]porcupine.Operation, 0, len(byBlock))
		for _, ops := range byBlock {
			parts = append(parts, ops)
		}
		return parts
	},
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		in := input.(access)
		if in.write {
			return true, in.value
		}
		return output.(uint64) == state.(uint64), state
	},
}

// TestLinearizable has several clients read and write the same few blocks, in
// whole and next to each other, while the disk fails and restarts.
func TestLinearizable(t *testing.T) {
	t.Logf("-seed %d", *seed)
	for _, mode := range []Mode{Writeback, Writethrough, None} {
		history := clientsHistory(t, mode)
		if got, _ := porcupine.CheckOperationsVerbose(register, history, time.Minute); got != porcupine.Ok {
			t.Errorf("mode %d: %d operations: %v", mode, len(history), got)
		}
	}
}

func clientsHistory(t *testing.T, mode Mode) []porcupine.Operation {
	const clients, blocks = 5, 24
	disk := newFakeDisk(t, 512, 1<<14)
	disk.volatile()
	disk.yields, disk.sound = true, true // a range that could not be erased may be seen as it was, as it is to be, and again
	if mode == Writeback {
		disk.faults = 0.01 // else a write that failed may be seen, and be lost in a restart
	}
	v := open(t, disk, VolumeOptions{Mode: mode, FlushInterval: 5 * time.Millisecond, DirtyLimit: 64 << 10, ReadAhead: 1 << 20})
	var mu sync.Mutex
	var history []porcupine.Operation
	start := time.Now()
	var wg sync.WaitGroup
	for id := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(*seed, uint64(id)))
			for i := range 600 * *long {
				op := client(t, v, disk, rng, rng.IntN(blocks), uint64(id*1_000_000+i+1), start)
				if op == nil {
					continue
				}
				op.ClientId = id
				mu.Lock()
				history = append(history, *op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}

// client does one thing and returns what the checker has to know of it.
func client(t *testing.T, v *Volume, disk *fakeDisk, rng *rand.Rand, block int, value uint64, start time.Time) *porcupine.Operation {
	p := make([]byte, sectorSize)
	op := &porcupine.Operation{Input: access{block: block, write: true, value: value}, Call: int64(time.Since(start))}
	switch rng.IntN(10) {
	case 0:
		_ = v.Sync(t.Context())
		return nil
	case 1:
		if rng.IntN(10) == 0 {
			disk.crash()
		}
		// Something else passes through the cache.
		_, _ = v.ReadAt(t.Context(), make([]byte, 128<<10), rng.Int64N(v.Size()-128<<10))
		return nil
	case 2:
		op.Input = access{block: block, write: true}
		erase := erasers[[]string{"zero", "punch"}[rng.IntN(2)]]
		if err := erase(v, context.Background(), int64(block)*sectorSize, sectorSize); err != nil {
			t.Error(err)
		}
	case 3, 4, 5:
		binary.LittleEndian.PutUint64(p, value)
		if _, err := v.WriteAt(context.Background(), p, int64(block)*sectorSize); err != nil {
			op.Return = 1 << 62 // it may take effect at any later time
			return op
		}
	default:
		if _, err := v.ReadAt(context.Background(), p, int64(block)*sectorSize); err != nil {
			return nil
		}
		op.Input = access{block: block}
		op.Output = binary.LittleEndian.Uint64(p)
	}
	op.Return = int64(time.Since(start))
	return op
}
