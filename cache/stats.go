package cache

import "sync/atomic"

// Stats are what a Volume has done since it was made, and what it does now.
type Stats struct {
	Reads, Writes, Syncs    uint64 // that succeeded; of Syncs also those that failed
	ReadBytes, WrittenBytes uint64 // by the callers' count
	InFlight                int64  // reads and writes that have not ended
	Hits, Misses            uint64 // blocks found in memory, and not
	DirtyBytes              int64  // in memory, not yet on the target
	HeldBytes               int64  // on the target, kept until they are synchronized
	WriteBacks              int64  // commands to the target that have not ended
	Late                    bool   // dirty data is held back, see VolumeOptions.HoldLate
	Shrunk                  bool   // dirty data is held back, see Volume.AcceptShrink
}

// counters are guarded by Cache.mu but for the atomic ones.
type counters struct {
	reads, writes           atomic.Uint64
	readBytes, writtenBytes atomic.Uint64
	inFlight                atomic.Int64
	hits, misses, syncs     uint64
}

// dirtyBytes is Stats.DirtyBytes.
func (v *Volume) dirtyBytes() int64 {
	return int64(v.counts[dirty]+v.counts[inflight]+v.counts[redirtied]) << frameBits
}

// Stats returns the present numbers.
func (v *Volume) Stats() Stats {
	s := Stats{
		Reads:        v.stats.reads.Load(),
		Writes:       v.stats.writes.Load(),
		ReadBytes:    v.stats.readBytes.Load(),
		WrittenBytes: v.stats.writtenBytes.Load(),
		InFlight:     v.stats.inFlight.Load(),
	}
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	s.Syncs, s.Hits, s.Misses = v.stats.syncs, v.stats.hits, v.stats.misses
	s.DirtyBytes = v.dirtyBytes()
	s.HeldBytes = int64(v.counts[written]) << frameBits
	s.WriteBacks = int64(len(v.back.running))
	s.Late, s.Shrunk = v.late, v.cap.shrunk
	return s
}
