package cache

import "context"

// publishPart writes bytes lo to hi of the block whose turn it is. What the
// memory holds of the block need not be read first, but where the write covers
// a logical block in part: that one is read. Blocks that are dirty already are
// modified in place, unless somebody uses the frame.
func (w *writer) publishPart(ctx context.Context, lo, hi int) error {
	v, c := w.v, w.v.cache
	block, id := w.first+int64(w.done), w.spare[w.done]
	touched, covered := v.logical(lo, hi)
	oldest := v.oldest()
	for {
		old := c.lookupYoung(v, block, oldest)
		if old == 0 {
			if touched == covered {
				c.putPart(w, block, id, lo, hi, touched)
				return nil
			}
		} else if o := &c.frames[old]; o.valid.has(touched &^ covered) {
			if o.state == dirty && o.pins == 0 {
				w.modify(old, lo, hi, touched)
				return nil
			}
			copySectors(c.bytes(id), c.bytes(old), o.valid)
			c.putPart(w, block, id, lo, hi, o.valid|touched)
			return nil
		}
		if err := w.fetchBlock(ctx, block); err != nil {
			return err
		}
		if err := w.admit(ctx); err != nil {
			return err
		}
	}
}

// putPart patches the spare frame id and makes it the frame of the block.
func (c *Cache) putPart(w *writer, block int64, id frameID, lo, hi int, valid sectors) {
	copy(c.bytes(id)[lo:hi], w.part(w.done))
	touched, _ := w.v.logical(lo, hi)
	w.v.put(block, id, valid, touched)
	w.done++
}

// modify writes into a dirty frame that nobody uses. The spare frame is not
// needed.
func (w *writer) modify(id frameID, lo, hi int, touched sectors) {
	c := w.v.cache
	copy(c.bytes(id)[lo:hi], w.part(w.done))
	f := &c.frames[id]
	f.valid |= touched
	f.mask |= touched
	f.acked = f.acked || w.v.opts.Mode == Writeback
	c.describeStatus(id)
	c.release(w.spare[w.done])
	w.spare[w.done] = 0
	w.done++
}

// logical is the set of sectors whose logical blocks the bytes [lo, hi) of a
// frame touch, and of those that they cover.
func (v *Volume) logical(lo, hi int) (touched, covered sectors) {
	mask := v.dev.BlockSize() - 1
	touched = sectorRange(lo&^mask, (hi+mask)&^mask)
	if from, to := (lo+mask)&^mask, hi&^mask; from < to {
		covered = sectorRange(from, to)
	}
	return touched, covered
}

// fetchBlock brings the block into memory as a whole.
func (w *writer) fetchBlock(ctx context.Context, block int64) error {
	v := w.v
	end := min((block+1)<<frameBits, v.reach())
	if end < w.end && end&(frameSize-1) != 0 || end <= block<<frameBits { // it has shrunk
		return v.pastReach(w.end, ErrEnd)
	}
	r := reader{v: v, off: block << frameBits, end: end, block: block, bridge: maxBridge, oldest: v.oldest()}
	return r.miss(ctx, block)
}
