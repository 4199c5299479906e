package cache

import (
	"math"
	"sort"
)

// erasures are the ranges of a Volume that the Device has erased, zeroed or deallocated,
// and that no SYNCHRONIZE CACHE has covered since: sorted, and apart from each other.
//
//	         GOOD               SYNCHRONIZE CACHE
//	erase ─────────► done ───────────────────────────► forgotten
//	                 │  ▲
//	   epoch change  │  │ GOOD
//	                 ▼  │
//	                 owed: the Device may have lost it, and it is done again
//
// What is fetched of them reads as zeroes, whatever the Device says. Of a range that is
// owed nothing is written back, so that what is newer comes after it.
type erasures struct {
	ranges []erasure
	owed   int // ranges
}

// maxErasures is how many ranges are remembered, if not for some more that come at the
// same time: then what is done is synchronized first.
const maxErasures = 1024

// erasure is one such range, of whole logical blocks.
type erasure struct {
	off, end int64 // bytes
	no       uint64
	at       int64 // Cache.now when the Device answered for the first of it
	free     bool  // deallocated
	owed     bool
}

// search is the place of the first range that ends behind off.
func (e *erasures) search(off int64) int {
	return sort.Search(len(e.ranges), func(i int) bool { return e.ranges[i].end > off })
}

// add takes a range in, in the place of what was there.
func (e *erasures) add(r erasure) {
	e.cut(r.off, r.end)
	e.insert(r)
}

// insert takes in a range that overlaps no other, as one with its neighbours where the same
// SYNCHRONIZE CACHE covers them; together they are as old as the oldest. None may stay for
// longer than what was written to it since, which it would hide, or undo once more.
func (e *erasures) insert(r erasure) {
	i := e.search(r.off)
	from, to := i, i
	if i > 0 && e.ranges[i-1].joins(r) {
		from = i - 1
		r = e.ranges[from].with(r)
	}
	if i < len(e.ranges) && r.joins(e.ranges[i]) {
		to = i + 1
		r = r.with(e.ranges[i])
	}
	e.splice(from, to, r)
}

func (r erasure) joins(next erasure) bool {
	return r.end == next.off && r.free == next.free && r.owed == next.owed && (r.owed || r.no == next.no)
}

func (r erasure) with(next erasure) erasure {
	r.end, r.no, r.at = next.end, max(r.no, next.no), min(r.at, next.at)
	return r
}

// cut takes the bytes from off to end out.
func (e *erasures) cut(off, end int64) {
	from := e.search(off)
	to := from
	var rest []erasure
	for ; to < len(e.ranges) && e.ranges[to].off < end; to++ {
		if r := e.ranges[to]; r.off < off {
			r.end = off
			rest = append(rest, r)
		}
		if r := e.ranges[to]; r.end > end {
			r.off = end
			rest = append(rest, r)
		}
	}
	e.splice(from, to, rest...)
}

// splice puts others into the places from one up to another.
func (e *erasures) splice(from, to int, others ...erasure) {
	e.count(e.ranges[from:to], -1)
	e.count(others, 1)
	tail := append(others, e.ranges[to:]...)
	e.ranges = append(e.ranges[:from], tail...)
}

func (e *erasures) count(ranges []erasure, d int) {
	for _, r := range ranges {
		if r.owed {
			e.owed += d
		}
	}
}

// lost makes all ranges owed.
func (e *erasures) lost() {
	was := e.ranges
	*e = erasures{}
	for _, r := range was {
		r.owed = true
		e.insert(r)
	}
}

// synced forgets what a SYNCHRONIZE CACHE has covered.
func (e *erasures) synced(covered uint64) {
	kept := e.ranges[:0]
	for _, r := range e.ranges {
		if r.owed || r.no > covered {
			kept = append(kept, r)
		}
	}
	e.ranges = kept
}

// debt is a range that is owed.
func (e *erasures) debt() (erasure, bool) {
	if e.owed > 0 {
		for _, r := range e.ranges {
			if r.owed {
				return r, true
			}
		}
	}
	return erasure{}, false
}

// owes tells whether some of the block is owed.
func (e *erasures) owes(block int64) bool {
	if e.owed == 0 {
		return false
	}
	off := block << frameBits
	for i := e.search(off); i < len(e.ranges) && e.ranges[i].off < off+frameSize; i++ {
		if e.ranges[i].owed {
			return true
		}
	}
	return false
}

// sectors are those of the block that were erased.
func (e *erasures) sectors(block int64) (set sectors) {
	if len(e.ranges) == 0 {
		return 0
	}
	off := block << frameBits
	for i := e.search(off); i < len(e.ranges) && e.ranges[i].off < off+frameSize; i++ {
		r := &e.ranges[i]
		set |= sectorRange(int(max(r.off-off, 0)), int(min(r.end-off, frameSize)))
	}
	return set
}

// beyond is how many bytes at off and behind it were erased.
func (e *erasures) beyond(off int64) (n int64) {
	for _, r := range e.ranges[e.search(off):] {
		n += r.end - max(r.off, off)
	}
	return n
}

// never is later than all times: far, so that something may be added to it.
const never = math.MaxInt64 / 2

// oldest is when the Device answered for what it did first and is not owed.
func (e *erasures) oldest() int64 {
	at := int64(never)
	for _, r := range e.ranges {
		if !r.owed {
			at = min(at, r.at)
		}
	}
	return at
}
