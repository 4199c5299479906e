package target

import (
	"encoding/binary"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Fields that all requests of an initiator have in common (RFC 7143, Section
// 11.2).
func cmdSN(b *pdu.BHS) uint32     { return binary.BigEndian.Uint32(b[24:]) }
func expStatSN(b *pdu.BHS) uint32 { return binary.BigEndian.Uint32(b[28:]) }
func headerLUN(b *pdu.BHS) (lun [8]byte) {
	copy(lun[:], b[8:16])
	return lun
}

func numbers(got, want uint32) string { return fmt.Sprintf("%#x, expected %#x", got, want) }

// receiveLocked checks a PDU of the full feature phase and acts on it.
func (c *conn) receiveLocked(p *PDU) {
	if c.ended {
		if c.loggedOut && asks(p) {
			c.note(reqAfterLogout, p, "")
		}
		return
	}
	op := p.Header.Opcode()
	if !c.admissible(p) {
		c.sess.skip(c, p)
		return
	}
	if op == pdu.OpDataOut {
		c.dataOut(p)
		return
	}
	if p.badDataDigest {
		// Nothing more is to be done about a PDU that is not Data-Out (Section 7.8).
		// Its CmdSN stays open until it is sent again.
		c.violate(reqDataDigest, p, "")
		return
	}
	if !c.sess.inWindow(c, p) {
		return
	}
	r := &request{c: c, p: p}
	if op == pdu.OpSCSICommand {
		// A refused command keeps its place without a task.
		r.task = c.newTask(p)
	}
	c.sess.admit(r)
}

// asks tells whether a PDU is a request, and neither data nor the answer to a ping.
func asks(p *PDU) bool {
	switch p.Header.Opcode() {
	case pdu.OpDataOut:
		return false
	case pdu.OpNOPOut:
		return binary.BigEndian.Uint32(p.Header[20:]) == pdu.ReservedTag // the Target Transfer Tag
	}
	return true
}

// admissible makes the checks that hold for every PDU.
func (c *conn) admissible(p *PDU) bool {
	op := p.Header.Opcode()
	if !numbered(op) && op != pdu.OpDataOut && op != pdu.OpSNACK {
		c.violate(reqOpcode, p, op.String())
		return false
	}
	if !c.checkReserved(p) || !c.checkExpStatSN(p) {
		return false
	}
	if op == pdu.OpSNACK {
		c.violate(reqSNACK, p, "")
		return false
	}
	if c.sess.node == nil && op != pdu.OpTextReq && op != pdu.OpLogoutReq && op != pdu.OpNOPOut {
		c.violate(reqDiscoveryOnly, p, op.String())
		return false
	}
	return true
}

func numbered(op pdu.Opcode) bool {
	switch op {
	case pdu.OpNOPOut, pdu.OpSCSICommand, pdu.OpTaskMgmtReq, pdu.OpTextReq, pdu.OpLogoutReq:
		return true
	}
	return false
}

// checkExpStatSN follows the acknowledgements of a connection.
func (c *conn) checkExpStatSN(p *PDU) bool {
	sn := expStatSN(&p.Header)
	if serial(sn, c.statSN) > 0 {
		return !c.violate(reqExpStatSNAhead, p, numbers(sn, c.statSN))
	}
	if serial(sn, c.expStatSN) < 0 {
		return c.sess.disturbed || !c.violate(reqExpStatSNBack, p, numbers(sn, c.expStatSN))
	}
	c.expStatSN = sn
	return true
}

// deliver acts on a request whose turn it is.
func (s *session) deliver(r *request) {
	if r.void {
		return
	}
	switch r.p.Header.Opcode() {
	case pdu.OpSCSICommand:
		if r.task != nil {
			r.task.ordered = true
			r.task.advance()
		}
	case pdu.OpNOPOut:
		r.c.nopOut(r.p)
	case pdu.OpTaskMgmtReq:
		r.c.taskManagement(r.p)
	case pdu.OpTextReq:
		r.c.textRequest(r.p)
	case pdu.OpLogoutReq:
		r.c.logout(r.p)
	}
}
