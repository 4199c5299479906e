package scsi

import (
	"encoding/binary"
	"math"
)

const (
	reportLUNsHeader = 8
	lunSize          = 8
)

// ParseReportLUNs reads the parameter data of REPORT LUNS (SPC-4, section 6.33).
// total is what the whole list needs in bytes, header included, by its own
// account: if it is above len(b), ask again with that allocation length. luns are
// those that are in b. A trailing piece of a LUN is left out. total is at most
// math.MaxInt32; a target that claims more is not believed.
func ParseReportLUNs(b []byte) (luns []LUN, total int, err error) {
	if len(b) < reportLUNsHeader {
		return nil, 0, tooShort("REPORT LUNS data", len(b), reportLUNsHeader)
	}
	length := uint64(binary.BigEndian.Uint32(b))
	list := b[reportLUNsHeader:]
	if length < uint64(len(list)) {
		list = list[:length]
	}
	luns = make([]LUN, 0, len(list)/lunSize)
	for ; len(list) >= lunSize; list = list[lunSize:] {
		luns = append(luns, LUN(list))
	}
	return luns, int(min(reportLUNsHeader+length, math.MaxInt32)), nil
}
