//go:build !race

package cache

import (
	"fmt"
	"os"
	"unsafe"

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
	return mapAligned(fd, size)
}

// mapAligned maps a file to where huge pages can hold it. It finds the place by taking
// more than that, and gives the rest back.
func mapAligned(fd, size int) ([]byte, error) {
	page := os.Getpagesize()
	length := (size + page - 1) &^ (page - 1)
	place, err := unix.MmapPtr(-1, 0, nil, uintptr(length+hugePage), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	before := int(-uintptr(place) % hugePage)
	at := unsafe.Add(place, before)
	if _, err = unix.MmapPtr(fd, 0, at, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		giveBack(place, length+hugePage)
		return nil, err
	}
	giveBack(place, before)
	giveBack(unsafe.Add(at, length), hugePage-before)
	return unsafe.Slice((*byte)(at), size), nil
}

// giveBack unmaps whole pages, or nothing.
func giveBack(place unsafe.Pointer, n int) {
	if n > 0 {
		_ = unix.MunmapPtr(place, uintptr(n)) // fails for what is no whole page only
	}
}

func unmapArena(memory []byte, fd int) error {
	if err := unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(memory)), uintptr(len(memory))); err != nil {
		return err
	}
	return unix.Close(fd)
}

// hugePage is the length in bytes of what one entry of a page table's second level maps,
// where pages have 4 KiB.
const hugePage = 2 << 20

// populate takes the memory of an arena before it is used, so that no reader or
// write-back waits for the kernel to find, and to clear, a page. It ends early
// when stop is closed. A kernel without MADV_POPULATE_WRITE (Linux 5.14) takes
// the memory when it is first used, as it does where there is not enough.
func populate(memory []byte, stop <-chan struct{}) {
	huge := true
	for len(memory) > 0 {
		select {
		case <-stop:
			return
		default:
		}
		n := min(len(memory), hugePage)
		huge = huge && n == hugePage && collapse(memory[:n])
		if unix.Madvise(memory[:n], unix.MADV_POPULATE_WRITE) != nil {
			return
		}
		memory = memory[n:]
	}
}

// collapse has a huge page hold the memory, where the kernel can (Linux 6.1): a FUSE
// reply pins each page that it is copied from, which was a seventh of the cost of large
// reads. It returns false if it would fail for more too.
func collapse(memory []byte) bool {
	if unix.Madvise(memory[:frameSize], unix.MADV_POPULATE_WRITE) != nil { // nothing at all does not collapse
		return false
	}
	err := unix.Madvise(memory, unix.MADV_COLLAPSE)
	return err == nil || err == unix.EAGAIN // a page of it is in use
}
