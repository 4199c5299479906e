package target

import "errors"

// Units in bytes.
const (
	granuleSize = 4 << 10  // in which a backing is allocated, a file at best
	undoSize    = 64 << 10 // in which a write cache remembers
)

// backing stores bytes. Ranges are checked by the caller. Bytes that were
// never written or are unmapped read as zeroes.
type backing interface {
	size() int64
	resize(int64) error
	read(p []byte, off int64) error
	write(p []byte, off int64) error
	// unmap deallocates the granules that lie in the range as a whole and
	// zeroes the rest of it.
	unmap(off, n int64) error
	// mapped tells whether the byte at off is allocated and how many bytes
	// from there on are the same, at most n.
	mapped(off, n int64) (bool, int64)
	sync() error
	close() error
}

var errSize = errors.New("negative size")

// eachChunk splits a range where chunks of a size begin.
func eachChunk(size, off, n int64, f func(chunk, within, length int64) error) error {
	for n > 0 {
		within := off % size
		length := min(n, size-within)
		if err := f(off/size, within, length); err != nil {
			return err
		}
		off, n = off+length, n-length
	}
	return nil
}
