package cache

import (
	"context"
	"io"
)

// Read appends to vec slices that together hold n bytes from off on, fewer
// where the disk ends, none at or past its end. The slices stay valid and
// unmodified until [Volume.Release]. After an error vec is returned as it was.
func (v *Volume) Read(ctx context.Context, off int64, n int, vec [][]byte) ([][]byte, error) {
	n = v.clamp(off, n)
	if n <= 0 {
		return vec, nil
	}
	buf := getBuffer(n)
	if err := v.read(ctx, buf, off); err != nil {
		putBuffer(buf)
		return vec, err
	}
	return append(vec, buf), nil
}

// Release gives back what one Read appended; the slices must not be used
// after it.
func (v *Volume) Release(vec [][]byte) {
	for i, buf := range vec {
		putBuffer(buf)
		vec[i] = nil
	}
}

// ReadAt fills p from off on and returns the number of bytes read. At the end
// of the disk it returns fewer than len(p) and io.EOF.
func (v *Volume) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := v.clamp(off, len(p))
	if n < 0 {
		return 0, ErrRange
	}
	if n > 0 {
		if err := v.read(ctx, p[:n], off); err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read fills p, which must not be empty and lies within the disk.
func (v *Volume) read(ctx context.Context, p []byte, off int64) error {
	if v.closed.Load() {
		return ErrClosed
	}
	v.stats.inFlight.Add(1)
	defer v.stats.inFlight.Add(-1)
	s := newSpan(p, off, v.dev.BlockSize())
	defer s.free()
	if err := v.dev.ReadvAt(ctx, s.bufs, s.start); err != nil {
		return err
	}
	s.copyEdges()
	v.stats.reads.Add(1)
	v.stats.readBytes.Add(uint64(len(p)))
	return nil
}

// clamp returns how much of n bytes from off on lies within the disk; -1 for
// an offset below zero.
func (v *Volume) clamp(off int64, n int) int {
	if off < 0 {
		return -1
	}
	return int(max(0, min(int64(n), v.dev.Size()-off)))
}
