package cache

import (
	"context"
	"time"
)

// allocation is what the Device has answered for a range of bytes, as long as nothing is
// written or erased from here. It is asked for again soon: whoever looks for holes asks
// for the end of one and then for what follows it.
type allocation struct {
	off, end int64
	hole     bool
	changes  uint64
	at       int64 // Cache.now
}

// maxAllocationAge bounds for how long others may have changed what is allocated, in ns.
const maxAllocationAge = int64(time.Second)

// Allocation tells what the n bytes from off on are, n being at least 1: a hole that
// reads as zeroes, only where the Device says so and nothing newer is in memory, or
// data. What follows may be the same.
func (v *Volume) Allocation(ctx context.Context, off int64) (n int64, hole bool, err error) {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if off < 0 || off >= v.capacityNow() {
		return 0, false, ErrRange
	}
	if v.closed.Load() {
		return 0, false, ErrClosed
	}
	a := v.asked
	if a.changes != v.changes || off < a.off || off >= a.end || c.now() > a.at+maxAllocationAge {
		if a, err = v.ask(ctx, off&^(int64(v.dev.BlockSize())-1)); err != nil {
			return 0, false, err
		}
	}
	return a.end - off, a.hole, nil
}

// ask asks the Device.
func (v *Volume) ask(ctx context.Context, off int64) (allocation, error) {
	c := v.cache
	a := allocation{off: off, changes: v.changes, at: c.now()}
	c.mu.Unlock()
	n, hole, err := v.dev.Allocation(ctx, off)
	c.mu.Lock()
	switch {
	case err != nil:
		return a, err
	case v.ended:
		return a, ErrClosed
	}
	size := v.capacityNow()
	switch {
	case off >= size: // it has shrunk meanwhile
		return a, ErrRange
	case n <= 0 || n > size-off:
		n = size - off
	}
	a.end, a.hole = off+n, hole
	v.asked = v.withNewer(a)
	return v.asked, nil
}

// withNewer is what a is with regard to what the Device may lack: data as far as that
// reaches, or a hole up to it. It does not become wrong when the Device has it.
func (v *Volume) withNewer(a allocation) allocation {
	if !a.hole {
		return a
	}
	at := a.off >> frameBits
	if !v.lacks(at) {
		a.end = min(a.end, v.firstLacked(at)<<frameBits)
		return a
	}
	for a.hole = false; at<<frameBits < a.end && v.lacks(at); at++ {
	}
	a.end = min(a.end, at<<frameBits)
	return a
}

// lacks tells whether the Device may lack something of the block.
func (v *Volume) lacks(block int64) bool {
	id := v.cache.lookup(v.id, block)
	return id != 0 && v.cache.frames[id].state.held()
}

// firstLacked is the first block behind the given one of which the Device may lack
// something; there may be none, and then it is far away.
func (v *Volume) firstLacked(after int64) int64 {
	first := int64(1) << (63 - frameBits - 1)
	note := func(block int64) {
		if block > after && block < first {
			first = block
		}
	}
	fl, frames := &v.flush, v.cache.frames
	for _, l := range []*list{&fl.urgent, &fl.dirty, &fl.written} {
		for id := l.head; id != 0; id = frames[id].next {
			note(frames[id].block)
		}
	}
	for cmd := range v.back.running {
		for i := range cmd.entries { // it may begin before the given one
			note(cmd.first + int64(i))
		}
	}
	return first
}

// Thin tells whether the target may have no place for what is written.
func (v *Volume) Thin() bool { return v.dev.Thin() }
