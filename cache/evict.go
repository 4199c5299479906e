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

// evict frees one clean frame. It returns false when all of them are in use.
func (c *Cache) evict() bool {
	e := &c.eviction
	for range (maxHits + 2) * (e.queues[small].len + e.queues[mainQueue].len) {
		q := mainQueue
		if e.queues[mainQueue].len == 0 || e.queues[small].len > e.share {
			q = small
		}
		if c.evictFrom(q) {
			return true
		}
	}
	return false
}

// evictFrom frees the oldest frame of q, or puts it where it belongs.
func (c *Cache) evictFrom(q queueID) bool {
	l := &c.eviction.queues[q]
	id := l.head
	if id == 0 {
		return false
	}
	f := &c.frames[id]
	if f.pins == 0 && f.hits == 0 {
		if q == small {
			c.eviction.ghosts.add(f.volume, f.block)
		}
		if f.fresh {
			c.volumes[f.volume].streams.wasted++
		}
		c.drop(id)
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
