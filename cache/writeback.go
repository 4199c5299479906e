package cache

import (
	"context"
	"errors"
	"syscall"
	"time"
)

const (
	// maxWorkers is how many write-backs of a Volume may be under way.
	maxWorkers = 32
	// retryDelay and maxRetryDelay: how long after a failure the next
	// write-back is tried, unless a Sync asks for it. It doubles with each try.
	retryDelay    = 10 * time.Millisecond
	maxRetryDelay = 5 * time.Second
)

// writeback sends what is dirty to the Device. Each write-back under way has a
// goroutine: a worker, which goes from one to the next and ends when nothing is
// to be done, or the caller of Sync or of a write that goes through.
//
// Why data is written back, see want:
//
//	urgent    a Sync waits for it
//	age       three quarters of FlushInterval have passed
//	amount    more than a tenth of what may be is dirty, and a second old, so
//	          that a Sync has little left to do; or more than half of it, the
//	          more, the more workers. What is younger may yet be joined by its
//	          neighbours, or written again.
//	room      writers wait for it
type writeback struct {
	workers  int                   // goroutines
	running  map[*command]struct{} // under way
	changed  chan struct{}         // closed when a command has ended; nil = nobody waits
	failures uint64                // commands that failed
	err      error                 // of the last of them
	cause    error                 // why the last one is to be tried again
	vain     uint64                // Volume.sync.failures when last one failed with no other under way
	delay    time.Duration         // 0 = what was sent last succeeded
	troubled bool                  // the log knows that write-backs fail
	retryAt  int64
	answered int64 // when the Device last answered, or began to have something to answer
	ended    bool
	cleaning bool // the background sends a SYNCHRONIZE CACHE
	timer    *time.Timer
	wakeAt   int64 // when the timer runs out; 0 = it does not run
}

func (b *writeback) init(v *Volume) {
	b.running = make(map[*command]struct{})
	b.timer = time.AfterFunc(time.Hour, func() { v.tick() })
	b.timer.Stop()
}

// want is how many workers there should be now.
func (b *writeback) want(v *Volume, now int64) int {
	fl := &v.flush
	switch {
	case b.ended || v.heldBack() != nil:
		return 0
	case v.sync.urges() && fl.urgent.len > 0:
		return maxWorkers
	case now < b.retryAt:
		return 0
	case fl.urgent.len > 0:
		return maxWorkers
	case fl.dirty.len == 0:
		return 0
	case now >= v.cache.frames[fl.dirty.head].at+v.age():
		return maxWorkers
	case v.opts.Mode != Writeback:
		return 0
	case len(v.room) > 0:
		return maxWorkers
	}
	return b.wantForAmount(v, now)
}

// gatherTime is how long data is left to gather while there is much room, in ns.
const gatherTime = int64(time.Second)

func (b *writeback) wantForAmount(v *Volume, now int64) int {
	fl, allowed := &v.flush, v.pace.allowed(v, now)
	unmeasured := v.pace.rate == 0 // then writers get less room, until the first sample
	young := now < v.cache.frames[fl.dirty.head].at+gatherTime && !unmeasured
	if fl.dirty.len*10 < allowed || young && v.held*2 < allowed {
		return 0
	}
	// One up to three quarters, then more and more, all at the bound.
	full := max(0, 4*v.held-3*allowed)
	return min(1+maxWorkers*full*full/(allowed*allowed), maxWorkers)
}

// age is when data is old enough to be written back, in ns.
func (v *Volume) age() int64 { return int64(v.opts.FlushInterval) * 3 / 4 }

// next is the dirty frame whose turn it is; 0 = none that may be sent.
func (b *writeback) next(v *Volume) frameID {
	for _, l := range []*list{&v.flush.urgent, &v.flush.dirty} {
		for id := l.head; id != 0; id = v.cache.frames[id].next {
			if !v.barred(v.cache.frames[id].block) {
				return id
			}
		}
	}
	return 0
}

// kick starts a worker if one is wanted, and sees to it that the timer runs.
func (b *writeback) kick(v *Volume) {
	now := v.cache.now()
	if b.workers < maxWorkers && b.workers < b.want(v, now) && b.next(v) != 0 {
		b.workers++
		v.workers.Add(1)
		go v.work()
	}
	b.clean(v, now)
	b.arm(v, now)
}

// work is a worker's life. Each that finds more to do than one command starts
// the next.
func (v *Volume) work() {
	defer v.workers.Done()
	c, b := v.cache, &v.back
	c.mu.Lock()
	defer c.mu.Unlock()
	for b.workers <= b.want(v, c.now()) {
		v.observe()
		id := b.next(v)
		if id == 0 {
			break
		}
		cmd := v.take(id)
		b.kick(v)
		v.perform(v.background, cmd)
	}
	b.workers--
	b.kick(v)
}

// perform sends cmd and takes its outcome into account.
func (v *Volume) perform(ctx context.Context, cmd *command) error {
	c := v.cache
	gaps := v.gaps(cmd)
	c.mu.Unlock()
	err := cmd.run(ctx, v, gaps)
	c.mu.Lock()
	v.finish(cmd, err, err != nil && ctx.Err() != nil)
	return err
}

