package cache

import "context"

// zeroes is what Zero writes. It is never written to, so that it takes no
// memory beyond the one page of zeroes that the kernel maps for all of it.
var zeroes [1 << 20]byte

// Zero makes the n bytes from off on read as zeroes, by writing them.
func (v *Volume) Zero(ctx context.Context, off, n int64) error {
	if off < 0 || n < 0 || off > v.Size()-n {
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
