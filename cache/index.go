package cache

// index finds the frame of a block. It is a hash table of chains through the
// frames themselves: it takes no memory later on.
type index struct {
	buckets []frameID // a power of two of them
}

func newIndex(frames int) index {
	n := 1
	for n < frames {
		n *= 2
	}
	return index{make([]frameID, max(n, 16))}
}

// bucket keeps the sixteen blocks of 64 KiB side by side, so that a sequential
// walk reads whole cache lines of the table.
func (x *index) bucket(volume uint32, block int64) *frameID {
	h := (uint64(block)>>4 + 1) * 0x9e3779b97f4a7c15
	h ^= uint64(volume+1) * 0xd6e8feb86659fd93
	h *= 0xff51afd7ed558ccd
	return &x.buckets[(h>>32+uint64(block)&15)&uint64(len(x.buckets)-1)]
}

// lookup returns the frame of a block, or 0.
func (c *Cache) lookup(volume uint32, block int64) frameID {
	id := *c.index.bucket(volume, block)
	for id != 0 {
		f := &c.frames[id]
		if f.block == block && f.volume == volume {
			return id
		}
		id = f.chain
	}
	return 0
}

func (c *Cache) addToIndex(id frameID) {
	f := &c.frames[id]
	b := c.index.bucket(f.volume, f.block)
	f.chain, *b = *b, id
}

func (c *Cache) removeFromIndex(id frameID) {
	f := &c.frames[id]
	at := c.index.bucket(f.volume, f.block)
	for *at != id {
		at = &c.frames[*at].chain
	}
	*at = f.chain
}
