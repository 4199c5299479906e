package target

import "bytes"

// byteCheck is the BYTCHK field of VERIFY (SBC-3, Section 5.26): 0 checks the
// medium only, 1 compares it with data.
func byteCheck(cdb []byte) byte { return cdb[1] >> 1 & 3 }

func verifyLength(cdb []byte, l *LUN) (in, out int64) {
	if byteCheck(cdb) != 1 {
		return 0, 0
	}
	return 0, l.bytesOf(cdb)
}

func checkVerify(cdb []byte, l *LUN) *result {
	if byteCheck(cdb) > 1 {
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	return checkRead(cdb, l)
}

func verify(x *call) *result {
	if byteCheck(x.cdb) == 0 {
		return good(nil)
	}
	r := read(x)
	if r.status == statusGood && !bytes.Equal(r.data, x.data) {
		return checkCondition(senseMiscompare, ascMiscompare)
	}
	r.data = nil
	return r
}
