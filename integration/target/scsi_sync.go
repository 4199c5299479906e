package target

// checkSynchronize checks a SYNCHRONIZE CACHE (SBC-3, Sections 5.22 and 5.23).
func checkSynchronize(cdb []byte, l *LUN) *result {
	if l.NoSynchronize {
		return checkCondition(senseIllegalRequest, ascInvalidOpcode)
	}
	p, _ := addressed(cdb)
	if !l.inRange(p) {
		return checkCondition(senseIllegalRequest, ascOutOfRange)
	}
	return nil
}

// synchronizeCache makes durable what was written, more than the range that is
// named: that is allowed.
func synchronizeCache(x *call) *result {
	x.lun.mu.Lock()
	defer x.lun.mu.Unlock()
	if err := x.lun.medium.sync(); err != nil {
		return checkCondition(senseMedium, ascWriteError)
	}
	return good(nil)
}
