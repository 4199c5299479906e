package cache

import (
	"context"
	"math/bits"
)

const (
	// maxFetch is how many frames one fetch fills at most: 1 MiB.
	maxFetch = 256
	// maxBridge is how many blocks in memory, that follow each other, one fetch reads
	// over: 32 KiB are cheaper than another command.
	maxBridge = 8
)

type fetchID uint32

// fetch is one read of the Device into frames, for blocks that follow each
// other. Each block has one fetch under way at most; its number stands in the
// frame of the block, and a frame that takes the other's place inherits it. What
// the fetch brings is used for sectors that are not valid by then, of frames
// that still have its number: so it never takes the place of newer data, and
// data that was dropped meanwhile does not come back. Blocks that are in memory
// already are read over, into spare frames, and do not get the number. An error may be
// theirs: then what is missing is fetched without them.
type fetch struct {
	id      fetchID
	v       *Volume
	block   int64     // the first
	length  int       // bytes
	targets []frameID // that are filled, each pinned: the blocks' own frames, or spare ones
	bufs    [][]byte  // the targets' memory
	ahead   bool      // nobody waited for it when it began
	over    bool      // it reads over blocks that are in memory
	done    chan struct{}
	err     error
	gaveUp  bool // who ran it did: err says nothing of the disk
	users   int  // who may still look at it: those who wait, and who runs it
}

// fetchTable finds fetches by number, and keeps them for another use.
type fetchTable struct {
	all  []*fetch // by number; 0 is not used
	idle []fetchID
}

func (t *fetchTable) init() { t.all = append(t.all, nil) }

func (t *fetchTable) get() *fetch {
	if n := len(t.idle); n > 0 {
		f := t.all[t.idle[n-1]]
		t.idle = t.idle[:n-1]
		return f
	}
	f := &fetch{id: fetchID(len(t.all))}
	t.all = append(t.all, f)
	return f
}

// leave ends the use of f by one of its users.
func (t *fetchTable) leave(f *fetch) {
	f.users--
	if f.users > 0 {
		return
	}
	clear(f.bufs)
	*f = fetch{id: f.id, targets: f.targets[:0], bufs: f.bufs[:0]}
	t.idle = append(t.idle, f.id)
}

// miss sees to it that the present block, and those missing behind it up to
// last, come into memory: the caller itself fetches them, or waits for the
// fetch that is under way.
func (r *reader) miss(ctx context.Context, last int64) error {
	v, c := r.v, r.v.cache
	if id := c.lookup(v.id, r.block); id != 0 && c.frames[id].fetch != 0 {
		return r.await(ctx, c.fetches.all[c.frames[id].fetch])
	}
	reach := v.reach()
	if r.lackingEnd() > reach { // it has shrunk
		return v.pastReach(r.end, ErrRange)
	}
	n := v.missing(r.block, min(last, (reach-1)>>frameBits), r.bridge)
	r.count(r.block + int64(n))
	f, err := r.newFetch(ctx, n, reach)
	if err != nil || f == nil {
		return err
	}
	over := f.over
	if err = v.runFetch(ctx, f); over && err != nil && ctx.Err() == nil && !v.ended {
		r.bridge = 0
		return nil
	}
	return err
}

// lackingEnd is where that part of the present block ends on the disk which is
// wanted and not in memory.
func (r *reader) lackingEnd() int64 {
	c := r.v.cache
	lacking := sectorRange(r.bounds(r.block))
	if id := c.lookup(r.v.id, r.block); id != 0 {
		lacking &^= c.frames[id].valid
	}
	return r.block<<frameBits + int64(bits.Len8(uint8(lacking)))<<sectorBits
}

// count takes the blocks up to end into account, of which some may be in memory.
func (r *reader) count(end int64) {
	c := r.v.cache
	for b := max(r.counted, r.block); b < end; b++ {
		f := &c.frames[c.lookupYoung(r.v, b, r.oldest)] // that of none has nothing
		if f.valid.has(sectorRange(r.bounds(b))) {
			r.v.stats.hits++
			f.touch(r.seq != nil)
		} else {
			r.v.stats.misses++
		}
	}
	r.counted = max(r.counted, end)
}

// whole tells whether all of a block is in memory.
func (v *Volume) whole(block int64) bool {
	id := v.cache.lookup(v.id, block)
	return id != 0 && v.cache.frames[id].valid == allSectors
}

// await waits for another's fetch. Its error is ours if that one wanted the data too,
// and nothing that we do not want; else, and where it gave up, we try for ourselves. That
// is once: where all of the disk fails, those who wait are not to try one after the other.
func (r *reader) await(ctx context.Context, f *fetch) error {
	c := r.v.cache
	wanted := (r.end-1)>>frameBits + 1
	r.count(min(f.block+int64(len(f.targets)), wanted))
	if f.ahead && r.seq != nil {
		r.seq.stalled = true
	}
	if f.done == nil {
		f.done = make(chan struct{})
	}
	f.users++
	done := f.done
	c.mu.Unlock()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	c.mu.Lock()
	if err == nil && f.err != nil && !f.gaveUp {
		more := f.over || f.block < r.block || f.block+int64(len(f.targets)) > wanted
		if !f.ahead && (!more || r.bridge == 0) {
			err = f.err
		}
		r.bridge = 0
	}
	c.fetches.leave(f)
	if r.v.ended {
		return ErrClosed
	}
	return err
}

