package cache

// Eviction is S3-FIFO (Yang et al., SOSP 2023): three queues, first in first
// out, and a count of hits with each frame. A hit moves nothing, and what is
// read once, as by dd, passes through the small queue without touching what is
// read again and again.
//
//	fetched ──► small ──hit──► main ──hit──► main again, one hit less
//	              │             │
//	              └──no hit──► evicted ──► remembered in ghosts: fetched
//	                                       again, it goes to main at once
//
// What the target may lack is in no queue and is never evicted.
type queueID uint8

const (
	small queueID = iota
	mainQueue
	queues
)

// maxHits bounds how often main is gone around for one frame.
const maxHits = 3

// eviction holds the clean frames.
type eviction struct {
	queues [queues]list
	share  int // frames that small may hold while main holds any
	ghosts ghosts
}

// ghosts remembers blocks that were evicted from small: a table of
// fingerprints, each kept until another takes its place.
type ghosts []uint32

func (g ghosts) place(volume uint32, block int64) (*uint32, uint32) {
	h := (uint64(block)+1)*0x9e3779b97f4a7c15 ^ uint64(volume+1)*0xc2b2ae3d27d4eb4f
	h = (h ^ h>>29) * 0xbf58476d1ce4e5b9
	return &g[(h>>40)&uint64(len(g)-1)], uint32(h) | 1
}

func (g ghosts) add(volume uint32, block int64) {
	at, print := g.place(volume, block)
	*at = print
}

// take tells whether the block is remembered, and forgets it.
func (g ghosts) take(volume uint32, block int64) bool {
	at, print := g.place(volume, block)
	if *at != print {
		return false
	}
	*at = 0
	return true
}

// evict frees one clean frame, and with whole the rest of its chunk too, where that
// goes. It returns false when all of them are in use.
func (c *Cache) evict(whole bool) bool {
	e := &c.eviction
	for range (maxHits + 2) * (e.queues[small].len + e.queues[mainQueue].len) {
		q := mainQueue
		if e.queues[mainQueue].len == 0 || e.queues[small].len > e.share {
			q = small
		}
		if c.evictFrom(q, whole) {
			return true
		}
	}
	return false
}

// evictFrom frees the oldest frame of q, or puts it where it belongs.
func (c *Cache) evictFrom(q queueID, whole bool) bool {
	l := &c.eviction.queues[q]
	id := l.head
	if id == 0 {
		return false
	}
	f := &c.frames[id]
	if f.unwanted(q) {
		c.expel(id)
		if whole {
			c.evictChunk(uint32(id) / chunkFrames)
		}
		return true
	}
	l.remove(c.frames, id)
	if f.hits > 0 {
		f.queue = mainQueue
		if q == mainQueue {
			f.hits--
		} else {
			f.hits = 0
		}
	}
	c.eviction.queues[f.queue].push(c.frames, id)
	return false
}

// maxMoves is how many frames may move to free the rest of a chunk: half of it.
const maxMoves = chunkFrames / 2

// evictChunk frees what is left in a chunk, all of it or nothing; what is wanted
// moves to free frames elsewhere. Without this, frames that were freed one by one, in
// the order of random accesses, would lie apart for ever, and a long transfer cost
// one piece for each. That some are not the oldest matters little.
func (c *Cache) evictChunk(i uint32) {
	first := frameID(i * chunkFrames)
	moves := 0
	for id := first; id < first+chunkFrames; id++ {
		f := &c.frames[id]
		switch {
		case c.chunks.has(id) || f.unwanted(small):
		case f.idle() && moves < maxMoves:
			moves++
		default:
			return
		}
	}
	if !c.chunks.scattered(i, moves) {
		return
	}
	for id := first; id < first+chunkFrames; id++ {
		f := &c.frames[id]
		switch {
		case c.chunks.has(id):
		case f.unwanted(small):
			c.expel(id)
		default:
			c.move(id, c.chunks.takeBeside(i))
		}
	}
}

// move puts what a frame that is idle holds into another.
func (c *Cache) move(id, to frameID) {
	f, t := &c.frames[id], &c.frames[to]
	copySectors(c.bytes(to), c.bytes(id), f.valid)
	t.valid, t.fresh = f.valid, f.fresh
	c.supersede(c.volumes[f.volume], id, to, clean)
}

// idle tells whether nothing uses the memory of a clean frame.
func (f *frame) idle() bool { return f.state == clean && f.pins == 0 && f.fetch == 0 }

// unwanted tells whether the frame, in queue q, may be evicted.
func (f *frame) unwanted(q queueID) bool { return f.idle() && f.queue == q && f.hits == 0 }

// expel frees a frame that is unwanted.
func (c *Cache) expel(id frameID) {
	f := &c.frames[id]
	if f.queue == small {
		c.eviction.ghosts.add(f.volume, f.block)
	}
	if f.fresh {
		c.volumes[f.volume].streams.wasted++
	}
	c.drop(id)
}

// touch notes a read. A sequential reader, and the read that a fetch was made
// for, do not show that the block will be read again.
func (f *frame) touch(sequential bool) {
	switch {
	case f.fresh:
		f.fresh = false
	case !sequential && f.hits < maxHits:
		f.hits++
	}
}