// started notes that cmd is under way.
func (b *writeback) started(v *Volume, cmd *command) {
	if len(b.running) == 0 {
		b.answered = cmd.at
		v.pace.restart(cmd.at)
	}
	b.running[cmd] = struct{}{}
}

// finished notes that cmd is not under way any more.
func (b *writeback) finished(v *Volume, cmd *command, err error, gaveUp bool, now int64) {
	delete(b.running, cmd)
	b.answered = now
	switch {
	case err == nil:
		b.succeeded()
		v.pace.measure(v, len(cmd.entries), now)
	case !gaveUp:
		b.failures, b.err = b.failures+1, err
	}
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// succeeded notes that nothing has failed since the last success.
func (b *writeback) succeeded() { b.delay, b.retryAt = 0, 0 }

// failed notes that writing back or synchronizing failed, and that it is going to
// be tried again.
func (b *writeback) failed(v *Volume, err error, now int64) {
	if !b.troubled {
		b.troubled = true
		v.log.Error().Err(err).Msg(troubleText(err))
	}
	if b.cause = err; now >= b.retryAt { // else others that were sent with it have failed before
		b.delay = min(max(2*b.delay, retryDelay), maxRetryDelay)
		b.retryAt = now + int64(b.delay)
	}
	v.sync.fail(err)
	if len(b.running) == 0 {
		b.vain = v.sync.failures
	}
	if !v.late && v.opts.HoldLate != nil && v.opts.HoldLate(err) {
		v.late = true
		v.log.Warn().Int64("bytes", v.dirtyBytes()).
			Msg("dirty data is held back: the disk was away for so long that another host may own it by now; `iscsifs sync` writes it")
	}
}

// hopeless is why no room comes for a writer who waits for it: what is dirty is held back,
// or has failed so often that it is only tried now and then, and once more since there
// were that many failures, with nothing beside it that may yet succeed. nil = it may come.
func (b *writeback) hopeless(v *Volume, failures uint64) error {
	if held := v.heldBack(); held != nil {
		return held
	}
	if b.delay == maxRetryDelay && b.vain > failures {
		return b.cause
	}
	return nil
}

// troubleText says what becomes of data that cannot be written, and what to do.
func troubleText(err error) string {
	var e interface{ Errno() syscall.Errno }
	if errors.As(err, &e) && e.Errno() == syscall.ENOSPC {
		return "the target has no room for what is written: enlarge its pool; the data stays in memory, and it is tried again"
	}
	return "cannot write back or synchronize: the data stays in memory, and it is tried again"
}

// mended notes that all that was to be durable is.
func (b *writeback) mended(v *Volume) {
	if b.troubled {
		b.troubled = false
		v.log.Info().Msg("what could not be written back or synchronized is on the target now")
	}
}

// wait returns when a command has ended since it was called.
func (b *writeback) wait(ctx context.Context, v *Volume) error {
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	changed := b.changed
	v.cache.mu.Unlock()
	defer v.cache.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// arm sets the timer to the next moment at which time alone is a reason to act.
func (b *writeback) arm(v *Volume, now int64) {
	at := b.due(v, now)
	if at == 0 || b.ended || b.wakeAt != 0 && b.wakeAt <= at {
		return
	}
	b.wakeAt = at
	b.timer.Reset(time.Duration(max(at-now, int64(time.Millisecond))))
}

// soon has the timer look for what is to be done.
func (b *writeback) soon() {
	if !b.ended {
		b.wakeAt = 1
		b.timer.Reset(time.Millisecond)
	}
}

// due is that moment; 0 = none. A worker that is busy may be so for long, and keeps
// nothing else waiting.
func (b *writeback) due(v *Volume, now int64) int64 {
	frames, fl := v.cache.frames, &v.flush
	at := int64(0)
	goes := v.heldBack() == nil
	more := b.workers < maxWorkers && goes && (len(v.barriers)+v.erased.owed == 0 || b.next(v) != 0) // else who lowers one kicks
	if id := fl.dirty.head; id != 0 && more {
		at = max(frames[id].at+v.age(), b.retryAt)
		if v.opts.Mode == Writeback && b.workers == 0 && fl.dirty.len*10 >= v.pace.allowed(v, now) {
			at = min(at, max(frames[id].at+gatherTime, b.retryAt))
		}
	}
	if fl.urgent.len > 0 && more {
		at = max(b.retryAt, 1)
	}
	if !goes || b.cleaning || v.sync.running != nil { // who ends that kicks
		return at
	}
	if since := v.unsyncedSince(); since != never {
		old := max(since+int64(v.opts.FlushInterval), b.retryAt)
		if at == 0 || old < at {
			at = old
		}
	}
	if v.erased.owed > 0 {
		at = max(b.retryAt, 1)
	}
	return at
}

// tick is what the timer calls.
func (v *Volume) tick() {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	v.back.wakeAt = 0
	if !v.back.ended {
		v.back.kick(v)
	}
}
