package cache

import (
	"context"
	"math"
)

// Distrust forgets what is in memory of the disk and is not newer than it: another
// host may have written there meanwhile. What is dirty stays.
func (v *Volume) Distrust(ctx context.Context) error {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	all := &barrier{last: math.MaxInt64, done: make(chan struct{})}
	if err := v.raise(ctx, all); err != nil {
		return err
	}
	defer v.lower(all)
	if err := v.settle(ctx, all); err != nil {
		return err
	}
	v.observe()
	for i := range c.frames {
		if f := &c.frames[i]; f.volume == v.id && f.state > detached {
			v.forgetRead(frameID(i))
		}
		if v.ended { // while it waited for memory
			return ErrClosed
		}
	}
	return nil
}
