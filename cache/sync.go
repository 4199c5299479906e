package cache

import (
	"context"
	"errors"
)

// syncState says which writes the target has made durable. Writes are counted
// as they end, so a number stands for all writes up to it:
//
//	0 ───── synced ───── suspect ───── ended
//	 settled    │  may be    │   GOOD     │
//	            │  lost      │            │
type syncState struct {
	ended    uint64   // writes that the target has answered GOOD
	synced   uint64   // the ones that are settled: durable, or reported as lost
	suspect  uint64   // the ones that the Device's epoch has changed after
	epoch    uint64   // of the Device before the last write
	failures uint64   // Syncs that failed
	running  *syncing // the command in flight; nil = none
}

// syncing is one SYNCHRONIZE CACHE, shared by all whose writes ended before it
// was sent.
type syncing struct {
	upTo uint64        // syncState.ended when it was sent
	done chan struct{} // closed when err is set
	err  error
}

// observe takes note of the Device's epoch: if it is not that of the last
// write, all writes so far are suspect.
func (s *syncState) observe(epoch uint64) {
	if s.epoch != epoch {
		s.suspect = s.ended
	}
	s.epoch = epoch
}

// noteWrite counts a write that ended; epoch is the Device's from before it was
// sent.
func (v *Volume) noteWrite(epoch uint64) {
	v.sync.Lock()
	defer v.sync.Unlock()
	v.sync.observe(epoch)
	v.sync.ended++
}

// Unsynced tells whether there are writes that no Sync has settled.
func (v *Volume) Unsynced() bool {
	v.sync.Lock()
	defer v.sync.Unlock()
	return v.sync.ended > v.sync.synced
}

// Failures counts the times that writing back or synchronizing failed. Who
// remembers the number can tell later whether something failed since, and so
// report each failure once, as errseq_t does in the kernel.
func (v *Volume) Failures() uint64 {
	v.sync.Lock()
	defer v.sync.Unlock()
	return v.sync.failures
}

// Sync returns nil when every write that ended before the call is durable; at
// once when nothing was written since the last successful Sync.
//
// Writes that a target may have lost before they were synchronized (see
// [Device.Epoch]) cannot be written again from here: one Sync, or several that
// ran together, returns [ErrLost]; the later ones answer for later writes only.
// After any other error the writes stay unsynced, and the next Sync tries
// again.
func (v *Volume) Sync(ctx context.Context) error {
	v.sync.Lock()
	want := v.sync.ended
	for v.sync.synced < want {
		run := v.sync.running
		if run == nil {
			return v.lead(ctx) // unlocks
		}
		v.sync.Unlock()
		select {
		case <-run.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		// A command that was sent before our last write ended says
		// nothing of it; one that its caller gave up says nothing at all.
		if run.upTo >= want && !canceled(run.err) {
			return run.err
		}
		v.sync.Lock()
	}
	v.sync.Unlock()
	return nil
}

// lead sends a SYNCHRONIZE CACHE for all writes that have ended. v.sync is held
// when it is called, and not when it returns.
func (v *Volume) lead(ctx context.Context) error {
	run := &syncing{upTo: v.sync.ended, done: make(chan struct{})}
	v.sync.running = run
	v.sync.Unlock()

	err := v.dev.Sync(ctx)
	// The epoch is read after the answer: a reset that came before the
	// command was carried out shows by then.
	epoch := v.dev.Epoch()

	v.sync.Lock()
	v.sync.running = nil
	v.sync.observe(epoch)
	run.err = v.sync.settle(run.upTo, err)
	v.sync.Unlock()
	close(run.done)
	v.stats.syncs.Add(1)
	if run.err != nil && !canceled(run.err) {
		v.log.Error().Err(run.err).Msg("cannot synchronize")
	}
	return run.err
}

// settle takes into account how a SYNCHRONIZE CACHE ended that was sent for the
// writes up to upTo, and returns what becomes of Sync. An error leaves them
// unsettled.
func (s *syncState) settle(upTo uint64, err error) error {
	if err == nil {
		if s.suspect > s.synced {
			err = ErrLost
		}
		s.synced = upTo
	}
	if err != nil && !canceled(err) {
		s.failures++
	}
	return err
}

func canceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
