//go:build race

package cache

import "unsafe"

// mapArena takes the memory from the Go heap, where the race detector looks.
func mapArena(size int) (memory []byte, fd int, err error) {
	words := make([]uint64, (size+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), size), -1, nil
}

func unmapArena([]byte, int) error { return nil }

// populate has nothing to do: the memory of the Go heap is the runtime's.
func populate([]byte, <-chan struct{}) {}
