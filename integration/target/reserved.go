package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// span is a run of header bytes, or with a mask bits of one byte, that must be
// zero.
type span struct {
	from, to int
	mask     byte
}

// reservedSpans are the reserved parts of the headers of RFC 7143, Sections
// 11.3 to 11.18.
var reservedSpans = map[pdu.Opcode][]span{
	pdu.OpSCSICommand: {{0, 1, 0x80}, {1, 2, 0x18}, {2, 4, 0xff}},
	pdu.OpNOPOut:      {{0, 1, 0x80}, {1, 2, 0x7f}, {2, 4, 0xff}, {32, 48, 0xff}},
	pdu.OpTaskMgmtReq: {{0, 1, 0x80}, {2, 4, 0xff}, {40, 48, 0xff}},
	pdu.OpTextReq:     {{0, 1, 0x80}, {1, 2, 0x3f}, {2, 4, 0xff}, {32, 48, 0xff}},
	pdu.OpDataOut:     {{0, 1, 0xc0}, {1, 2, 0x7f}, {2, 4, 0xff}, {24, 28, 0xff}, {32, 36, 0xff}, {44, 48, 0xff}},
	pdu.OpLogoutReq:   {{0, 1, 0x80}, {2, 4, 0xff}, {8, 16, 0xff}, {22, 24, 0xff}, {32, 48, 0xff}},
	pdu.OpLoginReq:    {{0, 1, 0x80}, {1, 2, 0x30}, {22, 24, 0xff}, {32, 48, 0xff}},
}

// reservedClear tells whether all reserved parts of a header are zero.
func reservedClear(b *pdu.BHS) bool {
	for _, s := range reservedSpans[b.Opcode()] {
		for _, v := range b[s.from:s.to] {
			if v&s.mask != 0 {
				return false
			}
		}
	}
	return true
}

// checkReserved checks what must be 0, or always 1, in a header.
func (c *conn) checkReserved(p *PDU) bool {
	if !reservedClear(&p.Header) && c.violate(reqReserved, p, "") {
		return false
	}
	op := p.Header.Opcode()
	if len(p.AHS) > 0 && op != pdu.OpSCSICommand {
		c.violate(reqAHS, p, "")
		return false
	}
	fixed := op == pdu.OpNOPOut || op == pdu.OpTaskMgmtReq || op == pdu.OpLogoutReq
	if fixed && !p.Header.Final() && c.violate(reqFinalFixed, p, "") {
		return false
	}
	return true
}
