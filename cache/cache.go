package cache

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"
)

const (
	// minSize is the least memory that a Cache works with.
	minSize = 4 << 20
	// freeOverhead is how much the descriptors may take beyond Options.Size;
	// what they need above it comes out of it.
	freeOverhead = 16 << 20
	// overhead is what describes one frame: its descriptor, its frame, a place
	// in the index and in the ghosts.
	overhead = descriptorSize + int(unsafe.Sizeof(frame{})) + 2*4 + 2*4
)

// Options are the settings of a Cache.
type Options struct {
	// Size is the memory for data in bytes, shared by all Volumes; at least
	// 4 MiB are taken.
	Size int64
}

// Cache is the memory that the Volumes of all disks share. Its methods may be
// called concurrently.
type Cache struct {
	size int64 // in bytes, never changed

	// mu guards all that is below, all frames, and all of every Volume that is
	// not said to be otherwise. It is the only lock of the package; it is held
	// for microseconds and never while a Device works, memory of more than one
	// frame is copied, or somebody waits.
	mu         sync.Mutex
	memory     []byte // the arena
	fd         int    // its memfd; -1 = none
	data       []byte // the frames' part of memory
	frames     []frame
	index      index
	chunks     chunks
	eviction   eviction
	fetches    fetchTable
	volumes    []*Volume // by id; nil = closed
	open       int       // Volumes
	held       int       // frames of all Volumes that the target may lack, or that are promised to writers
	line       line      // of those who wait for a free frame
	generation uint64    // of the last descriptor written

	descriptors []descriptor
	stored      func() // nil but in tests: called after each store into a descriptor

	populating sync.WaitGroup // the goroutine that takes the memory
	closing    chan struct{}  // closed by Close, which waits for it

	start time.Time
}

// New returns a Cache with its memory reserved. The memory is taken in the
// background.
func New(opts Options) (*Cache, error) {
	n := frameCount(max(opts.Size, minSize))
	offset := dataOffset(n)
	memory, fd, err := mapArena(offset + n*frameSize)
	if err != nil {
		return nil, err
	}
	c := &Cache{
		size: int64(n) * frameSize, memory: memory, fd: fd, data: memory[offset:],
		frames:      make([]frame, n),
		index:       newIndex(n),
		chunks:      newChunks(n),
		descriptors: format(memory, n),
		closing:     make(chan struct{}),
		start:       time.Now(),
	}
	c.eviction = eviction{share: n / 10, ghosts: make(ghosts, len(c.index.buckets))}
	c.fetches.init()
	c.populating.Go(func() { populate(memory, c.closing) })
	return c, nil
}

// frameCount is how many frames size bytes allow for, in whole chunks.
func frameCount(size int64) int {
	n := size / frameSize
	if n*int64(overhead) > freeOverhead {
		n = (size + freeOverhead) / int64(frameSize+overhead)
	}
	return int(n) / chunkFrames * chunkFrames
}

// Used is how much of the memory holds data, in bytes.
func (c *Cache) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frames == nil { // closed
		return 0
	}
	return int64(len(c.frames)-1-c.chunks.n) * frameSize
}

// Size is the memory for data in bytes.
func (c *Cache) Size() int64 { return c.size }

// Close gives the memory back. All Volumes must have been closed, and all that
// was read released.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if used := len(c.frames) - 1 - c.chunks.n; c.open > 0 || used > 0 {
		return fmt.Errorf("close the cache: %d volumes and %d frames are in use", c.open, used)
	}
	close(c.closing)
	c.populating.Wait()
	memory := c.memory
	c.memory, c.data, c.frames, c.descriptors = nil, nil, nil, nil
	return unmapArena(memory, c.fd)
}

// now is the time in ns since the Cache was made.
func (c *Cache) now() int64 { return int64(time.Since(c.start)) }

// bytes is the memory of a frame.
func (c *Cache) bytes(id frameID) []byte {
	at := int(id) << frameBits
	return c.data[at : at+frameSize : at+frameSize]
}

// idOf is the frame that memory handed out to a reader lies in.
func (c *Cache) idOf(p []byte) frameID {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p))) - uintptr(unsafe.Pointer(unsafe.SliceData(c.data)))
	return frameID(at >> frameBits)
}

// tryAlloc fills ids with free frames, if need be by eviction.
func (c *Cache) tryAlloc(ids []frameID) bool {
	for c.chunks.n < len(ids) {
		if !c.evict(len(ids) >= chunkFrames) {
			return false
		}
	}
	c.chunks.take(ids)
	return true
}

// alloc is tryAlloc, and waits where all frames are in use. That is rare: what
// readers, writers and fetches may have in use at a time is bounded below the
// size of the arena.
func (c *Cache) alloc(ctx context.Context, ids []frameID) error {
	if len(c.line) == 0 && c.tryAlloc(ids) {
		return nil
	}
	return c.line.wait(ctx, &c.mu, func() (bool, time.Duration) { return c.tryAlloc(ids), 0 })
}

// release makes a frame free.
func (c *Cache) release(id frameID) {
	c.frames[id] = frame{}
	c.chunks.give(id)
	c.line.wake()
}

// unpin ends a use of the frame.
func (c *Cache) unpin(id frameID) {
	f := &c.frames[id]
	f.pins--
	if f.pins > 0 {
		return
	}
	switch f.state {
	case free, detached:
		c.release(id)
	case clean:
		c.volumes[f.volume].forget(id)
		c.line.wake()
	}
}
