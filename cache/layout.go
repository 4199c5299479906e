package cache

import (
	"sync/atomic"
	"unsafe"
)

// The arena describes itself, so that another process that maps it can tell
// what is in it and which of it the target lacks:
//
//	0        header, one frame
//	4096     one descriptor for each frame of data, 32 bytes
//	...      padding to a frame
//	data     the frames
//
// All numbers are 64 bits of the machine's byte order and stored with
// sync/atomic. They should not be changed without a new layoutVersion.
const (
	layoutMagic   = 0x6863616369637369 // "iscicach"
	layoutVersion = 1
)

// header is the start of the arena.
type header struct {
	magic, version      uint64
	frameSize, frames   uint64 // bytes; number of them
	descriptors, data   uint64 // offsets in bytes
	epoch               uint64 // counts the processes that have used the arena
	descriptorSizeBytes uint64
}

// descriptor says what one frame holds. A change of owner stores generation
// first as 0 and last as a number never used before, so that what lies between
// is never seen as valid; of two descriptors of one block the higher generation
// holds. status changes in one store.
type descriptor struct {
	identity   uint64 // hash of the logical unit's designator (VPD page 83h)
	offset     uint64 // on the disk, in bytes
	status     uint64 // state, valid and mask, a byte each from the lowest
	generation uint64 // 0 = the frame holds nothing
}

const descriptorSize = int(unsafe.Sizeof(descriptor{}))

// dataOffset is where the frames begin.
func dataOffset(frames int) int {
	return frameSize + (frames*descriptorSize+frameSize-1)&^(frameSize-1)
}

// format writes the header and returns the descriptors. memory is zeroed.
func format(memory []byte, frames int) []descriptor {
	h := (*header)(unsafe.Pointer(unsafe.SliceData(memory)))
	atomic.StoreUint64(&h.version, layoutVersion)
	atomic.StoreUint64(&h.frameSize, frameSize)
	atomic.StoreUint64(&h.frames, uint64(frames))
	atomic.StoreUint64(&h.descriptors, frameSize)
	atomic.StoreUint64(&h.descriptorSizeBytes, uint64(descriptorSize))
	atomic.StoreUint64(&h.data, uint64(dataOffset(frames)))
	atomic.StoreUint64(&h.epoch, 1)
	atomic.StoreUint64(&h.magic, layoutMagic)
	return unsafe.Slice((*descriptor)(unsafe.Pointer(&memory[frameSize])), frames)
}

// describe makes the descriptor of a frame that entered the index valid.
func (c *Cache) describe(id frameID) {
	f, d := &c.frames[id], &c.descriptors[id]
	c.generation++
	c.store(&d.identity, c.volumes[f.volume].identity)
	c.store(&d.offset, uint64(f.block)<<frameBits)
	c.describeStatus(id)
	c.store(&d.generation, c.generation)
}

func (c *Cache) describeStatus(id frameID) {
	f := &c.frames[id]
	c.store(&c.descriptors[id].status, uint64(f.state)|uint64(f.valid)<<8|uint64(f.mask)<<16)
}

// undescribe takes the frame's content out of what a successor would find.
func (c *Cache) undescribe(id frameID) { c.store(&c.descriptors[id].generation, 0) }

func (c *Cache) store(word *uint64, value uint64) {
	atomic.StoreUint64(word, value)
	if c.stored != nil {
		c.stored()
	}
}
