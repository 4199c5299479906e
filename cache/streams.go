package cache

const (
	maxStreams    = 16
	maxCandidates = 32
	// minWindow is what is read ahead of a reader at first, in bytes.
	minWindow = 128 << 10
	// slack is how far out of order the reads of one stream may come: the
	// kernel has several under way. Bytes.
	slack = 1 << 20
)

// stream is a sequential reader:
//
//	────────────── next ───────── ahead ─ ─ ─ ─ next+window
//	 has been read  │  in memory or   │    will be read ahead when less
//	                │  under way      │    than half of the window is left
type stream struct {
	next    int64
	ahead   int64
	window  int64
	used    uint64 // streams.clock of the last read
	stalled bool   // the reader had to wait for what was read ahead
}

// streams finds the sequential readers of a Volume. A read that continues no
// stream may be the start of one: its end is kept as a candidate, and the read
// that continues a candidate makes it a stream. So random reads, however many,
// do not drive out streams.
type streams struct {
	active     [maxStreams]stream
	candidates [maxCandidates]int64 // ends of reads; a ring
	newest     int
	clock      uint64
	wasted     int // frames that were read ahead, and evicted before they were read
}

// note takes a read into account and returns the stream that it continues, or
// nil.
func (s *streams) note(off, end int64) *stream {
	s.clock++
	for i := range s.active {
		st := &s.active[i]
		if st.window > 0 && off <= st.next && off >= st.next-slack || off > st.next && off < st.ahead {
			st.used = s.clock
			if end <= st.next {
				return nil // read again, or late
			}
			st.next = end
			return st
		}
	}
	for i, at := range s.candidates {
		if at == off && off > 0 {
			s.candidates[i] = 0
			return s.promote(off, end)
		}
	}
	s.candidates[s.newest] = end
	s.newest = (s.newest + 1) % maxCandidates
	return nil
}

// promote begins a stream in the place of the one that was not used for
// longest.
func (s *streams) promote(off, end int64) *stream {
	oldest := &s.active[0]
	for i := range s.active {
		if s.active[i].used < oldest.used {
			oldest = &s.active[i]
		}
	}
	*oldest = stream{next: end, ahead: end, window: max(minWindow, 2*(end-off)), used: s.clock}
	return oldest
}
