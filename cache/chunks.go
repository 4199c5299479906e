package cache

import "math/bits"

// chunkFrames is how many frames form a chunk: 64 KiB.
const chunkFrames = 16

// chunks gives out frames: runs as whole chunks, single frames from chunks that
// are in use already, so that runs stay contiguous in memory.
type chunks struct {
	free           []uint16 // by chunk: its free frames
	links          []chunkLink
	whole, partial uint32 // heads of rings: chunks that are all free, and in part
	next           uint32 // the chunk behind the one that was given out last
	n              int    // free frames
}

type chunkLink struct{ prev, next uint32 }

func newChunks(frames int) chunks {
	n := uint32(frames / chunkFrames)
	c := chunks{free: make([]uint16, n), links: make([]chunkLink, n+2), whole: n, partial: n + 1}
	c.links[c.whole] = chunkLink{c.whole, c.whole}
	c.links[c.partial] = chunkLink{c.partial, c.partial}
	for i := range n {
		c.free[i] = 1<<chunkFrames - 1
		c.append(c.whole, i)
	}
	c.n = int(n) * chunkFrames
	c.takeFrom(0, make([]frameID, 1)) // number 0 stands for none
	return c
}

func (c *chunks) append(ring, i uint32) {
	last := c.links[ring].prev
	c.links[i] = chunkLink{last, ring}
	c.links[last].next, c.links[ring].prev = i, i
}

func (c *chunks) unlink(i uint32) {
	l := c.links[i]
	c.links[l.prev].next, c.links[l.next].prev = l.next, l.prev
}

// take fills ids. There must be as many free frames.
func (c *chunks) take(ids []frameID) {
	for len(ids) > 0 {
		i := c.links[c.partial].next
		if i == c.partial || len(ids) >= chunkFrames && c.links[c.whole].next != c.whole {
			i = c.nextWhole()
		}
		ids = ids[c.takeFrom(i, ids):]
	}
}

// nextWhole prefers the chunk that continues the last one.
func (c *chunks) nextWhole() uint32 {
	i := c.next
	if int(i) >= len(c.free) || c.free[i] != 1<<chunkFrames-1 {
		i = c.links[c.whole].next
	}
	c.next = i + 1
	return i
}

// takeFrom fills ids as far as chunk i reaches, and returns how far.
func (c *chunks) takeFrom(i uint32, ids []frameID) int {
	was, n := c.free[i], 0
	for c.free[i] != 0 && n < len(ids) {
		bit := bits.TrailingZeros16(c.free[i])
		ids[n] = frameID(i*chunkFrames + uint32(bit))
		c.free[i] &^= 1 << bit
		n++
	}
	c.relink(i, was)
	c.n -= n
	return n
}

func (c *chunks) give(id frameID) {
	i := uint32(id) / chunkFrames
	was := c.free[i]
	c.free[i] |= 1 << (id % chunkFrames)
	c.relink(i, was)
	c.n++
}

// has tells whether the frame is free.
func (c *chunks) has(id frameID) bool {
	return c.free[id/chunkFrames]&(1<<(id%chunkFrames)) != 0
}

// scattered tells whether n frames are free in chunks, other than chunk i, that are in
// use already.
func (c *chunks) scattered(i uint32, n int) bool {
	for j := c.links[c.partial].next; n > 0 && j != c.partial; j = c.links[j].next {
		if j != i {
			n -= bits.OnesCount16(c.free[j])
		}
	}
	return n <= 0
}

// takeBeside takes one of the frames that scattered has counted.
func (c *chunks) takeBeside(i uint32) frameID {
	j := c.links[c.partial].next
	if j == i {
		j = c.links[j].next
	}
	var id [1]frameID
	c.takeFrom(j, id[:])
	return id[0]
}

// relink puts chunk i, of which was were free, into the ring where it belongs.
func (c *chunks) relink(i uint32, was uint16) {
	from, to := c.ring(was), c.ring(c.free[i])
	if from == to {
		return
	}
	if was != 0 {
		c.unlink(i)
	}
	if c.free[i] != 0 {
		c.append(to, i)
	}
}

func (c *chunks) ring(free uint16) uint32 {
	switch free {
	case 0:
		return ^uint32(0)
	case 1<<chunkFrames - 1:
		return c.whole
	}
	return c.partial
}
