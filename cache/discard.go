package cache

import "context"

// barrier keeps writes and write-backs out of a range while the Device is told
// to deallocate or zero it.
type barrier struct {
	first, last int64 // blocks
	done        chan struct{}
}

// Discard runs do, which tells the target to deallocate or to zero the n bytes
// from off on, in order with the writes: those that ended before are on the
// target or forgotten when do begins, and those that come meanwhile wait until it
// has ended. Then nothing is left in memory of the range; after an error of do
// all of it stays. Reads see the range as it was or as it will be.
//
// The range is one of whole logical blocks. What do has done counts as written
// until the next Sync. Should the target lose it before, it cannot be repeated
// from here: Sync returns [ErrLost] once.
func (v *Volume) Discard(ctx context.Context, off, n int64, do func(context.Context) error) error {
	if mask := int64(v.dev.BlockSize()) - 1; off < 0 || n <= 0 || (off|n)&mask != 0 || off > v.Size()-n {
		return ErrRange
	}
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &barrier{first: off >> frameBits, last: (off + n - 1) >> frameBits, done: make(chan struct{})}
	if err := v.raise(ctx, b); err != nil {
		return err
	}
	defer v.lower(b)
	if err := v.settle(ctx, b); err != nil {
		return err
	}
	switch reach := v.reach(); { // it may have shrunk meanwhile
	case v.cap.shrunk:
		return ErrShrunk
	case off > reach-n:
		return ErrRange
	}
	epoch := v.deviceEpoch()
	c.mu.Unlock()
	err := do(ctx)
	c.mu.Lock()
	if err != nil {
		return err
	}
	if v.ended {
		return ErrClosed
	}
	v.forgetRange(off, off+n)
	v.discarded(epoch)
	return nil
}

// raise sets up b when no other barrier is in its way.
func (v *Volume) raise(ctx context.Context, b *barrier) error {
	if err := v.passBarriers(ctx, b.first, b.last); err != nil {
		return err
	}
	v.barriers = append(v.barriers, b)
	return nil
}

func (v *Volume) lower(b *barrier) {
	for i, other := range v.barriers {
		if other == b {
			v.barriers = append(v.barriers[:i:i], v.barriers[i+1:]...)
			break
		}
	}
	close(b.done)
	v.back.kick(v)
}

func (b *barrier) covers(first, last int64) bool { return first <= b.last && b.first <= last }

// barred tells whether a barrier covers the block.
func (v *Volume) barred(block int64) bool {
	for _, b := range v.barriers {
		if b.covers(block, block) {
			return true
		}
	}
	return false
}

// passBarriers waits until no barrier covers the blocks from first to last.
func (v *Volume) passBarriers(ctx context.Context, first, last int64) error {
	for {
		if v.ended {
			return ErrClosed
		}
		b := v.barrierIn(first, last)
		if b == nil {
			return nil
		}
		v.cache.mu.Unlock()
		var err error
		select {
		case <-b.done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		v.cache.mu.Lock()
		if err != nil {
			return err
		}
	}
}

func (v *Volume) barrierIn(first, last int64) *barrier {
	for _, b := range v.barriers {
		if b.covers(first, last) {
			return b
		}
	}
	return nil
}

// settle waits until no write-back carries a block that b covers.
func (v *Volume) settle(ctx context.Context, b *barrier) error {
	for {
		if v.ended {
			return ErrClosed
		}
		if !v.carried(b.first, b.last) {
			return nil
		}
		if err := v.back.wait(ctx, v); err != nil {
			return err
		}
	}
}

// carried tells whether a write-back of one of the blocks is under way.
func (v *Volume) carried(first, last int64) bool {
	for cmd := range v.back.running {
		if cmd.first <= last && first < cmd.first+int64(len(cmd.entries)) {
			return true
		}
	}
	return false
}

// forgetRange drops what is in memory of the bytes from off to end.
func (v *Volume) forgetRange(off, end int64) {
	c := v.cache
	for at := off; at < end; {
		block := at >> frameBits
		next := min((block+1)<<frameBits, end)
		if id := c.lookup(v.id, block); id != 0 {
			base := block << frameBits
			v.forgetSectors(id, sectorRange(int(at-base), int(next-base)))
		}
		at = next
	}
}

// forgetSectors drops sectors of a frame; with some of it dirty the rest stays.
func (v *Volume) forgetSectors(id frameID, gone sectors) {
	c := v.cache
	f := &c.frames[id]
	rest := f.mask &^ gone
	if rest == 0 || f.state == clean {
		c.drop(id)
		return
	}
	// Readers may be using the frame, and what is fetched later may not be
	// written into what they read; so the rest moves. The barrier keeps all
	// else from the frame while we wait for memory.
	var spare [1]frameID
	if c.alloc(v.background, spare[:]) != nil {
		return // the Volume is being closed
	}
	c.setFetch(id, 0) // what is on its way is from before
	copySectors(c.bytes(spare[0]), c.bytes(id), rest)
	s := &c.frames[spare[0]]
	s.valid, s.mask, s.acked = rest, rest, f.acked
	c.supersede(v, id, spare[0], f.state)
}
