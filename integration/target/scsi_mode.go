package target

import (
	"encoding/binary"
	"math"
)

// Mode pages (SPC-4, Section 7.5; SBC-3, Section 6.4).
const (
	pageCaching = 0x08
	pageControl = 0x0a
	pageAll     = 0x3f
)

// modeSense returns mode pages: a header, one block descriptor unless DBD is
// set, and the pages (SPC-4, Sections 6.11 and 6.12).
func modeSense(x *call) *result {
	six := x.cdb[0] == OpModeSense6
	page, subpage, control := x.cdb[2]&0x3f, x.cdb[3], x.cdb[2]>>6
	if control == 3 { // saved values
		return checkCondition(senseIllegalRequest, asc{0x39, 0})
	}
	pages, known := x.lun.modePages(page, control == 1)
	if !known || subpage != 0 && subpage != 0xff {
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	var descriptor []byte
	if x.cdb[1]&8 == 0 {
		descriptor = x.lun.blockDescriptor()
	}
	specific := byte(0x10) // DPOFUA
	if x.lun.attributes().WriteProtected {
		specific |= 0x80
	}
	if six {
		b := []byte{byte(3 + len(descriptor) + len(pages)), 0, specific, byte(len(descriptor))}
		return truncated(append(append(b, descriptor...), pages...), uint64(x.cdb[4]))
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(6+len(descriptor)+len(pages)))
	b = append(b, 0, specific, 0, 0, 0, byte(len(descriptor)))
	return truncated(append(append(b, descriptor...), pages...), bigEndian(x.cdb[7:9]))
}

// modePages returns one page, or all; changeable asks for masks, and nothing
// can be changed.
func (l *LUN) modePages(page byte, changeable bool) (b []byte, known bool) {
	if !l.NoCachingPage && (page == pageCaching || page == pageAll) {
		caching := make([]byte, 20)
		caching[0], caching[1] = pageCaching, 18
		if l.WriteCache && !changeable {
			caching[2] = 4 // WCE
		}
		b, known = append(b, caching...), true
	}
	if page == pageControl || page == pageAll {
		b, known = append(b, pageControl, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), true
	}
	return b, known
}

// blockDescriptor is a short LBA mode parameter block descriptor (SBC-3,
// Section 6.4.2.2).
func (l *LUN) blockDescriptor() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(min(l.blocks(), math.MaxUint32)))
	return binary.BigEndian.AppendUint32(b, uint32(l.BlockSize))
}
