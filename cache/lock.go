package cache

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Lock keeps the memory for data from being swapped, each page as soon as it is used.
// It fails where this process may not lock as much; then nothing is locked.
func (c *Cache) Lock() error {
	start, size := unsafe.Pointer(unsafe.SliceData(c.memory)), uintptr(len(c.memory))
	if _, _, errno := unix.Syscall(unix.SYS_MLOCK2, uintptr(start), size, unix.MLOCK_ONFAULT); errno != 0 {
		return fmt.Errorf("lock %d bytes in memory: %w", size, errno)
	}
	return nil
}
