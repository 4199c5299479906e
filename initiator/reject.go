package initiator

import (
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// rejectLocked acts on a Reject (RFC 7143, Section 11.17). At error recovery
// level 0 most of them end the connection, and the session logs in again.
func (c *conn) rejectLocked(b *pdu.BHS, data []byte) error {
	var r pdu.Reject
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	c.statSNLocked(r.Sequence)
	if len(data) < pdu.BHSLength {
		return protocolErrorf("Reject (%v) without the header of the rejected PDU", r.Reason)
	}
	refused := (*pdu.BHS)(data)
	err := fmt.Errorf("the target rejected a %v PDU: %v", refused.Opcode(), r.Reason)
	switch {
	// RFC 7143, 7.8: after a digest error in a Data-Out PDU the target asks for
	// the data again or ends the command.
	case r.Reason == pdu.RejectDataDigest && refused.Opcode() == pdu.OpDataOut:
		return nil
	case c.rejectsAloneLocked(refused, r.Reason):
		t := c.s.slots.find(refused.ITT())
		if t == nil {
			return nil // the answer to a ping, or it has ended
		}
		if t.kind != requestKinds[refused.Opcode()] {
			return protocolErrorf("Reject of a %v PDU with the tag of a task of another kind", refused.Opcode())
		}
		c.s.endLocked(t, c.s.errorLocked(refused.Opcode().String(), err))
		return nil
	}
	return err
}

// requestKinds are the requests whose Reject need not end the session.
var requestKinds = map[pdu.Opcode]taskKind{
	pdu.OpTextReq: kindText, pdu.OpTaskMgmtReq: kindTaskMgmt, pdu.OpLogoutReq: kindLogout, pdu.OpNOPOut: kindPing,
}

// rejectsAloneLocked tells whether the session goes on after a Reject: nothing
// is lost but the request itself.
func (c *conn) rejectsAloneLocked(refused *pdu.BHS, reason pdu.RejectReason) bool {
	switch refused.Opcode() {
	case pdu.OpTextReq, pdu.OpTaskMgmtReq, pdu.OpLogoutReq:
		return true
	case pdu.OpNOPOut:
		return reason == pdu.RejectImmediateCommand || reason == pdu.RejectNotSupported
	}
	return false
}
