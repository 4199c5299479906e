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
	// Zero makes n bytes from off on, whole logical blocks, read as zeroes: by WRITE
	// SAME (SBC-4 section 5.51) where the target has it, else by writes. After an
	// error any part of it may be done, and none is done later.
	Zero(ctx context.Context, off, n int64) error
	// Deallocate is Zero, and frees the blocks where the target can (UNMAP, SBC-4
	// section 5.35, or WRITE SAME with the UNMAP bit); what it does not free, or
	// what would not read as zeroes for certain, is written. [errors.ErrUnsupported],
	// with the Errno EOPNOTSUPP: the target cannot, and nothing was done.
	Deallocate(ctx context.Context, off, n int64) error
	// Allocation tells what the n bytes from off on are, n being at least 1: a hole
	// only where the target says that they are deallocated (GET LBA STATUS, SBC-4
	// section 5.9) and read as zeroes, else data. What follows may be the same. Where
	// the target cannot tell, all the rest is data, without a command.
	Allocation(ctx context.Context, off int64) (n int64, hole bool, err error)
	// Thin tells whether the unit is thinly provisioned (LBPME, SBC-4 section
	// 5.21.2): it may have no place for what is written.
	Thin() bool
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
	// UnmapGranularity is the OPTIMAL UNMAP GRANULARITY in bytes (VPD page B0h); 0 =
	// not reported.
	UnmapGranularity() int
	// ReadOnly tells whether the medium is write protected or must be treated
	// so.
	ReadOnly() bool
}
