package initiator

// vector is a run of bytes that lies in several buffers of the caller, who
// keeps them unchanged until the command that carries them has ended.
type vector struct {
	bufs [][]byte
	skip int // bytes of bufs[0] before the first
	len  int

	// The buffer that holds the last offset asked for, and the offset of that
	// buffer's first byte: accesses are nearly always sequential.
	index, base int
}

// newVector returns the vector of all bytes in bufs.
func newVector(bufs [][]byte) vector {
	n := 0
	for _, b := range bufs {
		n += len(b)
	}
	return vector{bufs: bufs, len: n}
}

// slice returns the n bytes from off on.
func (v *vector) slice(off, n int) vector {
	v.seek(off)
	return vector{bufs: v.bufs[v.index:], skip: off - v.base, len: n}
}

// at returns the longest run that starts at off, lies in one buffer and has at
// most n bytes. The caller keeps 0 <= off < off+n <= len.
func (v *vector) at(off, n int) []byte {
	v.seek(off)
	b := v.bufs[v.index][off-v.base:]
	return b[:min(n, len(b))]
}

// seek finds the buffer that holds off.
func (v *vector) seek(off int) {
	if off < v.base || v.base == 0 && v.index == 0 {
		v.index, v.base = 0, -v.skip
	}
	for v.index < len(v.bufs)-1 && off >= v.base+len(v.bufs[v.index]) {
		v.base += len(v.bufs[v.index])
		v.index++
	}
}
