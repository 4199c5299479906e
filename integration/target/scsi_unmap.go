package target

// checkUnmap checks the CDB of UNMAP (SBC-3, Section 5.28).
func checkUnmap(cdb []byte, l *LUN) *result {
	if !l.freedBy(OpUnmap) {
		return checkCondition(senseIllegalRequest, ascInvalidOpcode)
	}
	if cdb[1]&1 != 0 { // ANCHOR
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	return l.checkWritable()
}

// unmap deallocates the runs of blocks in the parameter list.
func unmap(x *call) *result {
	runs, bad := unmapList(x)
	if bad != nil {
		return bad
	}
	for _, p := range runs {
		for _, part := range x.lun.heeded(p) {
			if err := x.lun.deallocate(part); err != nil {
				return checkCondition(senseMedium, ascWriteError)
			}
		}
	}
	return good(nil)
}

const (
	unmapHeader     = 8
	unmapDescriptor = 16
)

// unmapList reads the block descriptors and checks all before one is used.
func unmapList(x *call) ([]place, *result) {
	if len(x.data) == 0 {
		return nil, nil
	}
	if len(x.data) < unmapHeader {
		return nil, checkCondition(senseIllegalRequest, ascParameterLength)
	}
	list := x.data[unmapHeader:]
	if n := bigEndian(x.data[2:4]); n < uint64(len(list)) {
		list = list[:n]
	}
	var runs []place
	var total uint64
	for len(list) >= unmapDescriptor {
		p := place{bigEndian(list[:8]), bigEndian(list[8:12])}
		list = list[unmapDescriptor:]
		if !x.lun.inRange(p) {
			return nil, checkCondition(senseIllegalRequest, ascOutOfRange)
		}
		total += p.blocks
		runs = append(runs, p)
	}
	limits := &x.lun.Limits
	tooMany := limits.MaxUnmapDescriptors != 0 && uint64(len(runs)) > uint64(limits.MaxUnmapDescriptors)
	if tooMany || limits.MaxUnmap != 0 && total > uint64(limits.MaxUnmap) {
		return nil, checkCondition(senseIllegalRequest, ascInvalidParameter)
	}
	return runs, nil
}

// deallocate unmaps blocks; without LBPRZ they then read as something else
// than zeroes, so that nobody relies on it.
func (l *LUN) deallocate(p place) error {
	off, n := int64(p.lba)*int64(l.BlockSize), int64(p.blocks)*int64(l.BlockSize)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ReadZeroes {
		return l.medium.unmap(off, n)
	}
	return l.fill([]byte{0xa5}, off, n)
}

// fill repeats a pattern over a range; requires l.mu.
func (l *LUN) fill(pattern []byte, off, n int64) error {
	buffer := make([]byte, min(max(undoSize, int64(len(pattern))), n))
	for i := range buffer {
		buffer[i] = pattern[i%len(pattern)]
	}
	for n > 0 {
		m := min(n, int64(len(buffer)))
		if err := l.medium.write(buffer[:m], off, false); err != nil {
			return err
		}
		off, n = off+m, n-m
	}
	return nil
}
