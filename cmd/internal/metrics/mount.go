package metrics

import (
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// Mount is how a mount does at one moment. Sizes are in bytes.
type Mount struct {
	Mountpoint           string
	CacheSize, CacheUsed int64
	Targets              []Target
}

// Target is one target of a mount.
type Target struct {
	IQN                string
	State              string // one of States
	Paths, UsablePaths int    // sessions that are wanted, and that are logged in
	Reconnects         uint64
	Waiting            int       // commands that wait for a session
	LastContact        time.Time // zero = never
	Stats              status.Stats
	LUNs               []LUN
}

// LUN is a logical unit that has a file.
type LUN struct {
	Number                  uint64
	Size                    int64
	Ready                   bool
	Reads, Writes, Syncs    uint64 // of applications
	ReadBytes, WrittenBytes uint64
	CacheHits, CacheMisses  uint64 // blocks of 4 KiB
	Dirty, Held, Unsynced   int64
	InFlight, Waiting       int       // commands
	Read, Write, Flush      Histogram // s
	Zero, Discard           Histogram // s
	WriteBacks              Histogram
}

// Histogram counts values by their size.
type Histogram struct {
	Bounds []float64 // ascending
	Counts []uint64  // of the values up to the bound, and above the one before; one more, of those above all
	Sum    float64
}
