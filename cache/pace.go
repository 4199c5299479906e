package cache

import (
	"context"
	"time"
)

const (
	// hungAfter is how long a disk may leave all write-backs unanswered before
	// it gets no more memory.
	hungAfter = 5 * time.Second
	// slowAfter is when it gets no more than a quarter of its DirtyLimit.
	slowAfter = 500 * time.Millisecond
	// floorFrames is what every disk that answers may hold: 8 MiB.
	floorFrames = 8 << 20 >> frameBits
	// sampleTime is what the rate of write-back is measured over.
	sampleTime = 100 * time.Millisecond
	// firstSample is enough for a first idea of it, in frames.
	firstSample = 4 << 20 >> frameBits
	// burst is how far paced writers may run ahead, so that not every one of
	// them sleeps.
	burst = time.Millisecond
	// longest is what one writer adds to the time of the next at most.
	longest = 100 * time.Millisecond
)

// pace bounds what writers fill of the memory, and slows them before the bound:
//
//	0 ──────────── free ──────────────── 15/16 ── paced ── allowance
//	                                           ratio ∞ … 1 … 0
//
// In the last sixteenth a writer of n bytes has to let n / (ratio × rate) pass
// since the one before it, where rate is what the disk was measured to take. So
// the writers together settle at the rate of the disk, each waiting a little,
// and none for long.
type pace struct {
	rate       float64 // frames per ns; 0 = not known
	since      int64   // begin of the sample
	frames     int     // that were written back in it
	next       int64   // when the next paced writer may go on
	allowance  int     // frames
	computedAt int64
}

// restart begins a sample: what was idle before does not count.
func (p *pace) restart(now int64) { p.since, p.frames = now, 0 }

// measure takes note of n frames that were written back. A sample that was not
// bounded by the disk can only raise the rate.
func (p *pace) measure(v *Volume, n int, now int64) {
	p.frames += n
	elapsed := now - p.since
	enough := p.rate == 0 && p.frames >= firstSample && elapsed > int64(burst)
	if elapsed < int64(sampleTime) && !enough {
		return
	}
	sample := float64(p.frames) / float64(elapsed)
	switch {
	case p.rate == 0:
		p.rate = sample
	case sample > p.rate:
		p.rate += (sample - p.rate) / 2
	case v.back.workers == maxWorkers:
		p.rate += (sample - p.rate) / 4
	}
	p.restart(now)
}

// allowed is how many frames v may hold, at least one.
func (p *pace) allowed(v *Volume, now int64) int {
	if p.computedAt == 0 || now-p.computedAt > int64(burst) {
		p.allowance, p.computedAt = max(v.allowance(now), 1), max(now, 1)
	}
	return p.allowance
}

// allowance is DirtyLimit where v is the only disk that is written to. Several
// divide it by their rates; what one needs no more than FlushInterval for to
// write back is enough; one that has not shown its rate gets a quarter; and one
// that does not answer keeps what it holds, of which the others lose no more than
// a quarter.
func (v *Volume) allowance(now int64) int {
	quarter := v.limit / 4
	if v.back.silent(now) > int64(hungAfter) {
		return min(v.held, quarter)
	}
	n, floor := v.limit, min(floorFrames, quarter)
	others := 0.0
	for _, o := range v.cache.volumes {
		switch {
		case o == nil || o == v || o.held == 0:
		case o.back.silent(now) > int64(hungAfter):
			n -= min(o.held, quarter)
		default:
			others += o.pace.rate
		}
	}
	if v.pace.rate > 0 {
		n = int(float64(n) * v.pace.rate / (v.pace.rate + others))
		n = min(n, int(v.pace.rate*float64(v.opts.FlushInterval)))
	}
	if v.pace.rate == 0 || v.back.silent(now) > int64(slowAfter) {
		n = min(n, quarter)
	}
	return max(n, floor)
}

// silent is for how long the Device has left all write-backs unanswered, in ns.
func (b *writeback) silent(now int64) int64 {
	if len(b.running) == 0 {
		return 0
	}
	return now - b.answered
}

// admitWriter promises memory for n frames to a writer: it holds them.
func (v *Volume) admitWriter(ctx context.Context, n int) error {
	if v.ended {
		return ErrClosed
	}
	c := v.cache
	if len(v.room) > 0 || v.held+n > min(v.limit/8, floorFrames) || c.held+n > len(c.frames)/2 {
		if err := v.awaitRoom(ctx, n); err != nil {
			return err
		}
	}
	v.hold(n)
	return nil
}

func (v *Volume) awaitRoom(ctx context.Context, n int) error {
	if len(v.room) == 0 {
		if ok, _ := v.roomFor(n); ok {
			return nil
		}
	}
	var refusal error
	failures := v.sync.failures
	err := v.room.wait(ctx, &v.cache.mu, func() (bool, time.Duration) {
		if refusal = v.refusal(); v.ended || refusal != nil {
			return true, 0
		}
		ok, again := v.roomFor(n)
		if ok {
			return true, 0
		}
		refusal = v.back.hopeless(v, failures)
		v.back.kick(v)
		return refusal != nil, again
	})
	if err == nil && v.ended {
		err = ErrClosed
	}
	if err == nil {
		err = refusal
	}
	return err
}

// roomFor tells whether a writer of n frames may go on; if not, when to ask
// again at the latest.
func (v *Volume) roomFor(n int) (bool, time.Duration) {
	const later = 20 * time.Millisecond
	now := v.cache.now()
	p := &v.pace
	allowed := p.allowed(v, now)
	if v.held > 0 && v.held+n > allowed || !v.cache.holds(v, n) {
		return false, later
	}
	zone := max(allowed/16, 1)
	over := v.held - (allowed - zone)
	if over <= 0 || p.rate == 0 {
		return true, 0
	}
	if wait := p.next - now; wait > int64(burst) {
		return false, time.Duration(wait)
	}
	pos := float64(min(over, zone)) / float64(zone)
	ratio := max((1-pos)/pos, 0.25)
	p.next = max(p.next, now) + min(int64(float64(n)/(p.rate*ratio)), int64(longest))
	return true, 0
}

// holds tells whether the arena has room for n more frames that cannot be
// evicted: three quarters of it may be such, and a little more for a disk that
// holds little.
func (c *Cache) holds(v *Volume, n int) bool {
	limit := len(c.frames) / 4 * 3
	if v.held+n <= min(floorFrames, v.limit/4) {
		limit = len(c.frames) / 8 * 7
	}
	return c.held+n <= limit
}
