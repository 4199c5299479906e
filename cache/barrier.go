package cache

import "context"

// barrier keeps writes and write-backs out of a range while the Device is told
// to deallocate or zero it. Who has raised it owns it, and lowers it.
type barrier struct {
	first, last int64 // blocks
	done        chan struct{}
}

// shut sets up a barrier around the bytes from off to end, and returns when no write-back
// carries any of them.
func (v *Volume) shut(ctx context.Context, off, end int64) (*barrier, error) {
	b := &barrier{first: off >> frameBits, last: (end - 1) >> frameBits, done: make(chan struct{})}
	if err := v.raise(ctx, b); err != nil {
		return nil, err
	}
	if err := v.settle(ctx, b); err != nil {
		v.lower(b)
		return nil, err
	}
	return b, nil
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

// barred tells whether the block may not be written back now: a barrier covers it, or
// what was erased there is to be erased again first.
func (v *Volume) barred(block int64) bool {
	if v.erased.owes(block) {
		return true
	}
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
