//go:build !race

package cache

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestArena: what is in the memory stays while the kernel takes the rest, in huge pages
// where it has some.
func TestArena(t *testing.T) {
	const size = 3*hugePage + 5*frameSize
	for range 3 { // the next one finds another place
		memory, fd, err := mapArena(size)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unmapArena(memory, fd); err != nil {
				t.Error(err)
			}
		}()
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(memory))); at%hugePage != 0 {
			t.Errorf("%#x is no place for a huge page", at)
		}
		want := make([]byte, size)
		for i := frameSize; i < size; i += 7 * frameSize {
			want[i] = byte(rand.Uint32())
			memory[i] = want[i]
		}
		populate(memory, nil)
		if !bytes.Equal(memory, want) {
			t.Error("something else is in the memory")
		}
	}
}
