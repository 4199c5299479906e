package cache

import (
	"context"
	"io"
	"sync"
	"time"
	"unsafe"
)

// Read appends to vec slices that together hold n bytes from off on, fewer
// where the disk ends, none at or past its end. The slices stay valid and
// unmodified until [Volume.Release]. After an error vec is returned as it was.
func (v *Volume) Read(ctx context.Context, off int64, n int, vec [][]byte) ([][]byte, error) {
	within := v.clamp(off, n)
	if within <= 0 {
		return vec, nil
	}
	if v.closed.Load() {
		return vec, ErrClosed
	}
	v.stats.inFlight.Add(1)
	defer v.stats.inFlight.Add(-1)
	c := v.cache
	c.mu.Lock()
	r := reader{v: v, off: off, end: off + int64(within), vec: vec, start: len(vec), bridge: maxBridge}
	err := r.run(ctx)
	c.mu.Unlock()
	if err == ErrRange { // it has shrunk meanwhile
		return v.Read(ctx, off, n, vec)
	}
	if err != nil {
		return vec, err
	}
	v.stats.reads.Add(1)
	v.stats.readBytes.Add(uint64(within))
	return r.vec, nil
}

// Release gives back what one Read appended; the slices must not be used
// after it.
func (v *Volume) Release(vec [][]byte) {
	c := v.cache
	c.mu.Lock()
	n := c.releaseVec(vec)
	v.reading -= n
	v.reads.wake()
	c.mu.Unlock()
}

// releaseVec unpins the frames of vec and returns how many there were.
func (c *Cache) releaseVec(vec [][]byte) (n int) {
	for i, p := range vec {
		first, last := c.idOf(p), c.idOf(p[len(p)-1:])
		for id := first; id <= last; id++ {
			c.unpin(id)
		}
		n += int(last-first) + 1
		vec[i] = nil
	}
	return n
}

