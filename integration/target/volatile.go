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
	if err := v.remember(off, n); err != nil {
		return err
	}
	return v.backing.unmap(off, n)
}

// remember saves the chunks of a range, once since the last synchronization.
func (v *volatile) remember(off, n int64) error {
	if !v.caching {
		return nil
	}
	if v.undo == nil {
		v.undo = map[int64][]byte{}
	}
	return eachChunk(off, n, func(chunk, _, _ int64) error {
		if v.undo[chunk] != nil {
			return nil
		}
		old := make([]byte, min(chunkSize, v.size()-chunk*chunkSize))
		v.undo[chunk] = old
		return v.read(old, chunk*chunkSize)
	})
}

// keep puts durable data into what a power cut brings back.
func (v *volatile) keep(p []byte, off int64) {
	eachChunk(off, int64(len(p)), func(chunk, within, length int64) error {
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
		if n := v.size() - chunk*chunkSize; n < int64(len(old)) {
			old = old[:max(n, 0)]
		}
		if err := v.backing.write(old, chunk*chunkSize); err != nil {
			return err
		}
	}
	v.undo = nil
	return nil
}
