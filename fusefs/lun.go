package fusefs

import (
	"context"
	"time"
)

// LUN is what a file of the tree presents. Its methods may be called
// concurrently. Offsets and lengths are bytes, of any alignment.
//
// A context is valid until the call that it was passed to returns. It ends when
// the calling process was killed or the file was cut off, and only then.
//
// Errors reach the caller of the system call by their Errno() syscall.Errno
// method, the first found in the chain, or by being a [syscall.Errno]; as EIO
// without one.
type LUN interface {
	// Size is the capacity; it may change at any time.
	Size() int64
	// BlockSize is the length of a logical block.
	BlockSize() int
	// OptimalTransfer is the length that the device likes best; 0 = not known.
	OptimalTransfer() int
	// UnmapGranularity is the length in which the device frees; 0 = not known.
	UnmapGranularity() int
	// ReadOnly tells whether the LUN can be opened for writing.
	ReadOnly() bool
	// ModTime is when the LUN was last written through this mount.
	ModTime() time.Time
	// Read appends to vec slices that together hold the n bytes from off on,
	// fewer only at the end of the LUN. They must stay valid and unmodified
	// until Release. After an error vec is returned as it was.
	Read(ctx context.Context, off int64, n int, vec [][]byte) ([][]byte, error)
	// Release gives back what one Read appended.
	Release(vec [][]byte)
	// WriteAt writes p and returns how much was written. It does not keep p.
	WriteAt(ctx context.Context, p []byte, off int64) (int, error)
	// Zero makes a range that lies within the LUN read as zeroes.
	Zero(ctx context.Context, off, n int64) error
	// Punch is Zero, and frees the range where it lies; EOPNOTSUPP where
	// the LUN cannot, and then nothing was done.
	Punch(ctx context.Context, off, n int64) error
	// Allocation tells what the n bytes from off on are, n being at least 1: a hole,
	// which reads as zeroes, or data. What follows may be the same.
	Allocation(ctx context.Context, off int64) (n int64, hole bool, err error)
	// Thin tells whether the LUN may have no place for what is written.
	Thin() bool
	// Sync returns nil when all that was written before the call is durable.
	Sync(ctx context.Context) error
	// Unsynced tells whether something was written that Sync has not made
	// durable; where it is false, Sync would return at once.
	Unsynced() bool
	// Failures counts the times that writing back or synchronizing failed.
	// Each open file reports a change of the number once.
	Failures() uint64
}
