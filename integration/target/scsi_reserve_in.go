package target

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Service actions of PERSISTENT RESERVE IN (SPC-4, Section 6.15.1).
const (
	saReadKeys           = 0x00
	saReadReservation    = 0x01
	saReportCapabilities = 0x02
	saReadFullStatus     = 0x03
)

// checkReserve refuses both PERSISTENT RESERVE commands where the LUN knows none.
func checkReserve(_ []byte, l *LUN) *result {
	if l.NoReservations {
		return checkCondition(senseIllegalRequest, ascInvalidOpcode)
	}
	return nil
}

// reserveIn carries out PERSISTENT RESERVE IN.
func reserveIn(x *call) *result {
	x.lun.mu.Lock()
	defer x.lun.mu.Unlock()
	r := &x.lun.reservations
	var data []byte
	switch x.cdb[1] & 0x1f {
	case saReadKeys:
		data = r.withHeader(r.listKeys())
	case saReadReservation:
		data = r.withHeader(r.describe())
	case saReportCapabilities:
		data = capabilities(&x.lun.LUNAttributes, r)
	case saReadFullStatus:
		data = r.withHeader(r.fullStatus())
	default:
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	return truncated(data, bigEndian(x.cdb[7:9]))
}

// withHeader puts PRGENERATION and ADDITIONAL LENGTH before a list.
func (r *reservations) withHeader(list []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, r.generation)
	b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
	return append(b, list...)
}

// registered returns the registered in a fixed order.
func (r *reservations) registered() []nexus {
	return slices.SortedFunc(maps.Keys(r.keys), func(a, b nexus) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
}

func (r *reservations) listKeys() (list []byte) {
	for _, n := range r.registered() {
		list = binary.BigEndian.AppendUint64(list, r.keys[n])
	}
	return list
}

// describe is the reservation descriptor (SPC-4, Section 6.15.3.2).
func (r *reservations) describe() []byte {
	if r.kind == 0 {
		return nil
	}
	b := make([]byte, 16)
	binary.BigEndian.PutUint64(b, r.holderKey())
	b[13] = r.kind // scope 0: LU_SCOPE
	return b
}

// capabilities is the parameter data of REPORT CAPABILITIES (SPC-4, Section
// 6.15.4).
func capabilities(a *LUNAttributes, r *reservations) []byte {
	b := []byte{0, 8, 0, 0x80, 0, 0, 0, 0} // TMV
	if !a.NoPowerLoss {
		b[2] |= 0x01 // PTPL_C
	}
	if r.persist {
		b[3] |= 0x01 // PTPL_A
	}
	b[4] = 0x0a // EX_AC, WR_EX
	if !a.NoRegistrantsOnly {
		b[4], b[5] = 0xea, 0x01 // and WR_EX_AR, EX_AC_RO, WR_EX_RO; EX_AC_AR
	}
	return b
}

// fullStatus is the list of READ FULL STATUS (SPC-4, Section 6.15.5.2).
func (r *reservations) fullStatus() (list []byte) {
	for _, n := range r.registered() {
		b := make([]byte, 24)
		binary.BigEndian.PutUint64(b, r.keys[n])
		if r.holds(n) {
			b[12], b[13] = 0x01, r.kind
		}
		b[19] = 1 // RELATIVE TARGET PORT IDENTIFIER
		id := n.transportID()
		binary.BigEndian.PutUint32(b[20:], uint32(len(id)))
		list = append(append(list, b...), id...)
	}
	return list
}

// transportID is the iSCSI TransportID of an initiator port (SPC-4, Section
// 7.6.4.6, format 01b).
func (n nexus) transportID() []byte {
	name := fmt.Sprintf("%s,i,0x%x\x00", n.initiator, n.isid[:])
	length := max((len(name)+3)&^3, 20)
	b := append(make([]byte, 4, 4+length), name...)
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(length))
	return b[:4+length]
}