// missing is how many blocks from first on, up to last, one fetch is to read: those
// that are not in memory and not being fetched, and the few between them that are in
// memory, at most bridge that follow each other and never more than the others. The
// first is read whatever is there of it.
func (v *Volume) missing(first, last int64, bridge int) int {
	c, oldest := v.cache, v.oldest()
	n, present := 1, 0
	for i := 1; i < maxFetch && first+int64(i) <= last; i++ {
		id := c.lookupYoung(v, first+int64(i), oldest)
		if id == 0 {
			n = i + 1
			continue
		}
		present++
		if c.frames[id].fetch != 0 || i+1-n > bridge || 2*present > i+1 {
			break
		}
	}
	return n
}

// newFetch prepares to fetch n blocks from the present one on, of a disk of the given
// size. It returns nil if that has become needless while it waited for memory.
func (r *reader) newFetch(ctx context.Context, n int, size int64) (*fetch, error) {
	v, c, first := r.v, r.v.cache, r.block
	f := c.fetches.get()
	f.users = 1
	f.targets = append(f.targets, make([]frameID, n)...)
	if !c.tryAlloc(f.targets) {
		r.letGo()
		err := c.alloc(ctx, f.targets)
		switch {
		case err != nil:
			v.abandon(f, false)
			return nil, err
		case v.ended:
			v.abandon(f, true)
			return nil, ErrClosed
		case v.missing(first, first+int64(n)-1, r.bridge) < n || v.fetching(first) || v.whole(first) || v.reach() != size:
			v.abandon(f, true)
			return nil, nil
		}
	}
	v.begin(f, first, size)
	return f, nil
}

// fetching tells whether a fetch of the block is under way.
func (v *Volume) fetching(block int64) bool {
	id := v.cache.lookup(v.id, block)
	return id != 0 && v.cache.frames[id].fetch != 0
}

// abandon gives up a fetch that has not begun.
func (v *Volume) abandon(f *fetch, allocated bool) {
	if allocated {
		for _, id := range f.targets {
			v.cache.release(id)
		}
	}
	v.cache.fetches.leave(f)
}

// begin gives each block of f its frame and lays out the transfer, which ends at
// size. All blocks begin below it.
func (v *Volume) begin(f *fetch, first, size int64) {
	c := v.cache
	f.v, f.block = v, first
	f.length = int(min(int64(len(f.targets))<<frameBits, size-first<<frameBits))
	at := c.now()
	for i, id := range f.targets {
		block := first + int64(i)
		if own := c.lookup(v.id, block); own != 0 {
			f.over = f.over || i > 0
			if c.frames[own].valid != allSectors {
				c.setFetch(own, f.id)
			}
		} else {
			c.frames[id].fetch, c.frames[id].at, c.frames[id].fresh = f.id, at, true
			c.insert(v, id, block, clean)
		}
		c.frames[id].pins++
		f.bufs = extend(f.bufs, 0, c.bytes(id)[:min(frameSize, f.length-i<<frameBits)])
	}
}

// runFetch reads f from the Device and returns its error.
func (v *Volume) runFetch(ctx context.Context, f *fetch) error {
	c := v.cache
	c.mu.Unlock()
	err := v.dev.ReadvAt(ctx, f.bufs, f.block<<frameBits)
	c.mu.Lock()
	f.err, f.gaveUp = err, ctx.Err() != nil
	for i, id := range f.targets {
		v.arrived(f, i, id)
	}
	if f.done != nil {
		close(f.done)
	}
	c.fetches.leave(f)
	if v.ended {
		return ErrClosed
	}
	return err
}

// arrived ends the fetch of one block.
func (v *Volume) arrived(f *fetch, i int, target frameID) {
	c := v.cache
	if own := c.lookup(v.id, f.block+int64(i)); !v.ended && own != 0 && c.frames[own].fetch == f.id {
		if f.err == nil {
			v.merge(own, target, sectorRange(0, min(frameSize, f.length-i<<frameBits)))
		}
		c.setFetch(own, 0)
		if o := &c.frames[own]; o.valid == 0 {
			c.drop(own)
		}
	}
	c.unpin(target)
}

// merge makes the fetched sectors of the target valid in the block's own frame,
// but for those that are valid already. That others may be using the frame does
// not matter: they use what was valid before. What was erased is zero, though the
// Device may have lost that.
func (v *Volume) merge(own, target frameID, fetched sectors) {
	c := v.cache
	f := &c.frames[own]
	if own != target {
		copySectors(c.bytes(own), c.bytes(target), fetched&^f.valid)
	}
	copySectors(c.bytes(own), zeroes[:], fetched&^f.valid&v.erased.sectors(f.block))
	if f.valid == 0 {
		f.at = c.now()
	}
	if f.valid == f.mask {
		f.read = c.now()
	}
	f.valid |= fetched
	c.describeStatus(own)
}

// copySectors copies the sectors of set.
func copySectors(to, from []byte, set sectors) {
	for set != 0 {
		lo, hi := set.extent()
		copy(to[lo:hi], from[lo:hi])
		set &^= sectorRange(lo, hi)
	}
}
