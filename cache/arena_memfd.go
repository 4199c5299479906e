//go:build !race

package cache

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapArena returns size bytes of zeroes outside of the Go heap: a sealed memfd,
// which can be handed to another process.
func mapArena(size int) (memory []byte, fd int, err error) {
	fd, err = unix.MemfdCreate("iscsifs-cache", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, -1, fmt.Errorf("create the memory of the cache: %w", err)
	}
	if memory, err = mapFile(fd, size); err != nil {
		unix.Close(fd)
		return nil, -1, fmt.Errorf("map %d bytes for the cache: %w", size, err)
	}
	return memory, fd, nil
}

func mapFile(fd, size int) ([]byte, error) {
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, err
	}
	return unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func unmapArena(memory []byte, fd int) error {
	if err := unix.Munmap(memory); err != nil {
		return err
	}
	return unix.Close(fd)
}

// populateStep is how much memory is taken at a time: others can map and fault
// memory in between.
const populateStep = 4 << 20

// populate takes the memory of an arena before it is used, so that no reader or
// write-back waits for the kernel to find, and to clear, a page. It ends early
// when stop is closed. A kernel without MADV_POPULATE_WRITE (Linux 5.14) takes
// the memory when it is first used, as it does where there is not enough.
func populate(memory []byte, stop <-chan struct{}) {
	for len(memory) > 0 {
		select {
		case <-stop:
			return
		default:
		}
		n := min(len(memory), populateStep)
		if unix.Madvise(memory[:n], unix.MADV_POPULATE_WRITE) != nil {
			return
		}
		memory = memory[n:]
	}
}
