package cache

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestPowerCut cuts the power of target and host at a random moment: of each
// block there must then be a version no older than the last one for which a Sync
// returned, and no newer than the last one that was written.
func TestPowerCut(t *testing.T) {
	t.Logf("-seed %d", *seed)
	for i := range 20 * *long {
		testPowerCut(t, *seed+uint64(i))
	}
}

// versions are what one writer has done to its blocks, by block.
type versions struct {
	mu      sync.Mutex
	begun   []uint64   // that WriteAt, Zero or Punch was called for
	durable []uint64   // that a Sync has answered for
	zeroes  [][]uint64 // that are zeroes
}

func testPowerCut(t *testing.T, seed uint64) {
	const blocks, writers = 1024, 4
	disk := newFakeDisk(t, 512, blocks)
	disk.volatile()
	disk.faults, disk.yields = 0.01, true
	v := open(t, disk, VolumeOptions{FlushInterval: 10 * time.Millisecond})
	known := versions{begun: make([]uint64, blocks), durable: make([]uint64, blocks), zeroes: make([][]uint64, blocks)}
	for b := range blocks {
		known.zeroes[b] = []uint64{0}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for n := uint64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				known.step(t, v, disk, rng, w, writers, n)
			}
		})
	}
	time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	then, left := known.cut(disk)
	close(stop)
	wg.Wait()
	for b := range blocks {
		then.check(t, left[b*sectorSize:][:sectorSize], b)
	}
}

// step writes a version to some blocks of writer w, or synchronizes.
func (k *versions) step(t *testing.T, v *Volume, disk *fakeDisk, rng *rand.Rand, w, writers int, n uint64) {
	if rng.IntN(200) == 0 {
		disk.crash()
	}
	if rng.IntN(20) == 0 {
		k.sync(t, v, w, writers)
		return
	}
	b := rng.IntN(len(k.begun)/writers)*writers + w
	p := make([]byte, sectorSize)
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], n)
	}
	k.mu.Lock()
	k.begun[b] = n
	erase := erasers[[]string{"zero", "punch", ""}[rng.IntN(3)]]
	if erase != nil {
		k.zeroes[b] = append(k.zeroes[b], n)
	}
	k.mu.Unlock()
	if erase != nil {
		if err := untilGood(func() error { return erase(v, t.Context(), int64(b)*sectorSize, sectorSize) }); err != nil {
			t.Error(err)
		}
		return
	}
	if _, err := v.WriteAt(t.Context(), p, int64(b)*sectorSize); err != nil {
		t.Error(err)
	}
}

func (k *versions) sync(t *testing.T, v *Volume, w, writers int) {
	k.mu.Lock()
	before := slices.Clone(k.begun)
	k.mu.Unlock()
	if v.Sync(t.Context()) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for b := w; b < len(before); b += writers { // the others' may not have ended
		k.durable[b] = before[b]
	}
}

// cut returns what is known now, and what the disk would hold if the power were
// cut now.
func (k *versions) cut(disk *fakeDisk) (*versions, []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	disk.mu.Lock()
	defer disk.mu.Unlock()
	left := slices.Clone(disk.durable)
	for at := range disk.unsafe {
		if rand.IntN(2) == 0 {
			copy(left[at:at+sectorSize], disk.data[at:])
		}
	}
	return &versions{begun: slices.Clone(k.begun), durable: slices.Clone(k.durable), zeroes: slices.Clone(k.zeroes)}, left
}

func (k *versions) check(t *testing.T, p []byte, b int) {
	n := binary.LittleEndian.Uint64(p)
	for i := 0; i < len(p); i += 8 {
		if binary.LittleEndian.Uint64(p[i:]) != n {
			t.Errorf("block %d is torn", b)
			return
		}
	}
	if n == 0 { // the last of these that it may be
		for _, zero := range k.zeroes[b] {
			if zero <= k.begun[b] {
				n = zero
			}
		}
	}
	if n < k.durable[b] || n > k.begun[b] {
		t.Errorf("block %d holds version %d: %d is durable, %d the last", b, n, k.durable[b], k.begun[b])
	}
}
