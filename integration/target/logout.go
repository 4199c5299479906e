package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// logout ends a connection or the session (RFC 7143, Section 11.14). The
// socket closes after the answer; what still comes is looked at until the
// initiator closes too.
func (c *conn) logout(p *PDU) {
	var h pdu.LogoutRequest
	h.Unmarshal(&p.Header)
	answer := pdu.LogoutResponse{
		ITT:         h.ITT,
		Sequence:    c.status(),
		Time2Wait:   uint16(c.sess.params.DefaultTime2Wait),
		Time2Retain: 0, // error recovery level 0 retains nothing
	}
	leaving := c.leaving(&h, &answer)
	c.t.rec.count(func(n *Counters) { n.Logouts++ })
	for _, other := range leaving {
		other.abortTasks()
		if other != c {
			other.cut()
		}
	}
	if answer.Result != pdu.LogoutSucceeded || leaving[c.cid] != c {
		c.queue(&answer, nil)
		return
	}
	c.loggedOut = true
	c.queueLast(&answer, nil)
	c.endReading()
}

// leaving returns the connections that a logout closes, by CID.
func (c *conn) leaving(h *pdu.LogoutRequest, answer *pdu.LogoutResponse) map[uint16]*conn {
	switch h.Reason {
	case pdu.CloseSession:
		return c.sess.conns
	case pdu.CloseConnection:
		if other := c.sess.conns[h.CID]; other != nil {
			return map[uint16]*conn{h.CID: other}
		}
		answer.Result = pdu.CIDNotFound
	case pdu.RemoveForRecovery:
		answer.Result = pdu.RecoveryUnsupported
	default:
		answer.Result = pdu.CleanupFailed
	}
	return nil
}

// abortTasks ends all tasks of a connection that logs out.
func (c *conn) abortTasks() {
	for _, k := range c.sess.tasks {
		if k.c == c {
			k.abort()
		}
	}
}
