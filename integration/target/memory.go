package target

// memory is a backing of chunks of granuleSize that come into being when they are written.
type memory struct {
	bytes  int64
	chunks map[int64]*[granuleSize]byte
}

func newMemory(size int64) *memory {
	return &memory{size, map[int64]*[granuleSize]byte{}}
}

func (m *memory) size() int64  { return m.bytes }
func (m *memory) sync() error  { return nil }
func (m *memory) close() error { return nil }

func (m *memory) resize(n int64) error {
	if n < 0 {
		return errSize
	}
	if n < m.bytes {
		// What is cut off must not come back when the size grows again.
		if err := m.unmap(n, m.bytes-n); err != nil {
			return err
		}
	}
	m.bytes = n
	return nil
}

func (m *memory) read(p []byte, off int64) error {
	return eachChunk(granuleSize, off, int64(len(p)), func(chunk, within, length int64) error {
		if c := m.chunks[chunk]; c != nil {
			copy(p[:length], c[within:])
		} else {
			clear(p[:length])
		}
		p = p[length:]
		return nil
	})
}

func (m *memory) write(p []byte, off int64) error {
	return eachChunk(granuleSize, off, int64(len(p)), func(chunk, within, length int64) error {
		c := m.chunks[chunk]
		if c == nil {
			c = new([granuleSize]byte)
			m.chunks[chunk] = c
		}
		copy(c[within:], p[:length])
		p = p[length:]
		return nil
	})
}

func (m *memory) unmap(off, n int64) error {
	end := off + n
	first, last := (off+granuleSize-1)/granuleSize, end/granuleSize // whole ones
	if first > last {
		m.clear(off, n)
		return nil
	}
	m.clear(off, first*granuleSize-off)
	m.clear(last*granuleSize, end-last*granuleSize)
	m.within(first, last, func(chunk int64) { delete(m.chunks, chunk) })
	return nil
}

// clear zeroes a part of one chunk.
func (m *memory) clear(off, n int64) {
	if c := m.chunks[off/granuleSize]; c != nil && n > 0 {
		clear(c[off%granuleSize:][:n])
	}
}

// within calls f for the chunks that there are from first to before last, in no
// order. Of a large range most are not there.
func (m *memory) within(first, last int64, f func(chunk int64)) {
	if int64(len(m.chunks)) < last-first {
		for chunk := range m.chunks {
			if chunk >= first && chunk < last {
				f(chunk)
			}
		}
		return
	}
	for chunk := first; chunk < last; chunk++ {
		if m.chunks[chunk] != nil {
			f(chunk)
		}
	}
}

func (m *memory) mapped(off, n int64) (bool, int64) {
	chunk, last := off/granuleSize, (off+n+granuleSize-1)/granuleSize
	if m.chunks[chunk] == nil {
		next := last
		m.within(chunk, last, func(c int64) { next = min(next, c) })
		return false, min(next*granuleSize-off, n)
	}
	for chunk < last && m.chunks[chunk] != nil {
		chunk++
	}
	return true, min(chunk*granuleSize-off, n)
}
