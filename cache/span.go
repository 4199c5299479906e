package cache

import (
	"context"
	"sync"
)

// span is an access of any offset and length, laid over whole blocks:
//
//	block     |---------|---------|---------|---------|
//	access          [p-----------------------------]
//	bufs      [head]     [middle, within p  ] [tail]
//
// Where the access starts or ends inside of a block, that block goes through a
// buffer of its own; all the rest goes straight to or from the caller's memory.
// An access within one block has a head only.
type span struct {
	start, end int64 // the blocks touched, in bytes
	skip       int   // bytes of the first block before p
	head, tail edge  // zero = aligned
	bufs       [][]byte
	array      [3][]byte // backs bufs
}

// edge is a block that the access covers in part.
type edge struct {
	block []byte // the whole of it, from the pool
	part  []byte // what lies in it of p
}

var spans = sync.Pool{New: func() any { return new(span) }}

// newSpan lays p, which must not be empty, over blocks of the given size. The
// caller frees it.
func newSpan(p []byte, off int64, blockSize int) *span {
	s := spans.Get().(*span)
	mask := int64(blockSize) - 1
	end := off + int64(len(p))
	s.start, s.end = off&^mask, (end+mask)&^mask
	s.skip = int(off - s.start)
	s.bufs = s.array[:0]
	if s.skip > 0 || len(p) < blockSize {
		n := min(len(p), blockSize-s.skip)
		s.head = edge{getBuffer(blockSize), p[:n]}
		s.bufs = append(s.bufs, s.head.block)
		p = p[n:]
	}
	whole := len(p) &^ (blockSize - 1)
	if whole > 0 {
		s.bufs = append(s.bufs, p[:whole])
	}
	if whole < len(p) {
		s.tail = edge{getBuffer(blockSize), p[whole:]}
		s.bufs = append(s.bufs, s.tail.block)
	}
	return s
}

func (s *span) free() {
	if s.head.block != nil {
		putBuffer(s.head.block)
	}
	if s.tail.block != nil {
		putBuffer(s.tail.block)
	}
	*s = span{}
	spans.Put(s)
}

// aligned tells whether the access consists of whole blocks.
func (s *span) aligned() bool { return s.head.block == nil && s.tail.block == nil }

// fetchEdges reads the edge blocks from dev.
func (s *span) fetchEdges(ctx context.Context, dev Device) error {
	if s.head.block != nil {
		if err := readBlock(ctx, dev, s.head.block, s.start); err != nil {
			return err
		}
	}
	if s.tail.block == nil {
		return nil
	}
	return readBlock(ctx, dev, s.tail.block, s.end-int64(len(s.tail.block)))
}

// readBlock reads one block. Its span is there for the memory of the vector.
func readBlock(ctx context.Context, dev Device, block []byte, off int64) error {
	s := spans.Get().(*span)
	defer s.free()
	s.bufs = append(s.array[:0], block)
	return dev.ReadvAt(ctx, s.bufs, off)
}

// patchEdges puts the caller's bytes into the edge blocks.
func (s *span) patchEdges() {
	copy(s.head.block[min(s.skip, len(s.head.block)):], s.head.part)
	copy(s.tail.block, s.tail.part)
}

// copyEdges puts the edge blocks' bytes into the caller's memory.
func (s *span) copyEdges() {
	copy(s.head.part, s.head.block[min(s.skip, len(s.head.block)):])
	copy(s.tail.part, s.tail.block)
}
