package cache

import (
	"context"
	"time"
)

// maxPieceFrames is how many frames a piece of maxPiece bytes touches at most.
const maxPieceFrames = maxPiece/frameSize + 1

// WriteAt writes p at off and returns how much of it was written: all, nothing,
// or as much as the disk holds; then the error is [ErrEnd]. After another error
// any part of p may have been written.
//
// In the mode Writeback it returns when p is in memory, which may take as long as
// the target needs to make room for it; else when the target has answered GOOD.
func (v *Volume) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := v.clamp(off, len(p))
	switch {
	case n < 0:
		return 0, ErrRange
	case v.dev.ReadOnly():
		return 0, ErrReadOnly
	case n > 0:
		if err := v.write(ctx, p[:n], off); err == ErrEnd { // it has shrunk meanwhile
			return v.WriteAt(ctx, p, off)
		} else if err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, ErrEnd
	}
	return n, nil
}

// write writes p, which must not be empty and lies within the disk.
func (v *Volume) write(ctx context.Context, p []byte, off int64) error {
	if v.closed.Load() {
		return ErrClosed
	}
	if err := v.refusal(); err != nil {
		return err
	}
	v.stats.inFlight.Add(1)
	defer v.stats.inFlight.Add(-1)
	for rest, at := p, off; len(rest) > 0; {
		n := min(len(rest), maxPiece-int(at&(frameSize-1)))
		if err := v.writePiece(ctx, rest[:n], at); err != nil {
			return err
		}
		rest, at = rest[n:], at+int64(n)
	}
	v.modified.Store(time.Now().UnixNano())
	v.stats.writes.Add(1)
	v.stats.writtenBytes.Add(uint64(len(p)))
	return nil
}

// refusal is why nothing may be written at present.
func (v *Volume) refusal() error {
	if v.opts.Refuse == nil {
		return nil
	}
	return v.opts.Refuse()
}

// writer is a write of at most maxPiece bytes under way. Whole blocks are copied
// into fresh frames before the lock is taken, and take their places in the index
// under it.
type writer struct {
	v        *Volume
	p        []byte
	off, end int64
	first    int64 // block
	n        int   // blocks
	done     int   // blocks that are in the index
	spare    [maxPieceFrames]frameID
}

func (v *Volume) writePiece(ctx context.Context, p []byte, off int64) error {
	c := v.cache
	w := writer{v: v, p: p, off: off, end: off + int64(len(p)), first: off >> frameBits}
	w.n = int((w.end-1)>>frameBits-w.first) + 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := v.admitWriter(ctx, w.n); err != nil {
		return err
	}
	defer v.hold(-w.n)
	if held := v.heldBack(); held != nil && v.opts.Mode != Writeback {
		return held
	}
	if err := c.alloc(ctx, w.spare[:w.n]); err != nil {
		return err
	}
	defer w.release()
	c.mu.Unlock()
	w.copyWhole()
	c.mu.Lock()
	failures := v.back.failures
	if err := w.publish(ctx); err != nil {
		return err
	}
	if v.opts.Mode != Writeback {
		return v.writeThrough(ctx, w.first, w.n, failures)
	}
	v.back.kick(v)
	return nil
}

// bounds is the part of the i-th block that is written.
func (w *writer) bounds(i int) (lo, hi int) {
	base := (w.first + int64(i)) << frameBits
	return int(max(w.off-base, 0)), int(min(w.end-base, frameSize))
}

// part is what is written of the i-th block.
func (w *writer) part(i int) []byte {
	lo, hi := w.bounds(i)
	at := (w.first+int64(i))<<frameBits + int64(lo) - w.off
	return w.p[at : at+int64(hi-lo)]
}

// copyWhole fills the frames of blocks that are written as a whole.
func (w *writer) copyWhole() {
	for i := range w.n {
		if part := w.part(i); len(part) == frameSize {
			copy(w.v.cache.bytes(w.spare[i]), part)
		}
	}
}

// release frees the frames that were not needed.
func (w *writer) release() {
	for _, id := range w.spare[w.done:w.n] {
		if id != 0 {
			w.v.cache.release(id)
		}
	}
}

// publish puts the blocks into the index, one after the other. The lock is held
// all the while but where a part of a block has to be read first.
func (w *writer) publish(ctx context.Context) error {
	if err := w.admit(ctx); err != nil {
		return err
	}
	for w.done < w.n {
		lo, hi := w.bounds(w.done)
		if hi-lo == frameSize {
			w.v.put(w.first+int64(w.done), w.spare[w.done], allSectors, allSectors)
			w.done++
			continue
		}
		if err := w.publishPart(ctx, lo, hi); err != nil {
			return err
		}
	}
	return nil
}

// admit waits until no barrier is in the way. The disk may have shrunk meanwhile.
func (w *writer) admit(ctx context.Context) error {
	if err := w.v.passBarriers(ctx, w.first, w.first+int64(w.n)-1); err != nil {
		return err
	}
	if w.end > w.v.capacityNow() {
		return ErrEnd
	}
	return nil
}

// put makes id, filled, the frame of a block of which the sectors of mask were
// written.
func (v *Volume) put(block int64, id frameID, valid, mask sectors) {
	c := v.cache
	f := &c.frames[id]
	f.valid, f.mask, f.at, f.gen = valid, mask, c.now(), v.flush.open()
	f.acked = v.opts.Mode == Writeback
	v.changes++
	old := c.lookup(v.id, block)
	if old == 0 {
		c.insert(v, id, block, dirty)
		return
	}
	o := &c.frames[old]
	f.read = o.read
	if o.state == clean {
		f.read = o.at
	}
	f.mask |= o.mask
	f.acked = f.acked || o.acked
	s := dirty
	if o.state == inflight || o.state == redirtied {
		s = redirtied
	}
	c.supersede(v, old, id, s)
}
