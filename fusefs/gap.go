package fusefs

import (
	"context"
	"syscall"
)

// gap keeps the promise of O_TRUNC on a file that cannot be truncated: what a
// writer skips reads as zeroes, as it would in a file that had been emptied. It
// is the state of one open file:
//
//	0 ─────────────── end ─────── zero ─────── off ─── off+n ──── capacity
//	  written, or         erased       becomes   the        old data
//	  made zero           already      zero      next write
type gap struct {
	lock chan struct{} // one slot; holds the token while nobody holds the lock
	end  int64
	zero int64 // at least end
}

// shortGap is up to where zeroes are written as data, in bytes: they are joined with
// what is written around them.
const shortGap = 64 << 10

var zeroes [shortGap]byte

func newGap() *gap {
	g := &gap{lock: make(chan struct{}, 1)}
	g.lock <- struct{}{}
	return g
}

// hold returns with the lock held, or with the error of ctx.
func (g *gap) hold(ctx context.Context) error {
	select {
	case <-g.lock:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gap) release() { g.lock <- struct{}{} }

// advance prepares a write that covers [off, end): it makes zero what lies
// before off and was never written. The mark moves before the write is sent,
// and the zeroing is done before the lock is free, so that zeroes go to no place
// that a write is on its way to.
func (g *gap) advance(ctx context.Context, lun LUN, off, end int64) error {
	if err := g.hold(ctx); err != nil {
		return err
	}
	defer g.release()
	end = min(end, lun.Size())
	if end <= g.end {
		return nil
	}
	if off > g.zero {
		if err := makeZero(ctx, lun, g.zero, min(off, lun.Size())); err != nil {
			return err
		}
	}
	g.end = end
	g.zero = max(g.zero, end)
	return nil
}

// makeZero makes what lies between off and end zero, and a hole where the LUN can have one:
// a sparse image stays so.
func makeZero(ctx context.Context, lun LUN, off, end int64) error {
	n := end - off
	if n <= shortGap {
		_, err := lun.WriteAt(ctx, zeroes[:max(n, 0)], off)
		return err
	}
	err := lun.Punch(ctx, off, n)
	if toErrno(err) == syscall.EOPNOTSUPP {
		err = lun.Zero(ctx, off, n)
	}
	return err
}

// erased notes that [off, end) has become zero otherwise.
func (g *gap) erased(ctx context.Context, off, end int64) error {
	if err := g.hold(ctx); err != nil {
		return err
	}
	defer g.release()
	if off <= g.zero {
		g.zero = max(g.zero, end)
	}
	return nil
}

// truncate makes zero what lies between the last byte written and the new end
// of the file.
func (g *gap) truncate(ctx context.Context, lun LUN, size int64) error {
	if err := g.hold(ctx); err != nil {
		return err
	}
	reached := g.end
	g.release()
	if size > lun.Size() || size < reached {
		return syscall.EINVAL
	}
	return g.advance(ctx, lun, size, size)
}
