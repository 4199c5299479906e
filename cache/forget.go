package cache

// forgetRange drops what is in memory of a range that a barrier covers.
func (v *Volume) forgetRange(r erasure) {
	v.eachIn(r, func(id frameID, gone sectors) { v.forgetSectors(id, gone) })
}

// distrustRange forgets what is in memory of a range that a barrier covers and was read
// from the Device, or is being read; what was written is dirty again.
func (v *Volume) distrustRange(r erasure) {
	c := v.cache
	v.eachIn(r, func(id frameID, _ sectors) {
		if c.frames[id].state == written {
			c.become(id, dirty, v.flush.open())
		}
		v.forgetRead(id)
	})
}

// forgetRead drops what of a frame was read from the Device, or is being read. A barrier
// covers it.
func (v *Volume) forgetRead(id frameID) {
	f := &v.cache.frames[id]
	if f.state == clean || f.valid != f.mask || f.fetch != 0 {
		v.forgetSectors(id, allSectors&^f.mask)
	}
}

// eachIn calls do for the frames with bytes of a range that a barrier covers, with the
// sectors that are in it. It lets others have the lock now and then.
func (v *Volume) eachIn(r erasure, do func(id frameID, part sectors)) {
	c := v.cache
	first, last := r.off>>frameBits, (r.end-1)>>frameBits
	byBlock := last-first < int64(len(c.frames))
	n := int64(len(c.frames))
	if byBlock {
		n = last - first + 1
	}
	for i := range n {
		if i%maxFetch == maxFetch-1 {
			c.mu.Unlock()
			c.mu.Lock()
			if v.ended {
				return
			}
		}
		id := frameID(i)
		if byBlock {
			id = c.lookup(v.id, first+i)
		}
		f := &c.frames[id]
		if id == 0 || f.volume != v.id || f.state <= detached || f.block < first || f.block > last {
			continue
		}
		base := f.block << frameBits
		do(id, sectorRange(int(max(r.off-base, 0)), int(min(r.end-base, frameSize))))
		if v.ended { // while it waited for memory
			return
		}
	}
}

// forgetSectors drops sectors of a frame; with some of it dirty the rest stays.
func (v *Volume) forgetSectors(id frameID, gone sectors) {
	c := v.cache
	f := &c.frames[id]
	rest := f.mask &^ gone
	if rest == 0 || f.state == clean {
		c.drop(id)
		return
	}
	// Readers may be using the frame, and what is fetched later may not be
	// written into what they read; so the rest moves. The barrier keeps all
	// else from the frame while we wait for memory, but that it may become clean.
	var spare [1]frameID
	f.pins++
	err := c.alloc(v.background, spare[:])
	c.unpin(id)
	switch {
	case err != nil: // the Volume is being closed
		return
	case !f.state.held():
		c.release(spare[0])
		if f.state == clean {
			c.drop(id)
		}
		return
	}
	c.setFetch(id, 0) // what is on its way is from before
	copySectors(c.bytes(spare[0]), c.bytes(id), rest)
	s := &c.frames[spare[0]]
	s.valid, s.mask, s.acked = rest, rest, f.acked
	c.supersede(v, id, spare[0], f.state)
}
