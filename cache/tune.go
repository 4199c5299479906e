package cache

// Tune changes the settings of a Volume that can be changed while it is used:
// DirtyLimit, FlushInterval, ReadAhead, MaxAge and HoldLate of opts, whose other
// fields do not count. What is dirty beyond a new limit is written back, writers wait.
func (v *Volume) Tune(opts VolumeOptions) {
	c := v.cache
	opts.Mode = v.opts.Mode
	opts.setDefaults(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.ended {
		return
	}
	o := &v.opts
	o.DirtyLimit, o.FlushInterval, o.ReadAhead, o.MaxAge, o.HoldLate = opts.DirtyLimit, opts.FlushInterval, opts.ReadAhead, opts.MaxAge, opts.HoldLate
	v.limit = int(o.DirtyLimit >> frameBits)
	v.back.wakeAt = 0 // the timer runs for the old interval
	v.back.kick(v)
	v.room.wake()
}
