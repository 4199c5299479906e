package cache

import "context"

// synchronize sends SYNCHRONIZE CACHE for what is written by now. The epoch is
// looked at after the answer: a reset that came before the command was carried
// out shows by then, and what was written is dirty before it can become clean.
func (v *Volume) synchronize(ctx context.Context) error {
	c := v.cache
	covered := v.flush.syncNo
	v.flush.syncNo++
	c.mu.Unlock()
	err := v.dev.Sync(ctx)
	c.mu.Lock()
	if v.ended {
		return ErrClosed
	}
	v.resize()
	v.observe()
	switch {
	case err == nil:
		v.back.succeeded()
		v.cleaned(covered)
		if !v.unsynced() {
			v.back.mended(v)
		}
	case ctx.Err() == nil:
		v.back.failed(v, err, c.now())
	}
	return err
}

// cleaned makes clean what a SYNCHRONIZE CACHE has covered. It lets others have
// the lock now and then.
func (v *Volume) cleaned(covered uint64) {
	c, fl := v.cache, &v.flush
	if v.sync.answered <= covered {
		v.sync.answered = 0
	}
	v.erased.synced(covered)
	for n := 1; !v.ended; n++ {
		id := fl.written.head
		if id == 0 || c.frames[id].gen > covered {
			return
		}
		c.become(id, clean, 0)
		v.forget(id)
		if n%maxFetch == 0 {
			c.mu.Unlock()
			c.mu.Lock()
		}
	}
}

// forget drops a clean frame that nobody uses, nor waits for, where the mode asks
// for that.
func (v *Volume) forget(id frameID) {
	f := &v.cache.frames[id]
	if v.opts.Mode == None && f.state == clean && f.pins == 0 && f.fetch == 0 && !f.fresh {
		v.cache.drop(id)
	}
}

// clean starts a SYNCHRONIZE CACHE in the background when what is written and
// not synchronized has grown to a quarter of what the Volume may hold, to less where
// writers wait for room, or old, or when it is all that they wait for. What is owed is
// erased before, at once.
func (b *writeback) clean(v *Volume, now int64) {
	if b.cleaning || b.ended || v.heldBack() != nil || v.sync.running != nil || now < b.retryAt {
		return
	}
	if v.erased.owed > 0 || now >= v.unsyncedSince()+int64(v.opts.FlushInterval) || v.muchWritten(now) {
		b.cleaning = true
		v.workers.Add(1)
		go v.cleanUp()
	}
}

// unsyncedSince is when the target answered first for something that it may lose.
func (v *Volume) unsyncedSince() int64 {
	at := v.erased.oldest()
	if id := v.flush.written.head; id != 0 {
		at = min(at, v.cache.frames[id].at)
	}
	return at
}

func (v *Volume) muchWritten(now int64) bool {
	fl := &v.flush
	if fl.written.len == 0 {
		return false
	}
	share := 4
	if len(v.room) > 0 {
		share = 16 // in small steps, so that the writers go on evenly
	}
	return fl.written.len*share >= v.pace.allowed(v, now) || len(v.room) > 0 && !fl.pending()
}

// cleanUp is a goroutine's life: what is owed is erased, or one SYNCHRONIZE CACHE sent.
func (v *Volume) cleanUp() {
	defer v.workers.Done()
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	do := v.synchronize
	if v.erased.owed > 0 {
		do = v.repay
	}
	_ = do(v.background) // counted and logged
	v.back.cleaning = false
	v.back.kick(v)
}