// ReadAt fills p from off on and returns the number of bytes read. At the end
// of the disk it returns fewer than len(p) and io.EOF.
func (v *Volume) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := v.clamp(off, len(p))
	if n < 0 {
		return 0, ErrRange
	}
	if v.closed.Load() {
		return 0, ErrClosed
	}
	for done := 0; done < n; {
		m, err := v.copyOut(ctx, p[done:min(n, done+maxPiece)], off+int64(done))
		if err != nil {
			return 0, err
		}
		done += m
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// maxPiece is how much of a long access is done at a time, in bytes.
const maxPiece = 256 << 10

// vectors holds memory for what Read returns.
var vectors = sync.Pool{New: func() any { return new([maxPiece/frameSize + 1][]byte) }}

// copyOut reads at most maxPiece bytes into p.
func (v *Volume) copyOut(ctx context.Context, p []byte, off int64) (n int, err error) {
	array := vectors.Get().(*[maxPiece/frameSize + 1][]byte)
	defer vectors.Put(array)
	vec, err := v.Read(ctx, off, len(p), array[:0])
	if err != nil {
		return 0, err
	}
	for _, part := range vec {
		n += copy(p[n:], part)
	}
	v.Release(vec)
	if n == 0 {
		return 0, io.ErrUnexpectedEOF // the disk has shrunk
	}
	return n, nil
}

// clamp returns how much of n bytes from off on lies within the disk; -1 for
// an offset below zero.
func (v *Volume) clamp(off int64, n int) int {
	if off < 0 {
		return -1
	}
	return int(max(0, min(int64(n), v.Size()-off)))
}

// reader is one Read under way. Cache.mu is held but where it waits.
type reader struct {
	v        *Volume
	off, end int64
	vec      [][]byte
	start    int   // length of vec at the start
	block    int64 // the next to be pinned
	counted  int64 // blocks below this one are counted as hits or misses
	bridge   int   // see missing; 0 since a fetch has failed that was not for us alone
	oldest   int64 // see Volume.oldest
	seq      *stream
}

func (r *reader) run(ctx context.Context) error {
	v := r.v
	r.block = r.off >> frameBits
	last := (r.end - 1) >> frameBits
	frames := int(last-r.block) + 1
	if err := v.admitReader(ctx, frames); err != nil {
		return err
	}
	if r.seq = v.streams.note(r.off, r.end); r.seq != nil {
		v.readAhead(r.seq)
	}
	r.oldest = v.oldest()
	for r.block <= last {
		if r.hit() {
			continue
		}
		if err := r.miss(ctx, last); err != nil {
			v.cache.releaseVec(r.vec[r.start:])
			v.reading -= frames
			v.reads.wake()
			return err
		}
	}
	return nil
}

// oldest is the time of fetch before which clean data is too old.
func (v *Volume) oldest() int64 {
	if v.opts.MaxAge <= 0 {
		return -1
	}
	return v.cache.now() - int64(v.opts.MaxAge)
}

// lookupYoung is lookup, and forgets first what was fetched before oldest. What is dirty
// stays. Where readers use what is too old beside it, so does that, until they have ended:
// what is fetched is not to come into it.
func (c *Cache) lookupYoung(v *Volume, block, oldest int64) frameID {
	id := c.lookup(v.id, block)
	if id == 0 || oldest < 0 {
		return id
	}
	f := &c.frames[id]
	carried := int32(0)
	if f.state == inflight {
		carried = 1
	}
	switch {
	case f.fetch != 0:
	case f.state == clean && f.at < oldest:
		c.drop(id)
		return 0
	case f.state.held() && f.read < oldest && f.pins == carried && f.valid != f.mask:
		f.valid = f.mask
		c.describeStatus(id)
	}
	return id
}

// letGo gives back what was pinned, to pin it again, so that nobody waits for what
// another reader has pinned who waits too.
func (r *reader) letGo() {
	r.v.cache.releaseVec(r.vec[r.start:])
	r.vec, r.block = r.vec[:r.start], r.off>>frameBits
}

// bounds is the part of a block that is wanted.
func (r *reader) bounds(block int64) (lo, hi int) {
	base := block << frameBits
	return int(max(r.off-base, 0)), int(min(r.end-base, frameSize))
}

// hit pins the present block if it is there, and goes on to the next.
func (r *reader) hit() bool {
	c := r.v.cache
	lo, hi := r.bounds(r.block)
	id := c.lookupYoung(r.v, r.block, r.oldest)
	if id == 0 {
		return false
	}
	f := &c.frames[id]
	if !f.valid.has(sectorRange(lo, hi)) {
		return false
	}
	f.pins++
	if r.block >= r.counted {
		r.v.stats.hits++
		f.touch(r.seq != nil)
	} else {
		f.fresh = false
	}
	r.vec = extend(r.vec, r.start, c.bytes(id)[lo:hi])
	r.block++
	return true
}

// extend appends p to vec; where it continues the last slice in memory, of
// those from start on, they become one.
func extend(vec [][]byte, start int, p []byte) [][]byte {
	if n := len(vec); n > start {
		last := vec[n-1]
		end := uintptr(unsafe.Pointer(unsafe.SliceData(last))) + uintptr(len(last))
		if end == uintptr(unsafe.Pointer(unsafe.SliceData(p))) {
			vec[n-1] = unsafe.Slice(unsafe.SliceData(last), len(last)+len(p))
			return vec
		}
	}
	return append(vec, p)
}

// admitReader bounds what the readers of one disk use at a time, so that a disk
// that hangs does not take the memory of all.
func (v *Volume) admitReader(ctx context.Context, frames int) error {
	if v.ended {
		return ErrClosed
	}
	c := v.cache
	fits := func() bool { return v.reading == 0 || v.reading+frames <= c.readLimit() || v.ended }
	if len(v.reads) > 0 || !fits() {
		err := v.reads.wait(ctx, &c.mu, func() (bool, time.Duration) { return fits(), 0 })
		if err != nil {
			return err
		}
		if v.ended {
			return ErrClosed
		}
	}
	v.reading += frames
	return nil
}

// readLimit is how many frames the readers of one disk may use: an eighth of
// the arena, divided by the number of disks.
func (c *Cache) readLimit() int { return max(len(c.frames)/8/max(c.open, 1), 2*maxPiece/frameSize) }
