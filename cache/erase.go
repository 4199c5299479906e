package cache

import (
	"context"
	"errors"
	"time"
)

const (
	// zeroPiece and freePiece are how much is zeroed, or deallocated, while writes to
	// it wait. The first may be written by the Device. The second is large, since what
	// is deallocated may lie across a piece's edge.
	zeroPiece = 64 << 20
	freePiece = 4 << 30
)

// zeroes is what is written where less than a logical block is to be zeroed.
var zeroes [frameSize]byte

// Zero makes the n bytes from off on read as zeroes. It returns when the target has
// answered for all whole logical blocks of them; the rest is written as by
// [Volume.WriteAt]. After an error any part of it may be done.
//
// It comes in order with writes, reads and write-backs: what was written to the range
// before and is yet dirty is forgotten as soon as the target has answered, and kept
// where it fails. What the target has lost before the next Sync is done again.
func (v *Volume) Zero(ctx context.Context, off, n int64) error {
	return v.erase(ctx, off, n, false)
}

// Punch is Zero, and frees the range at the target. Where the target cannot, the error
// is [errors.ErrUnsupported] and nothing was done, unless it is found out on the way.
func (v *Volume) Punch(ctx context.Context, off, n int64) error {
	return v.erase(ctx, off, n, true)
}

func (v *Volume) erase(ctx context.Context, off, n int64, free bool) error {
	switch {
	case off < 0 || n < 0 || off > v.Size()-n:
		return ErrRange
	case v.dev.ReadOnly():
		return ErrReadOnly
	case v.closed.Load():
		return ErrClosed
	}
	if err := v.refusal(); err != nil {
		return err
	}
	v.stats.inFlight.Add(1)
	defer v.stats.inFlight.Add(-1)
	mask := int64(v.dev.BlockSize()) - 1
	from, to := (off+mask)&^mask, (off+n)&^mask
	if from >= to {
		return v.writeZeroes(ctx, off, off+n)
	}
	// The edges come last: nothing is to be done where the target cannot.
	err := v.eraseBlocks(ctx, from, to, free)
	if err == nil {
		v.modified.Store(time.Now().UnixNano())
		err = v.writeZeroes(ctx, off, from)
	}
	if err == nil {
		err = v.writeZeroes(ctx, to, off+n)
	}
	return err
}

// writeZeroes writes zeroes to less than two logical blocks.
func (v *Volume) writeZeroes(ctx context.Context, off, end int64) error {
	for off < end {
		n, err := v.WriteAt(ctx, zeroes[:min(end-off, frameSize)], off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// eraseBlocks has the Device erase the bytes from off to end, whole logical blocks,
// piece by piece.
func (v *Volume) eraseBlocks(ctx context.Context, off, end int64, free bool) error {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for off < end {
		next := erasure{off: off, end: end, free: free}.firstPiece()
		if err := v.makeRoomForErasure(ctx); err != nil {
			return err
		}
		if err := v.erasePiece(ctx, next); err != nil {
			return err
		}
		off = next.end
	}
	return nil
}

// firstPiece is what is done of r at a time. Pieces end at multiples of their size.
func (r erasure) firstPiece() erasure {
	size := int64(zeroPiece)
	if r.free {
		size = freePiece
	}
	r.end = min(r.end, (r.off/size+1)*size)
	return r
}

// makeRoomForErasure sees to it that one more range can be remembered.
func (v *Volume) makeRoomForErasure(ctx context.Context) error {
	for len(v.erased.ranges) >= maxErasures && !v.ended {
		if err := v.repay(ctx); err != nil {
			return err
		}
		if err := v.synchronize(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (v *Volume) erasePiece(ctx context.Context, r erasure) error {
	b, err := v.shut(ctx, r.off, r.end)
	if err != nil {
		return err
	}
	defer v.lower(b)
	switch err := v.heldBack(); { // it may have shrunk meanwhile
	case err != nil:
		return err
	case r.end > v.reach():
		return ErrRange
	}
	err = v.tell(ctx, &r)
	switch {
	case v.ended:
		return ErrClosed
	case err != nil: // some of it may be done, also where the target only does not prove it
		v.distrustRange(r)
		return err
	}
	v.forgetRange(r)
	return nil
}

// tell has the Device erase r, and remembers that it did. A barrier covers r.
func (v *Volume) tell(ctx context.Context, r *erasure) error {
	c := v.cache
	do := v.dev.Zero
	if r.free {
		do = v.dev.Deallocate
	}
	v.observe()
	epoch := v.epoch
	c.mu.Unlock()
	err := do(ctx, r.off, r.end-r.off)
	c.mu.Lock()
	if err != nil || v.ended {
		return err
	}
	v.observe()
	v.back.succeeded()
	v.changes++
	v.sync.answered = v.flush.syncNo
	r.no, r.at, r.owed = v.flush.syncNo, c.now(), epoch != v.epoch
	v.erased.add(*r)
	return nil
}

// repay has the Device erase again what it may have lost. What was written there since
// is dirty, and stays so.
func (v *Volume) repay(ctx context.Context) error {
	for {
		if v.ended {
			return ErrClosed
		}
		if held := v.heldBack(); held != nil {
			return held
		}
		r, owed := v.erased.debt()
		if !owed {
			return nil
		}
		if err := v.repayPiece(ctx, r.firstPiece()); err != nil {
			return err
		}
	}
}

func (v *Volume) repayPiece(ctx context.Context, r erasure) error {
	b, err := v.shut(ctx, r.off, r.end)
	if err != nil {
		return err
	}
	defer v.lower(b)
	if now, owed := v.erased.debt(); !owed || now.firstPiece() != r || v.heldBack() != nil {
		return nil // another has done it meanwhile, or it is not to be done any more
	}
	err = v.tell(ctx, &r)
	if r.free && errors.Is(err, errors.ErrUnsupported) {
		r.free = false // that it reads as zeroes was promised
		err = v.tell(ctx, &r)
	}
	if v.ended {
		return ErrClosed
	}
	if err != nil && ctx.Err() == nil {
		v.back.failed(v, err, v.cache.now())
	}
	v.distrustRange(r)
	return err
}
