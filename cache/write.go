package cache

import (
	"context"
	"time"
)

// WriteAt writes p at off, through to the target, and returns how much of it
// was written: all, nothing, or as much as the disk holds; then the error is
// [ErrEnd]. Writes that touch one block are carried out one after the other.
func (v *Volume) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := v.clamp(off, len(p))
	switch {
	case n < 0:
		return 0, ErrRange
	case v.dev.ReadOnly():
		return 0, ErrReadOnly
	case n > 0:
		if err := v.write(ctx, p[:n], off); err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, ErrEnd
	}
	return n, nil
}

// zeroes is what Zero writes. It is never written to, so that it takes no
// memory beyond the one page of zeroes that the kernel maps for all of it.
var zeroes [1 << 20]byte

// Zero makes the n bytes from off on read as zeroes, by writing them.
func (v *Volume) Zero(ctx context.Context, off, n int64) error {
	if off < 0 || n < 0 || off > v.dev.Size()-n {
		return ErrRange
	}
	for n > 0 {
		// Pieces end at multiples of their size, so that only the first
		// and the last can be unaligned.
		piece := min(n, int64(len(zeroes))-off%int64(len(zeroes)))
		if _, err := v.WriteAt(ctx, zeroes[:piece], off); err != nil {
			return err
		}
		off, n = off+piece, n-piece
	}
	return nil
}

// write writes p, which must not be empty and lies within the disk. The lock
// covers whole blocks, for a read-modify-write writes back what it has read;
// and it is held until the target has answered, for what it does with two
// commands to one block is its own choice (SAM-5, section 8.6, SIMPLE tasks).
func (v *Volume) write(ctx context.Context, p []byte, off int64) error {
	if v.closed.Load() {
		return ErrClosed
	}
	v.stats.inFlight.Add(1)
	defer v.stats.inFlight.Add(-1)
	s := newSpan(p, off, v.dev.BlockSize())
	defer s.free()
	held, err := v.writing.lock(ctx, s.start, s.end)
	if err != nil {
		return err
	}
	defer v.writing.unlock(held)
	if !s.aligned() {
		if err := s.fetchEdges(ctx, v.dev); err != nil {
			return err
		}
		s.patchEdges()
	}
	epoch := v.dev.Epoch()
	if err := v.dev.WritevAt(ctx, s.bufs, s.start); err != nil {
		return err
	}
	v.noteWrite(epoch)
	v.written.Store(time.Now().UnixNano())
	v.stats.writes.Add(1)
	v.stats.writtenBytes.Add(uint64(len(p)))
	return nil
}
