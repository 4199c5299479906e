package integration

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestWritesAreBatched: many small writes become few large commands.
func TestWritesAreBatched(t *testing.T) {
	const size, least = 32 * mib, 256 * kib
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(size, 512))
	m := h.mount(s.config(""))
	h.sh(`dd if=/dev/zero of="$1" bs=4k count="$2" conv=notrunc,fsync status=none`, m.lun(0), itoa(size/4096))
	n, bytes := volume(s.Commands(), isWrite)
	t.Logf("%d commands, %d KiB on average", n, bytes/int64(n)/kib)
	if bytes != size || bytes/int64(n) < least {
		t.Errorf("%d bytes in %d commands, want %d in commands of %d on average", bytes, n, size, least)
	}
}

// TestReadsAreBatched: who reads one piece after the other is read ahead of, in
// commands that are the larger the less time he leaves for them.
func TestReadsAreBatched(t *testing.T) {
	const size = 32 * mib
	for piece, least := range map[string]int64{"4k": 32 * kib, "128k": 128 * kib} {
		t.Run(piece, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(size, 512))
			m := h.mount(s.config(""))
			before := len(s.Commands())
			h.sh(`dd if="$1" of=/dev/null bs="$2" status=none`, m.lun(0), piece)
			n, bytes := volume(s.since(before), isRead)
			t.Logf("%d commands, %d KiB on average", n, bytes/int64(n)/kib)
			if bytes != size || bytes/int64(n) < least {
				t.Errorf("%d bytes in %d commands, want each byte once, in commands of %d on average", bytes, n, least)
			}
		})
	}
}

// TestOneCommandForABlock: however often a block is written, read and synchronized
// while the target is slow, there are never two writes in flight for it. Else the
// target could execute the older one last.
func TestOneWriteForABlock(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	s.OnExecute(scriptedWrites, target.Delay(3*time.Millisecond))
	s.OnExecute(scriptedReads, target.Delay(time.Millisecond))
	flight := watchFlight(s)
	m := h.mount(s.config("size = \"4MiB\"\nflush_interval = \"100ms\""))
	var writers sync.WaitGroup
	for seed := range uint64(8) {
		f := open(t, m.lun(0), os.O_RDWR)
		writers.Go(func() { hammer(t, f, rand.New(rand.NewPCG(1, seed))) })
	}
	writers.Wait()
	flight.mu.Lock()
	defer flight.mu.Unlock()
	if len(flight.overlaps) > 0 {
		t.Errorf("%d writes of a block that another was in flight for, the first: %s", len(flight.overlaps), flight.overlaps[0])
	}
	if flight.writes < 50 || flight.most < 2 {
		t.Errorf("only %d writes, at most %d commands at once: nothing was tested", flight.writes, flight.most)
	}
}

// hammer writes, reads and synchronizes within few blocks, whole and in part.
func hammer(t *testing.T, f *os.File, rng *rand.Rand) {
	const area = 64 * kib
	p := make([]byte, 12*kib)
	for range 300 {
		piece := p[:(1+rng.IntN(len(p)/512))*512]
		off := int64(rng.IntN((area-len(piece))/512)) * 512
		var err error
		switch rng.IntN(8) {
		case 0:
			err = f.Sync()
		case 1:
			_, err = f.ReadAt(piece, off)
		default:
			_, err = f.WriteAt(piece, off)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}
