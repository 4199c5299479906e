package cache

import (
	"slices"
	"sync/atomic"
	"time"
)

// Bounds of the histograms, in ns and in bytes: a value counts for the first bound
// that is not below it.
var (
	latencyBounds = durations(100*time.Microsecond, 250*time.Microsecond, 500*time.Microsecond,
		time.Millisecond, 2500*time.Microsecond, 5*time.Millisecond, 10*time.Millisecond, 25*time.Millisecond,
		50*time.Millisecond, 100*time.Millisecond, 250*time.Millisecond, time.Second, 5*time.Second, 30*time.Second, 2*time.Minute)
	sizeBounds = []int64{512, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20, maxTransfer}
)

func durations(list ...time.Duration) (bounds []int64) {
	for _, d := range list {
		bounds = append(bounds, int64(d))
	}
	return bounds
}

// maxBounds is how many bounds a histogram has at most.
const maxBounds = 15

// histogram counts values by their size. Whoever has a value adds it: no lock is
// taken and nothing allocated.
type histogram struct {
	counts [maxBounds + 1]atomic.Uint64 // by bound; behind the last, those above all
	sum    atomic.Int64
}

func (h *histogram) add(bounds []int64, value int64) {
	i := 0
	for i < len(bounds) && value > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(value)
}

// Histogram is a snapshot of how many values there were up to each bound.
type Histogram struct {
	Bounds []int64  // ascending; shared, not to be changed
	Counts []uint64 // of the values up to the bound with the same index, and above the one before; one more, of those above all
	Sum    int64    // of the values
}

// snapshot may miss a part of what is added meanwhile.
func (h *histogram) snapshot(bounds []int64) Histogram {
	s := Histogram{Bounds: slices.Clip(bounds), Sum: h.sum.Load()}
	for i := range len(bounds) + 1 {
		s.Counts = append(s.Counts, h.counts[i].Load())
	}
	return s
}
