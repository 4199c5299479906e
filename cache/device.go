package cache

import "context"

// Device is the disk below a Volume. Its methods may be called concurrently. Those
// without a context return at once, and call nothing of this package.
//
// Offsets are bytes and multiples of the block size; so is the sum of the
// lengths of bufs. The slices belong to the Device until the call returns,
// also when ctx ends it, and never after.
type Device interface {
	// ReadvAt fills bufs, in order, from off on. How many commands it takes,
	// and how many of them at a time, is the Device's business.
	ReadvAt(ctx context.Context, bufs [][]byte, off int64) error
	// WritevAt writes bufs, in order, from off on. It returns nil when the
	// target has answered GOOD for all of it; after an error any part of it may
	// or may not be on the target.
	WritevAt(ctx context.Context, bufs [][]byte, off int64) error
	// Sync asks the target to make durable what it has answered GOOD for
	// (SYNCHRONIZE CACHE, SBC-4 section 5.31).
	Sync(ctx context.Context) error
	// Epoch changes whenever what was written and not synchronized may be lost:
	// the session was reinstated, or the target reported a power-on or reset.
	Epoch() uint64
	// Size is the capacity in bytes. It may change while the Device is in use.
	Size() int64
	// BlockSize is the length of a logical block in bytes, a power of two.
	BlockSize() int
	// OptimalTransfer is the OPTIMAL TRANSFER LENGTH in bytes (VPD page B0h); 0
	// = not reported.
	OptimalTransfer() int
	// MaxTransfer is the MAXIMUM TRANSFER LENGTH in bytes (VPD page B0h); 0 =
	// not reported.
	MaxTransfer() int
	// ReadOnly tells whether the medium is write protected or must be treated
	// so.
	ReadOnly() bool
}
