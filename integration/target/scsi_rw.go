package target

// Bits of byte 1 in READ, WRITE and VERIFY of ten bytes and more.
const (
	protectMask = 0xe0
	fua         = 0x08
)

func isSixByte(cdb []byte) bool { return cdb[0] < 0x20 }

func (l *LUN) bytesOf(cdb []byte) int64 {
	p, _ := addressed(cdb)
	return int64(p.blocks) * int64(l.BlockSize)
}

func readLength(cdb []byte, l *LUN) (in, out int64)  { return l.bytesOf(cdb), 0 }
func writeLength(cdb []byte, l *LUN) (in, out int64) { return 0, l.bytesOf(cdb) }

// checkRead checks a READ (SBC-3, Sections 5.7 to 5.12).
func checkRead(cdb []byte, l *LUN) *result {
	// No protection information is supported: RDPROTECT must be 0.
	if !isSixByte(cdb) && cdb[1]&protectMask != 0 {
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	p, _ := addressed(cdb)
	return l.checkPlace(p)
}

// checkWrite checks a WRITE (SBC-3, Sections 5.32 to 5.37).
func checkWrite(cdb []byte, l *LUN) *result {
	if r := l.checkWritable(); r != nil {
		return r
	}
	return checkRead(cdb, l)
}

func read(x *call) *result {
	p, _ := addressed(x.cdb)
	data := make([]byte, int64(p.blocks)*int64(x.lun.BlockSize))
	if _, err := x.lun.ReadAt(data, int64(p.lba)*int64(x.lun.BlockSize)); err != nil {
		return checkCondition(senseMedium, ascReadError)
	}
	return good(data)
}

// write stores as many whole blocks as the initiator has sent.
func write(x *call) *result {
	p, _ := addressed(x.cdb)
	size := min(int64(p.blocks)*int64(x.lun.BlockSize), int64(len(x.data)))
	data := x.data[:size-size%int64(x.lun.BlockSize)]
	durable := !isSixByte(x.cdb) && x.cdb[1]&fua != 0
	x.lun.mu.Lock()
	defer x.lun.mu.Unlock()
	off := int64(p.lba) * int64(x.lun.BlockSize)
	return x.lun.store(off, int64(len(data)), func() error { return x.lun.medium.write(data, off, durable) })
}
