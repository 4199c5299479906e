package cache

// WriteLate lets data go to the disk again, at once, that was held back because
// the disk was away for too long, see VolumeOptions.HoldLate, or that failed.
func (v *Volume) WriteLate() {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if !v.ended {
		v.late = false
		v.back.succeeded() // as far as is known
		v.back.kick(v)
	}
}

// HoldLate holds what is dirty back until WriteLate, as if the disk had been away for
// too long.
func (v *Volume) HoldLate() {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	v.late = true
}

// Late tells whether data is held back.
func (v *Volume) Late() bool {
	c := v.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.late
}
