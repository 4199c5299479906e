package cache

import "context"

// writeThrough sends n blocks from first on, which the caller has made dirty, and
// returns when the target has answered for all of them. Where another command
// carries one of them, it waits for that; failures is their number before the
// first of the blocks became dirty.
func (v *Volume) writeThrough(ctx context.Context, first int64, n int, failures uint64) error {
	c, b := v.cache, &v.back
	defer b.kick(v)
	last := first + int64(n) - 1
	for block := first; block <= last; {
		if err := v.passBarriers(ctx, block, block); err != nil {
			return err
		}
		if held := v.heldBack(); held != nil {
			return held
		}
		v.observe()
		if v.erased.owes(block) {
			if err := v.repay(ctx); err != nil {
				return err
			}
			continue
		}
		id := c.lookup(v.id, block)
		switch s := c.frames[id].state; {
		case s == dirty:
			cmd := v.takeWithin(id, block, last)
			end := cmd.first + int64(len(cmd.entries))
			if err := v.perform(ctx, cmd); err != nil {
				return err
			}
			block = end
		case s == inflight || s == redirtied:
			if err := b.wait(ctx, v); err != nil {
				return err
			}
		case b.failures != failures:
			return b.err // perhaps of another block: no more is known
		default:
			block++
		}
	}
	return nil
}
