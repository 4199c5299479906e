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
	start, end int64  // the blocks touched, in bytes
	p          []byte // the caller's memory
	skip       int    // bytes of the first block before p
	head, tail []byte // buffers of one block; nil = that edge is aligned
	bufs       [][]byte
	array      [3][]byte // backs bufs
}

var spans = sync.Pool{New: func() any { return new(span) }}

// newSpan lays p, which must not be empty, over blocks of the given size. The
// caller frees it.
func newSpan(p []byte, off int64, blockSize int) *span {
	s := spans.Get().(*span)
	mask := int64(blockSize) - 1
	end := off + int64(len(p))
	s.p, s.start, s.end = p, off&^mask, (end+mask)&^mask
	s.skip = int(off - s.start)
	s.bufs = s.array[:0]
	middle := p
	if s.skip > 0 || s.end-s.start == int64(blockSize) && s.end != end {
		s.head = getBuffer(blockSize)
		s.bufs = append(s.bufs, s.head)
		middle = middle[min(len(middle), blockSize-s.skip):]
	}
	if over := len(middle) & (blockSize - 1); over > 0 {
		s.tail = getBuffer(blockSize)
		middle = middle[:len(middle)-over]
	}
	if len(middle) > 0 {
		s.bufs = append(s.bufs, middle)
	}
	if s.tail != nil {
		s.bufs = append(s.bufs, s.tail)
	}
	return s
}

func (s *span) free() {
	for _, edge := range [][]byte{s.head, s.tail} {
		if edge != nil {
			putBuffer(edge)
		}
	}
	*s = span{}
	spans.Put(s)
}

// aligned tells whether the access consists of whole blocks.
func (s *span) aligned() bool { return s.head == nil && s.tail == nil }

// headPart and tailPart are the parts of p that lie in the edge blocks.
func (s *span) headPart() []byte { return s.p[:min(len(s.p), len(s.head)-s.skip)] }

func (s *span) tailPart() []byte {
	return s.p[len(s.p)-len(s.p[s.headLen():])&(len(s.tail)-1):]
}

func (s *span) headLen() int {
	if s.head == nil {
		return 0
	}
	return len(s.headPart())
}

// fetchEdges reads the edge blocks from dev.
func (s *span) fetchEdges(ctx context.Context, dev Device) error {
	if s.head != nil {
		if err := readBlock(ctx, dev, s.head, s.start); err != nil {
			return err
		}
	}
	if s.tail == nil {
		return nil
	}
	return readBlock(ctx, dev, s.tail, s.end-int64(len(s.tail)))
}

func readBlock(ctx context.Context, dev Device, block []byte, off int64) error {
	one := spans.Get().(*span)
	defer one.free()
	one.bufs = append(one.array[:0], block)
	return dev.ReadvAt(ctx, one.bufs, off)
}

// patchEdges puts the caller's bytes into the edge blocks.
func (s *span) patchEdges() {
	if s.head != nil {
		copy(s.head[s.skip:], s.headPart())
	}
	if s.tail != nil {
		copy(s.tail, s.tailPart())
	}
}

// copyEdges puts the edge blocks' bytes into the caller's memory.
func (s *span) copyEdges() {
	if s.head != nil {
		copy(s.headPart(), s.head[s.skip:])
	}
	if s.tail != nil {
		copy(s.tailPart(), s.tail)
	}
}
