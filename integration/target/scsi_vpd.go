package target

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Vital product data pages (SPC-4, Section 7.8; SBC-3, Section 6.5).
const (
	vpdSupported    = 0x00
	vpdSerial       = 0x80
	vpdDevice       = 0x83
	vpdLimits       = 0xb0
	vpdMedium       = 0xb1
	vpdProvisioning = 0xb2
)

// vpd returns one page.
func vpd(x *call, page byte, allocation uint64) *result {
	l := x.lun
	var body []byte
	switch page {
	case vpdSupported:
		body = []byte{vpdSupported, vpdSerial, vpdDevice, vpdLimits, vpdMedium}
		if l.Thin {
			body = append(body, vpdProvisioning)
		}
	case vpdSerial:
		body = []byte(l.Serial)
	case vpdDevice:
		body = l.designators(x.sess)
	case vpdLimits:
		body = l.Limits.page()
	case vpdMedium:
		body = make([]byte, 60)
		body[1] = 1 // non-rotating medium
	case vpdProvisioning:
		if !l.Thin {
			return checkCondition(senseIllegalRequest, ascInvalidField)
		}
		body = l.provisioningPage()
	default:
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	b := binary.BigEndian.AppendUint16([]byte{l.DeviceType, page}, uint16(len(body)))
	return truncated(append(b, body...), allocation)
}

// page is VPD page B0h without its header.
func (b *BlockLimits) page() []byte {
	p := make([]byte, 60)
	if b.NonZeroWriteSame {
		p[0] = 1
	}
	binary.BigEndian.PutUint16(p[2:], uint16(b.OptimalGranularity))
	binary.BigEndian.PutUint32(p[4:], b.MaxTransfer)
	binary.BigEndian.PutUint32(p[8:], b.OptimalTransfer)
	binary.BigEndian.PutUint32(p[16:], b.MaxUnmap)
	binary.BigEndian.PutUint32(p[20:], b.MaxUnmapDescriptors)
	binary.BigEndian.PutUint32(p[24:], b.UnmapGranularity)
	if b.UnmapAlignment != 0 {
		binary.BigEndian.PutUint32(p[28:], 1<<31|b.UnmapAlignment) // UGAVALID
	}
	binary.BigEndian.PutUint64(p[32:], b.MaxWriteSame)
	return p
}

// provisioningPage is VPD page B2h without its header.
func (l *LUN) provisioningPage() []byte {
	const lbpu, lbpws, lbpws10, pageLBPRZ, thin = 0x80, 0x40, 0x20, 0x04, 2
	p := []byte{0, 0, thin, 0}
	for opcode, bit := range map[byte]byte{OpUnmap: lbpu, OpWriteSame16: lbpws, OpWriteSame10: lbpws10} {
		if l.freedBy(opcode) {
			p[1] |= bit
		}
	}
	if l.ReadZeroes {
		p[1] |= pageLBPRZ
	}
	return p
}

// Designators (SPC-4, Section 7.8.6).
const (
	codeBinary, codeASCII, codeUTF8                            = 1, 2, 3
	typeT10, typeNAA, typeRelPort, typePortGroup, typeSCSIName = 1, 3, 4, 5, 8
	ofPort                                                     = 0x90 // PIV and association with the target port
)

// designators is VPD page 83h without its header, for who came through the
// portal group of s.
func (l *LUN) designators(s *session) (b []byte) {
	add := func(code, kind byte, id []byte) {
		b = append(append(b, code, kind, 0, byte(len(id))), id...)
	}
	if naa, err := hex.DecodeString(l.NAA); err == nil && len(naa) > 0 {
		add(codeBinary, typeNAA, naa)
	}
	if l.Serial != "-" {
		add(codeASCII, typeT10, append(ascii(l.Vendor, 8), l.Serial...))
	}
	const iscsi = 0x50
	add(iscsi|codeBinary, ofPort|typeRelPort, binary.BigEndian.AppendUint16([]byte{0, 0}, s.t.relativePort(s.tag)))
	add(iscsi|codeBinary, ofPort|typePortGroup, binary.BigEndian.AppendUint16([]byte{0, 0}, s.tag))
	name := fmt.Appendf(nil, "%s,t,0x%04x\x00", s.node.IQN, s.tag)
	for len(name)%4 != 0 {
		name = append(name, 0)
	}
	add(iscsi|codeUTF8, ofPort|typeSCSIName, name)
	return b
}
