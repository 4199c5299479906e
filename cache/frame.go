package cache

import "math/bits"

const (
	frameBits  = 12
	frameSize  = 1 << frameBits // bytes; the unit of memory and of the index
	sectorBits = 9
	sectorSize = 1 << sectorBits // bytes; the unit of validity
)

// frameID numbers the frames of the arena; 0 = none.
type frameID uint32

// sectors is a set of the eight sectors of a frame, the first in bit 0.
type sectors uint8

const allSectors sectors = 0xff

// sectorRange is the set of sectors that the bytes [lo, hi) of a frame touch.
func sectorRange(lo, hi int) sectors {
	first, end := lo>>sectorBits, (hi+sectorSize-1)>>sectorBits
	return sectors(uint(1)<<end - uint(1)<<first)
}

// has tells whether all of other is in s.
func (s sectors) has(other sectors) bool { return other&^s == 0 }

// extent is the first run of sectors in s, which must not be empty, in bytes.
func (s sectors) extent() (lo, hi int) {
	first := bits.TrailingZeros8(uint8(s))
	n := bits.TrailingZeros8(^(uint8(s) >> first))
	return first << sectorBits, (first + n) << sectorBits
}

// contiguous tells whether s is one run.
func (s sectors) contiguous() bool {
	lo, hi := s.extent()
	return s == sectorRange(lo, hi)
}

// state is what the target knows of the block in a frame:
//
//	                       ┌──────────────── write ───────────────────┐
//	                       ▼                                          │
//	free ──► clean ──write──► dirty ──taken──► inflight ──GOOD──► written
//	 ▲         ▲               ▲ ▲                │  │                │
//	 │         │               │ └─────error──────┘  │write           │
//	 │         │               │                     ▼                │
//	 │         │               └──GOOD or error── redirtied           │
//	 │         │               └──────────── epoch change ────────────┤
//	 │         └─────────────── SYNCHRONIZE CACHE ────────────────────┘
//	 └─ evicted
//
// A clean frame may be empty: it is then the place of a fetch under way. Where
// the block moves to another frame while this one is in use, this one becomes
// detached, and free at its last unpin. State changes are made by become,
// insert, supersede and drop alone.
type state uint8

const (
	free state = iota
	detached
	clean
	dirty     // newer than the target, in the list dirty or urgent of its Volume
	inflight  // carried by a write-back
	redirtied // newer than the write-back that is under way for the block
	written   // the target answered GOOD; not yet synchronized
	states
)

// held tells whether the frame has data that the target may yet lose.
func (s state) held() bool { return s >= dirty }

// frame describes the memory of one frame. All of it is guarded by Cache.mu.
// It has no pointers, so that the collector does not look at it.
type frame struct {
	block      int64  // offset on the disk, in frames
	at         int64  // Cache.now: dirty: of the first write; written: of the GOOD; clean: of the fetch
	read       int64  // Cache.now of the first fetch: held: of what is valid and not in mask
	gen        uint64 // dirty, redirtied: see flush; written: the syncNo that covers it
	chain      frameID
	prev, next frameID // in the list that its state asks for
	volume     uint32  // Volume.id
	fetch      fetchID // the fetch under way for the block; 0 = none
	pins       int32   // readers, commands and fetches that use the memory
	valid      sectors // that hold the disk's present content
	mask       sectors // held: that the target may lack
	state      state
	queue      queueID // where it is, or will be, when clean
	hits       uint8   // since it was queued, at most maxHits
	fresh      bool    // fetched and not yet read: the first read is no hit
	acked      bool    // holds a write that was acknowledged and is not synchronized
}
