package cache

const (
	// maxAheadUnit is the most that one command reads ahead, in bytes.
	maxAheadUnit = maxFetch << frameBits
	minAheadUnit = 64 << 10
)

// readAhead keeps up with a reader. The window grows when the reader had to
// wait: so it comes to hold as much as the reader uses within the time that the
// disk takes to answer, and a slow reader keeps a small one. It shrinks when
// what was read ahead was evicted before it was read.
func (v *Volume) readAhead(s *stream) {
	limit := int64(v.opts.ReadAhead)
	if limit == 0 {
		return
	}
	s.window = min(s.window, limit)
	if s.stalled || s.next > s.ahead {
		s.window, s.stalled = min(2*s.window, limit), false
	}
	if v.streams.wasted > maxFetch {
		s.window, v.streams.wasted = max(s.window/2, minWindow), 0
	}
	s.ahead = max(s.ahead, s.next)
	if s.ahead-s.next > s.window/2 {
		return
	}
	// At least two commands of it may be under way, also where many disks share the memory.
	unit := min(s.window/4, v.aheadLimit()<<frameBits/2) &^ (minAheadUnit - 1)
	unit = min(max(unit, minAheadUnit), maxAheadUnit)
	size := v.reach()
	for s.ahead < s.next+s.window {
		end := min(s.ahead/unit*unit+unit, size)
		if end <= s.ahead || !v.fetchAhead(s.ahead>>frameBits, (end-1)>>frameBits, size) {
			return
		}
		s.ahead = end
	}
}

// aheadLimit is how many frames may be being read ahead at a time.
func (v *Volume) aheadLimit() int64 { return int64(v.cache.readLimit() / 2) }

// fetchAhead begins to fetch what is missing of the blocks from first to
// last of a disk of the given size. It returns
// false where that would take too much memory: reading ahead does not wait.
func (v *Volume) fetchAhead(first, last, size int64) bool {
	c, oldest := v.cache, v.oldest()
	for first <= last {
		if c.lookupYoung(v, first, oldest) != 0 {
			first++
			continue
		}
		n := v.missing(first, last, maxBridge)
		if v.closed.Load() || int64(v.ahead+n) > v.aheadLimit() {
			return false
		}
		f := c.fetches.get()
		f.users, f.ahead = 1, true
		f.targets = append(f.targets, make([]frameID, n)...)
		if !c.tryAlloc(f.targets) {
			v.abandon(f, false)
			return false
		}
		v.begin(f, first, size)
		v.ahead += n
		v.workers.Add(1)
		go v.runAhead(f, n)
		first += int64(n)
	}
	return true
}

// runAhead is a goroutine's life: one fetch of n frames.
func (v *Volume) runAhead(f *fetch, n int) {
	defer v.workers.Done()
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	_ = v.runFetch(v.background, f) // who wants the data tries for himself
	v.ahead -= n
}
