package fusefs

import (
	"context"
	"syscall"
)

// gap keeps the promise of O_TRUNC on a file that cannot be truncated: what a
// writer skips reads as zeroes, as it would in a file that had been emptied. It
// is the state of one open file:
//
//	0 ─────────────── end ─────── off ─── off+n ──── capacity
//	  written, or         becomes   the        old data
//	  made zero           zero      next write
type gap struct {
	lock chan struct{} // one slot; holds the token while nobody holds the lock
	end  int64
}

func newGap() *gap {
	g := &gap{lock: make(chan struct{}, 1)}
	g.lock <- struct{}{}
	return g
}

// advance prepares a write that covers [off, end): it makes zero what lies
// before off and was never written. The mark moves before the write is sent,
// and the zeroing is done before the lock is free, so that zeroes go to no place
// that a write is on its way to.
func (g *gap) advance(ctx context.Context, lun LUN, off, end int64) error {
	select {
	case <-g.lock:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { g.lock <- struct{}{} }()
	end = min(end, lun.Size())
	if end <= g.end {
		return nil
	}
	if off > g.end {
		if err := lun.Zero(ctx, g.end, min(off, lun.Size())-g.end); err != nil {
			return err
		}
	}
	g.end = end
	return nil
}

// truncate makes zero what lies between the last byte written and the new end
// of the file.
func (g *gap) truncate(ctx context.Context, lun LUN, size int64) error {
	if size > lun.Size() || size < g.reached() {
		return syscall.EINVAL
	}
	return g.advance(ctx, lun, size, size)
}

func (g *gap) reached() int64 {
	<-g.lock
	defer func() { g.lock <- struct{}{} }()
	return g.end
}
