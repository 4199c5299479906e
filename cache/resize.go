package cache

import (
	"context"
	"math"
	"math/bits"
	"sync/atomic"
)

// capacity is how large a disk is for who uses it, size, and how large the Device
// says it is. They differ where the Device has shrunk and data that is not
// synchronized lies beyond its end:
//
//	              the Device grows, or shrinks
//	       ┌────── with nothing beyond ──────┐
//	       ▼                                 │
//	size = device ───────────────────────────┘
//	  │       ▲
//	  │       │ the Device grows to size or more;
//	  │       │ AcceptShrink drops what lies beyond
//	  ▼       │
//	size > device: what is dirty is held back
//
// Only resize and AcceptShrink change it, with Cache.mu held.
type capacity struct {
	size   atomic.Int64
	device atomic.Int64
	shrunk bool   // size > device
	losses uint64 // times that the Device has lost data that was not synchronized
}

// Size is the capacity in bytes: what the Device reports now, or what it reported
// before it shrank while data that is not synchronized lies beyond its end, see
// [Volume.AcceptShrink].
func (v *Volume) Size() int64 {
	if v.dev.Size() != v.cap.device.Load() {
		c := v.cache
		c.mu.Lock()
		defer c.mu.Unlock()
		v.resize()
		if !v.ended {
			v.back.kick(v)
		}
	}
	return v.cap.size.Load()
}

// Shrunk tells whether the Device has become smaller than what was written and not
// synchronized needs. Nothing is written back then.
func (v *Volume) Shrunk() bool {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	v.resize()
	return v.cap.shrunk
}

// UnsyncedBeyond is how many bytes at off and beyond were written, zeroed or deallocated
// and are not synchronized.
func (v *Volume) UnsyncedBeyond(off int64) int64 {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.unsyncedBeyond(off)
}

// AcceptShrink takes over the size of a Device that has shrunk. What was written
// beyond it and not synchronized is dropped, and its length returned; each open file
// is told of the loss as of a write-back that failed. After an error, which is that
// of ctx or [ErrClosed], all is as it was.
func (v *Volume) AcceptShrink(ctx context.Context) (dropped int64, err error) {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for v.resize(); v.cap.shrunk; v.resize() {
		n, err := v.cutAt(ctx, v.cap.device.Load())
		if err != nil {
			return dropped, err
		}
		dropped += n
	}
	return dropped, nil
}

// cutAt drops what lies beyond size, when no command carries any of it, and takes
// size over, unless the Device has another by then.
func (v *Volume) cutAt(ctx context.Context, size int64) (dropped int64, err error) {
	b := &barrier{first: size >> frameBits, last: math.MaxInt64 >> frameBits, done: make(chan struct{})}
	if err := v.raise(ctx, b); err != nil {
		return 0, err
	}
	defer v.lower(b)
	if err := v.settle(ctx, b); err != nil {
		return 0, err
	}
	if v.dev.Size() != size || !v.cap.shrunk {
		return 0, nil
	}
	dropped = v.unsyncedBeyond(size)
	v.beyond(size, v.cutFrame)
	v.erased.cut(size, math.MaxInt64)
	if dropped > 0 {
		v.sync.failures++
	}
	v.takeOver(size)
	return dropped, nil
}

// resize takes note of the Device's size.
func (v *Volume) resize() {
	now, was := v.dev.Size(), v.cap.size.Load()
	if now == v.cap.device.Load() || v.ended {
		return
	}
	v.cap.device.Store(now)
	if now >= was {
		v.takeOver(now)
		return
	}
	v.beyond(now, v.forgetClean)
	unsynced := v.unsyncedBeyond(now)
	if unsynced == 0 {
		v.takeOver(now)
		return
	}
	v.cap.shrunk = true
	v.cap.losses++
	v.observe()
	v.log.Error().Int64("from", was).Int64("to", now).Int64("beyond", unsynced).
		Msg("the disk has shrunk, and data that is not synchronized lies beyond its end: nothing is written back until the smaller size is accepted")
}

func (v *Volume) takeOver(size int64) {
	v.cap.size.Store(size)
	if v.cap.shrunk {
		v.cap.shrunk = false
		v.back.soon() // what was held back
	}
}

// capacityNow is Size with the lock held.
func (v *Volume) capacityNow() int64 {
	v.resize()
	return v.cap.size.Load()
}

// reach is where the Device ends, or the Volume if that ends before.
func (v *Volume) reach() int64 {
	return min(v.capacityNow(), v.cap.device.Load())
}

// pastReach is the error of an access that ends beyond reach.
func (v *Volume) pastReach(end int64, err error) error {
	if end <= v.cap.size.Load() && v.cap.shrunk {
		return ErrShrunk
	}
	return err
}

// heldBack is why nothing may be written back; nil = it may.
func (v *Volume) heldBack() error {
	v.resize()
	switch {
	case v.late:
		return ErrLate
	case v.cap.shrunk:
		return ErrShrunk
	}
	return nil
}

// beyond calls do for each frame of v that reaches beyond off, with the sectors
// that do.
func (v *Volume) beyond(off int64, do func(id frameID, gone sectors)) {
	if v.ended {
		return // its number may be another's
	}
	c := v.cache
	for id := range c.frames {
		f := &c.frames[id]
		if end := (f.block + 1) << frameBits; f.volume == v.id && f.state > detached && end > off {
			lo := int(max(off-f.block<<frameBits, 0))
			do(frameID(id), sectorRange(lo, frameSize))
		}
	}
}

func (v *Volume) unsyncedBeyond(off int64) (bytes int64) {
	v.beyond(off, func(id frameID, gone sectors) {
		f := &v.cache.frames[id]
		bytes += (f.mask & gone &^ v.erased.sectors(f.block)).bytes()
	})
	return bytes + v.erased.beyond(off)
}

// forgetClean drops sectors of a frame but for what the target may lack. It does
// not matter that readers may use the frame, into which other content may be fetched
// if the disk grows again: they read beyond the end.
func (v *Volume) forgetClean(id frameID, gone sectors) {
	c := v.cache
	f := &c.frames[id]
	if f.state == clean {
		c.drop(id)
		return
	}
	f.valid &^= gone &^ f.mask
	c.setFetch(id, 0) // what is on its way is from before
	c.describeStatus(id)
}

// cutFrame drops sectors of a frame that no command carries.
func (v *Volume) cutFrame(id frameID, gone sectors) {
	c := v.cache
	f := &c.frames[id]
	if f.mask&^gone == 0 {
		c.drop(id)
		return
	}
	f.mask &^= gone
	f.valid &^= gone
	c.describeStatus(id)
}

// bytes is the length of all sectors of s.
func (s sectors) bytes() int64 { return int64(bits.OnesCount8(uint8(s))) << sectorBits }
