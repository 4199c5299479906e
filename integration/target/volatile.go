package target

// volatile is a backing with a write cache that can lose its content. It
// writes through and remembers, by chunk, what stood there at the last
// synchronization.
type volatile struct {
	backing
	caching bool
	undo    map[int64][]byte
}

// write stores data; durable data (FUA) survives a power cut.
func (v *volatile) write(p []byte, off int64, durable bool) error {
	if err := v.remember(off, int64(len(p))); err != nil {
		return err
	}
	if durable {
		v.keep(p, off)
	}
	return v.backing.write(p, off)
}

func (v *volatile) unmap(off, n int64) error {
	if err := v.rememberMapped(off, n); err != nil {
		return err
	}
	return v.backing.unmap(off, n)
}

// rememberMapped saves what is allocated of a range; the rest reads as zeroes, now
// and when it is unmapped.
func (v *volatile) rememberMapped(off, n int64) error {
	for end := off + n; off < end && v.caching; {
		mapped, run := v.mapped(off, end-off)
		if mapped {
			if err := v.remember(off, run); err != nil {
				return err
			}
		}
		off += run
	}
	return nil
}

// remember saves the chunks of a range, once since the last synchronization.
func (v *volatile) remember(off, n int64) error {
	if !v.caching {
		return nil
	}
	if v.undo == nil {
		v.undo = map[int64][]byte{}
	}
	return eachChunk(undoSize, off, n, func(chunk, _, _ int64) error {
		if v.undo[chunk] != nil {
			return nil
		}
		old := make([]byte, min(undoSize, v.size()-chunk*undoSize))
		v.undo[chunk] = old
		return v.read(old, chunk*undoSize)
	})
}

// keep puts durable data into what a power cut brings back.
func (v *volatile) keep(p []byte, off int64) {
	eachChunk(undoSize, off, int64(len(p)), func(chunk, within, length int64) error {
		if old := v.undo[chunk]; old != nil {
			copy(old[within:], p[:length])
		}
		p = p[length:]
		return nil
	})
}

// sync makes everything durable that was written so far.
func (v *volatile) sync() error {
	v.undo = nil
	return v.backing.sync()
}

// lose brings back what stood there at the last synchronization.
func (v *volatile) lose() error {
	for chunk, old := range v.undo {
		if n := v.size() - chunk*undoSize; n < int64(len(old)) {
			old = old[:max(n, 0)]
		}
		if err := v.backing.write(old, chunk*undoSize); err != nil {
			return err
		}
	}
	v.undo = nil
	return nil
}
