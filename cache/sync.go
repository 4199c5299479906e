package cache

import "context"

// syncState is about the Syncs of a Volume. One runs at a time; a Sync that
// comes while another runs may be for later writes, so it waits for the next,
// which it shares with all that wait by then.
type syncState struct {
	running  *syncRun // nil = none
	begun    uint64   // number of the last run
	failures uint64
	changes  uint64 // of the epoch
	answered uint64 // the syncNo that covers all that the target has answered for; 0 = nothing
}

// syncRun is one Sync, shared by all who came before it began.
type syncRun struct {
	number uint64
	done   chan struct{} // closed when the outcome is set
	err    error         // the first; while it runs, of its write-backs
	gaveUp bool          // its caller did
}

// urges tells whether a Sync waits for what is urgent.
func (s *syncState) urges() bool { return s.running != nil && s.running.err == nil }

// fail takes note of an error of a write-back.
func (s *syncState) fail(err error) {
	s.failures++
	if s.running != nil && s.running.err == nil {
		s.running.err = err
	}
}

// Unsynced tells whether there are writes that no Sync has made durable.
func (v *Volume) Unsynced() bool {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.unsynced()
}

func (v *Volume) unsynced() bool {
	return v.flush.pending() || v.sync.answered > 0 || v.erased.owed > 0
}

// Failures counts the times that writing back or synchronizing failed. Who
// remembers the number can tell later whether something failed since, and so
// report each failure once, as errseq_t does in the kernel.
func (v *Volume) Failures() uint64 {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.sync.failures
}

// Sync returns nil when every write that ended before the call is durable: what
// is dirty has been written back, and SYNCHRONIZE CACHE has succeeded since. It
// returns at once when nothing was written since the last one.
//
// What the target may have lost before it was synchronized (see [Device.Epoch])
// is written, zeroed or deallocated again. After an error the data stays in memory, and the next Sync
// tries again; while it is held back, see [VolumeOptions.HoldLate], the error is
// [ErrLate].
func (v *Volume) Sync(ctx context.Context) error {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	v.observe()
	want := v.sync.begun + 1
	for !v.ended && v.unsynced() {
		run := v.sync.running
		if run == nil {
			return v.lead(ctx)
		}
		c.mu.Unlock()
		var err error
		select {
		case <-run.done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
		// What its caller gave up says nothing.
		if run.number >= want && !run.gaveUp {
			return run.err
		}
	}
	return nil
}

// lead is a run of its own for all writes that have ended.
func (v *Volume) lead(ctx context.Context) error {
	s := &v.sync
	s.begun++
	run := &syncRun{number: s.begun, done: make(chan struct{})}
	s.running = run
	again, err := v.syncRound(ctx)
	for again && err == nil {
		again, err = v.syncRound(ctx)
	}
	s.running, run.err, run.gaveUp = nil, err, ctx.Err() != nil
	close(run.done)
	v.stats.syncs++
	if !v.ended {
		v.back.kick(v)
	}
	return err
}

// syncRound writes back all that is dirty and sends SYNCHRONIZE CACHE. If the
// epoch changes meanwhile, all is to be done again: also what was written to
// since, for its earlier content, which the target answered for, may be lost.
func (v *Volume) syncRound(ctx context.Context) (again bool, err error) {
	changes := v.sync.changes
	v.flush.close(v.cache.frames)
	if err := v.drain(ctx); err != nil {
		return false, err
	}
	v.observe()
	if changes == v.sync.changes && v.sync.answered > 0 {
		err = v.synchronize(ctx)
	}
	return changes != v.sync.changes, err
}

// drain sees to it that all that is owed is erased, and all that is urgent written back. The caller does a
// worker's work, and no worker is started for a single command.
func (v *Volume) drain(ctx context.Context) error {
	run := v.sync.running
	for v.flush.old > 0 || v.erased.owed > 0 {
		held := v.heldBack()
		switch {
		case v.ended:
			return ErrClosed
		case held != nil:
			return held
		case run.err != nil:
			return run.err
		}
		v.observe()
		if v.erased.owed > 0 { // what is newer there comes after it
			if err := v.repay(ctx); err != nil {
				return err
			}
			continue
		}
		id := v.nextUrgent()
		if id == 0 {
			if err := v.waitUrgent(ctx); err != nil {
				return err
			}
			continue
		}
		cmd := v.take(id)
		if v.flush.urgent.len > 0 {
			v.back.kick(v)
		}
		if err := v.perform(ctx, cmd); err != nil {
			return err
		}
	}
	return nil
}

// nextUrgent is an urgent frame that may be sent; 0 = none.
func (v *Volume) nextUrgent() frameID {
	for id := v.flush.urgent.head; id != 0; id = v.cache.frames[id].next {
		if !v.barred(v.cache.frames[id].block) {
			return id
		}
	}
	return 0
}

// waitUrgent waits until one more write-back has ended, or a barrier is gone.
func (v *Volume) waitUrgent(ctx context.Context) error {
	if id := v.flush.urgent.head; id != 0 {
		block := v.cache.frames[id].block
		return v.passBarriers(ctx, block, block)
	}
	return v.back.wait(ctx, v)
}
