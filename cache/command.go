package cache

import (
	"context"
	"sync"
)

const (
	// defaultTransfer is how much one write-back carries, in bytes, where the
	// target does not say what it likes best.
	defaultTransfer = 1 << 20
	maxTransfer     = 2 << 20
)

// command is one write-back: dirty blocks that follow each other, as one WRITE
// of the Device; or one block with gaps in what is dirty of it, as several
// WRITEs, one after the other. It belongs to who took it until it has ended.
type command struct {
	first   int64   // block
	entries []entry // one for each block
	lo, hi  int     // bytes: what is carried begins at lo of the first block and ends before hi of the last
	epoch   uint64  // of the Device, as it was last observed before it was taken
	at      int64   // when it was taken
	bufs    [][]byte
}

// entry is one block of a command.
type entry struct {
	id  frameID // pinned
	gen uint64  // the generation that waits for it
}

var commands = sync.Pool{New: func() any { return new(command) }}

// window is the length of the aligned ranges of the disk within which dirty
// blocks are joined to one command, in blocks.
func (v *Volume) window() int64 {
	n := v.dev.OptimalTransfer()
	if n <= 0 {
		n = defaultTransfer
	}
	if limit := v.dev.MaxTransfer(); limit > 0 {
		n = min(n, limit)
	}
	return int64(max(min(n, maxTransfer)>>frameBits, 1))
}

// take makes a command of the dirty frame id and the dirty blocks around it.
func (v *Volume) take(id frameID) *command {
	window := v.window()
	start := v.cache.frames[id].block / window * window
	return v.takeWithin(id, start, start+window-1)
}

// takeWithin is take, for the blocks from lowest to highest only.
func (v *Volume) takeWithin(id frameID, lowest, highest int64) *command {
	c := v.cache
	first := c.frames[id].block
	last := first
	for first > lowest && c.joins(v, first-1, first) {
		first--
	}
	for last < highest && c.joins(v, last, last+1) {
		last++
	}
	cmd := commands.Get().(*command)
	cmd.first, cmd.epoch, cmd.at = first, v.epoch, c.now()
	for b := first; b <= last; b++ {
		v.carry(cmd, c.lookup(v.id, b))
	}
	v.back.started(v, cmd)
	return cmd
}

// joins tells whether what is dirty of block a ends where what is dirty of
// block b, the next, begins.
func (c *Cache) joins(v *Volume, a, b int64) bool {
	before, after := c.takeable(v, a), c.takeable(v, b)
	if before == nil || after == nil || !before.mask.contiguous() || !after.mask.contiguous() {
		return false
	}
	return before.mask&0x80 != 0 && after.mask&1 != 0
}

// takeable is the frame of the block if it is dirty, and no barrier covers it;
// else nil.
func (c *Cache) takeable(v *Volume, block int64) *frame {
	if id := c.lookup(v.id, block); id != 0 && c.frames[id].state == dirty && !v.barred(block) {
		return &c.frames[id]
	}
	return nil
}

// carry makes a dirty frame part of cmd.
func (v *Volume) carry(cmd *command, id frameID) {
	c := v.cache
	f := &c.frames[id]
	f.pins++
	lo, hi := f.mask.extent()
	if len(cmd.entries) == 0 {
		cmd.lo = lo
	}
	cmd.hi = hi
	cmd.entries = append(cmd.entries, entry{id, f.gen})
	cmd.bufs = extend(cmd.bufs, 0, c.bytes(id)[lo:hi])
	v.flush.pend(f.gen, 1)
	c.become(id, inflight, f.gen)
}

// run sends cmd to the Device. The lock is not held.
func (cmd *command) run(ctx context.Context, v *Volume, rest sectors) error {
	off := cmd.first << frameBits
	err := v.dev.WritevAt(ctx, cmd.bufs, off+int64(cmd.lo))
	memory := v.cache.bytes(cmd.entries[0].id)
	for err == nil && rest != 0 {
		lo, hi := rest.extent()
		rest &^= sectorRange(lo, hi)
		cmd.bufs[0] = memory[lo:hi]
		err = v.dev.WritevAt(ctx, cmd.bufs[:1], off+int64(lo))
	}
	return err
}

// gaps is what of a command's only block the first WRITE does not carry.
func (v *Volume) gaps(cmd *command) sectors {
	if len(cmd.entries) > 1 {
		return 0
	}
	return v.cache.frames[cmd.entries[0].id].mask &^ sectorRange(cmd.lo, cmd.hi)
}

// finish takes the outcome of cmd into account, and frees it. Who gave it up
// says nothing of the disk.
func (v *Volume) finish(cmd *command, err error, gaveUp bool) {
	c := v.cache
	v.observe()
	kept := err == nil && cmd.epoch == v.epoch
	now := c.now()
	if err == nil { // also for what has been overwritten meanwhile
		v.sync.answered = v.flush.syncNo
	}
	retried := false
	for i, e := range cmd.entries {
		v.flush.pend(e.gen, -1)
		if c.frames[e.id].state == detached {
			v.hold(-1) // see detach
		}
		if !v.ended && v.settled(c.lookup(v.id, cmd.first+int64(i)), e, err == nil, kept, gaveUp, now) != clean {
			retried = err != nil
		}
		c.unpin(e.id)
	}
	v.back.finished(v, cmd, err, gaveUp, now)
	if retried && !gaveUp {
		v.back.failed(v, err, now)
	}
	clear(cmd.bufs)
	*cmd = command{entries: cmd.entries[:0], bufs: cmd.bufs[:0]}
	commands.Put(cmd)
}

// settled is what becomes of one block of a write-back that the target answered
// with GOOD, or not. id is the block's frame now: the one that was carried, or
// one that took its place. Where the write-back failed, or where the target may
// have lost it since and so not kept it, the data stays as old as it was.
func (v *Volume) settled(id frameID, e entry, good, kept, gaveUp bool, now int64) state {
	c := v.cache
	f := &c.frames[id]
	f.acked = f.acked || good
	switch {
	case f.state == redirtied && kept:
		gen := f.gen
		if now >= f.at+v.age() && v.sync.running == nil { // overdue, though others are older in the list
			gen = min(gen, v.flush.cut)
		}
		c.become(id, dirty, gen)
	case f.state == redirtied:
		c.become(id, dirty, min(f.gen, e.gen))
	case kept:
		f.at = now
		c.become(id, written, v.flush.syncNo)
	case f.acked || gaveUp: // it may be another's who waits for it
		c.become(id, dirty, e.gen)
	default: // a write-through that failed: nobody was told that it is there
		c.become(id, clean, 0)
		c.drop(id)
		return clean
	}
	return f.state
}
