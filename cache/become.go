package cache

// listOf is where a frame waits for what comes next in its state; nil = it
// waits for nothing, or for a command under way.
func (c *Cache) listOf(f *frame) *list {
	switch f.state {
	case clean:
		if f.fetch == 0 {
			return &c.eviction.queues[f.queue]
		}
	case dirty:
		fl := &c.volumes[f.volume].flush
		if f.gen <= fl.cut {
			return &fl.urgent
		}
		return &fl.dirty
	case written:
		return &c.volumes[f.volume].flush.written
	}
	return nil
}

// enter puts a frame of the index where its state belongs.
func (c *Cache) enter(id frameID) {
	f := &c.frames[id]
	if l := c.listOf(f); l != nil {
		l.push(c.frames, id)
	}
	c.volumes[f.volume].tally(f, 1)
}

// leave undoes enter.
func (c *Cache) leave(id frameID) {
	f := &c.frames[id]
	if l := c.listOf(f); l != nil {
		l.remove(c.frames, id)
	}
	c.volumes[f.volume].tally(f, -1)
}

// become changes the state of a frame in the index, and with it gen: what that
// means is up to the state.
func (c *Cache) become(id frameID, to state, gen uint64) {
	c.leave(id)
	f := &c.frames[id]
	f.state, f.gen = to, gen
	if to == clean {
		if f.valid&^f.mask != 0 {
			f.at = min(f.at, f.read)
		}
		f.mask, f.acked = 0, false
	}
	c.enter(id)
	c.describeStatus(id)
	if to == clean {
		c.line.wake() // it may be evicted
	}
}

// setFetch notes that a fetch is under way for the block of a frame in the
// index, or, with 0, that it has ended.
func (c *Cache) setFetch(id frameID, fetch fetchID) {
	c.leave(id)
	c.frames[id].fetch = fetch
	c.enter(id)
}

// insert puts a frame that is in no state yet into the index, as a block's
// first.
func (c *Cache) insert(v *Volume, id frameID, block int64, s state) {
	f := &c.frames[id]
	f.volume, f.block, f.state = v.id, block, s
	if c.eviction.ghosts.take(v.id, block) {
		f.queue = mainQueue
	}
	c.addToIndex(id)
	c.enter(id)
	c.describe(id)
}

// supersede puts id into the index in the place of old, for the same block.
// Where the state stays the same, so do age and order.
func (c *Cache) supersede(v *Volume, old, id frameID, s state) {
	f, o := &c.frames[id], &c.frames[old]
	f.volume, f.block, f.state = o.volume, o.block, s
	f.queue, f.hits, f.fetch = o.queue, o.hits, o.fetch
	same := o.state == s
	if same {
		f.gen, f.at = o.gen, o.at
	}
	if l := c.listOf(o); same && l != nil {
		l.substitute(c.frames, old, id)
		v.tally(o, -1)
		v.tally(f, 1)
	} else {
		c.leave(old)
		c.enter(id)
	}
	c.removeFromIndex(old)
	c.addToIndex(id)
	c.describe(id)
	c.detach(v, old)
}

// drop takes a frame out of the index, with what it holds.
func (c *Cache) drop(id frameID) {
	c.leave(id)
	c.removeFromIndex(id)
	c.detach(c.volumes[c.frames[id].volume], id)
}

// detach frees a frame that has left the index, or leaves that to its last
// unpin. What a write-back carries counts as held until the command has ended.
func (c *Cache) detach(v *Volume, id frameID) {
	f := &c.frames[id]
	c.undescribe(id)
	if f.state == inflight {
		v.hold(1)
	}
	f.state, f.fetch = detached, 0
	if f.pins == 0 {
		c.release(id)
	}
}

// tally keeps the numbers of frames by state: d is 1 or -1.
func (v *Volume) tally(f *frame, d int) {
	v.counts[f.state] += d
	if f.state.held() {
		v.hold(d)
	}
	if f.state == dirty || f.state == redirtied {
		v.flush.pend(f.gen, d)
	}
}

// hold counts frames that the target may lack, or that writers were promised.
func (v *Volume) hold(n int) {
	v.held += n
	v.cache.held += n
	if n < 0 {
		v.room.wake()
	}
}
