package target

import "encoding/binary"

// reportLUNs lists the LUNs (SPC-4, Section 6.33). It clears the unit
// attention 3F/0E of the session on every LUN.
func reportLUNs(x *call) *result {
	allocation := bigEndian(x.cdb[6:10])
	if x.cdb[2] > 2 {
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	b := make([]byte, 8)
	if x.cdb[2] != 1 { // 1: well known logical units only
		for _, l := range x.node.sorted() {
			field := l.address()
			b = append(b, field[:]...)
			l.clearAttention(x.sess, ascLUNsChanged)
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-8))
	return truncated(b, allocation)
}
