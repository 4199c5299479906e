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
}

type counters struct {
	reads, writes, syncs    atomic.Uint64
	readBytes, writtenBytes atomic.Uint64
	inFlight                atomic.Int64
}

// Stats returns the present numbers. A volume that writes through keeps no
// blocks, so those from Hits on are 0.
func (v *Volume) Stats() Stats {
	return Stats{
		Reads:        v.stats.reads.Load(),
		Writes:       v.stats.writes.Load(),
		Syncs:        v.stats.syncs.Load(),
		ReadBytes:    v.stats.readBytes.Load(),
		WrittenBytes: v.stats.writtenBytes.Load(),
		InFlight:     v.stats.inFlight.Load(),
	}
}
