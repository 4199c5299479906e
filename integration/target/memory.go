package target

// memory is a backing of chunks that come into being when they are written.
type memory struct {
	bytes  int64
	chunks map[int64]*[chunkSize]byte
}

func newMemory(size int64) *memory {
	return &memory{size, map[int64]*[chunkSize]byte{}}
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
	return eachChunk(off, int64(len(p)), func(chunk, within, length int64) error {
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
	return eachChunk(off, int64(len(p)), func(chunk, within, length int64) error {
		c := m.chunks[chunk]
		if c == nil {
			c = new([chunkSize]byte)
			m.chunks[chunk] = c
		}
		copy(c[within:], p[:length])
		p = p[length:]
		return nil
	})
}

func (m *memory) unmap(off, n int64) error {
	return eachChunk(off, n, func(chunk, within, length int64) error {
		if length == chunkSize {
			delete(m.chunks, chunk)
		} else if c := m.chunks[chunk]; c != nil {
			clear(c[within : within+length])
		}
		return nil
	})
}

func (m *memory) mapped(off, n int64) (bool, int64) {
	first := m.chunks[off/chunkSize] != nil
	run := chunkSize - off%chunkSize
	for run < n && (m.chunks[(off+run)/chunkSize] != nil) == first {
		run += chunkSize
	}
	return first, min(run, n)
}
