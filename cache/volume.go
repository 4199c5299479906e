package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Options are the settings of a Volume.
type Options struct {
	Logger zerolog.Logger // the zero Logger is silent
}

// Volume is one disk as a sequence of bytes. All its methods may be called
// concurrently.
type Volume struct {
	dev     Device
	log     zerolog.Logger
	writing rangeLock    // orders the writes to one block
	written atomic.Int64 // when the last write ended, in ns since 1970
	closed  atomic.Bool
	stats   counters

	sync struct {
		sync.Mutex
		syncState
	}
}

// New returns the Volume of dev. The caller keeps dev and closes it after the
// Volume.
func New(dev Device, opts Options) *Volume {
	v := &Volume{dev: dev, log: opts.Logger}
	v.written.Store(time.Now().UnixNano())
	return v
}

// Size is the capacity in bytes, as the Device reports it now.
func (v *Volume) Size() int64 { return v.dev.Size() }

// BlockSize is the length of a logical block in bytes.
func (v *Volume) BlockSize() int { return v.dev.BlockSize() }

// OptimalTransfer is the length in bytes that the target likes best; 0 = not
// known.
func (v *Volume) OptimalTransfer() int { return v.dev.OptimalTransfer() }

// ReadOnly tells whether writes are refused.
func (v *Volume) ReadOnly() bool { return v.dev.ReadOnly() }

// ModTime is when the last write ended; before the first write, when the
// Volume was made.
func (v *Volume) ModTime() time.Time { return time.Unix(0, v.written.Load()) }

// Close synchronizes what was written and ends the Volume's use: reads and
// writes that come after it fail with [ErrClosed]. The error is that of the
// last Sync; the Volume is closed in any case.
func (v *Volume) Close(ctx context.Context) error {
	v.closed.Store(true)
	return v.Sync(ctx)
}
