package initiator

import (
	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// dispatch acts on a PDU other than Data-In. It runs in the reader.
func (c *conn) dispatch(b *pdu.BHS, data []byte) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window.update(b.Sequence())
	err := c.dispatchLocked(b, data)
	if c.mayStartLocked() {
		c.wake()
	}
	return err
}

// mayStartLocked tells whether something waits that may be sent now.
func (c *conn) mayStartLocked() bool {
	s := c.s
	return len(c.replies) > 0 || s.urgent.len > 0 || s.dataOut.len > 0 || s.nextLocked() != nil
}

func (c *conn) dispatchLocked(b *pdu.BHS, data []byte) error {
	stats := &c.s.stats
	switch b.Opcode() {
	case pdu.OpSCSIResponse:
		stats.Responses++
		return c.scsiResponseLocked(b, data)
	case pdu.OpR2T:
		stats.R2T++
		return c.r2tLocked(b)
	case pdu.OpNOPIn:
		stats.NOPIn++
		return c.nopInLocked(b)
	case pdu.OpTaskMgmtResp:
		stats.TaskMgmtResponses++
		return c.taskMgmtResponseLocked(b)
	case pdu.OpTextResp:
		stats.TextResponses++
		return c.textResponseLocked(b, data)
	case pdu.OpLogoutResp:
		stats.LogoutResponses++
		return c.logoutResponseLocked(b)
	case pdu.OpAsyncMessage:
		stats.Async++
		return c.asyncLocked(b, data)
	case pdu.OpReject:
		stats.Rejects++
		return c.rejectLocked(b, data)
	}
	return protocolErrorf("%v PDU in the full feature phase", b.Opcode())
}

// taskLocked returns the task that a PDU answers. It is nil without an error
// for the late answer of a task that was aborted.
func (c *conn) taskLocked(b *pdu.BHS, kind taskKind) (*task, error) {
	t := c.s.slots.find(b.ITT())
	if t == nil {
		if c.s.slots.late(b.ITT()) {
			return nil, nil
		}
		return nil, protocolErrorf("%v PDU for the task tag %#x, which was never given", b.Opcode(), b.ITT())
	}
	if t.kind != kind {
		return nil, protocolErrorf("%v PDU for a task of another kind", b.Opcode())
	}
	return t, nil
}

// scsiResponseLocked ends a SCSI command (RFC 7143, Section 11.4).
func (c *conn) scsiResponseLocked(b *pdu.BHS, data []byte) error {
	var r pdu.SCSIResponse
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	c.statSNLocked(r.Sequence)
	t, err := c.taskLocked(b, kindCommand)
	if t == nil {
		return err
	}
	t.response, t.status, t.residual = r.Response, scsi.Status(r.Status), r.Residual
	if t.status == scsi.CheckCondition {
		t.sense, _ = scsi.ParseSense(pdu.SenseData(data))
	}
	c.s.endLocked(t, nil)
	return nil
}

// r2tLocked queues the data that the target asks for (RFC 7143, Section 11.8).
func (c *conn) r2tLocked(b *pdu.BHS) error {
	var r pdu.R2T
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	t, err := c.taskLocked(b, kindCommand)
	if t == nil {
		return err
	}
	if err := c.checkR2T(t, &r); err != nil {
		return err
	}
	t.r2tSN++
	off := int(r.BufferOffset)
	t.pushBurst(burst{lun: r.LUN, ttt: r.TTT, off: off, end: off + int(r.DesiredDataTransferLength)})
	if t.list == nil {
		c.s.dataOut.pushBack(t)
	}
	return nil
}

func (c *conn) checkR2T(t *task, r *pdu.R2T) error {
	switch {
	case !t.write:
		return protocolErrorf("Ready To Transfer for a command that writes nothing")
	// RFC 7143, 11.8.5: "the value 0xffffffff is reserved and MUST NOT be sent by a
	// target in an R2T".
	case r.TTT == pdu.ReservedTag:
		return protocolErrorf("Ready To Transfer without a Target Transfer Tag")
	// RFC 7143, 11.8.2: R2TSN starts at 0 for each command and counts its R2Ts;
	// at error recovery level 0 a gap means that one was lost.
	case r.R2TSN != t.r2tSN:
		return protocolErrorf("R2TSN is %d where %d is due", r.R2TSN, t.r2tSN)
	// RFC 7143, 11.8.4: "The Desired Data Transfer Length MUST NOT be 0 and MUST
	// NOT exceed MaxBurstLength."
	case r.DesiredDataTransferLength == 0, int64(r.DesiredDataTransferLength) > int64(c.params.MaxBurstLength):
		return protocolErrorf("Ready To Transfer for %d bytes, with MaxBurstLength=%d",
			r.DesiredDataTransferLength, c.params.MaxBurstLength)
	case int64(r.BufferOffset)+int64(r.DesiredDataTransferLength) > int64(t.data.len):
		return protocolErrorf("Ready To Transfer beyond the %d bytes of the command", t.data.len)
	// RFC 7143, 13.17: MaxOutstandingR2T is "the maximum number of outstanding
	// R2Ts per task".
	case t.outstanding() >= c.params.MaxOutstandingR2T:
		return protocolErrorf("more Ready To Transfer outstanding for one command than MaxOutstandingR2T=%d allows",
			c.params.MaxOutstandingR2T)
	}
	return nil
}

// taskMgmtResponseLocked ends a task management function (RFC 7143, Section
// 11.6).
func (c *conn) taskMgmtResponseLocked(b *pdu.BHS) error {
	var r pdu.TaskMgmtResponse
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	c.statSNLocked(r.Sequence)
	t, err := c.taskLocked(b, kindTaskMgmt)
	if t == nil {
		return err
	}
	t.result = uint8(r.Result)
	c.s.endLocked(t, nil)
	return nil
}

// textResponseLocked ends one exchange of text (RFC 7143, Section 11.11).
func (c *conn) textResponseLocked(b *pdu.BHS, data []byte) error {
	var r pdu.TextResponse
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	c.statSNLocked(r.Sequence)
	t, err := c.taskLocked(b, kindText)
	if t == nil {
		return err
	}
	if len(t.answer)+len(data) > pdu.MaxTextLength {
		return protocolErrorf("a text answer of more than %d bytes", pdu.MaxTextLength)
	}
	t.answer = append(t.answer, data...)
	if r.Final && !r.Continue {
		c.s.endLocked(t, nil)
		return nil
	}
	// RFC 7143, 11.11.1: a response without F comes with a TTT. 11.11.4: "The
	// initiator MUST copy the Target Transfer Tag and LUN in its next request to
	// indicate that it wants the rest of the data."
	if r.TTT == pdu.ReservedTag {
		return protocolErrorf("a text answer that goes on without a Target Transfer Tag")
	}
	t.ttt, t.lun, t.payload, t.state = r.TTT, r.LUN, nil, taskPending
	c.s.queueLocked(t)
	return nil
}

// logoutResponseLocked ends a logout (RFC 7143, Section 11.15).
func (c *conn) logoutResponseLocked(b *pdu.BHS) error {
	var r pdu.LogoutResponse
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	c.statSNLocked(r.Sequence)
	t, err := c.taskLocked(b, kindLogout)
	if t == nil {
		return err
	}
	t.result = uint8(r.Result)
	// Only then have the tasks of the session ended: see noteGhostsLocked.
	c.loggedOut = r.Result == pdu.LogoutSucceeded
	// RFC 7143, 11.15.3: "If the Logout response code is 0 and the operational
	// ErrorRecoveryLevel is less than 2, this field is to be ignored." "This field is
	// invalid if the Logout response code is 1."
	if r.Result != pdu.LogoutSucceeded && r.Result != pdu.CIDNotFound {
		c.waitAtLeastLocked(r.Time2Wait)
	}
	c.s.endLocked(t, nil)
	return nil
}

// nopInLocked takes a target's ping or its answer to ours (RFC 7143, Section
// 11.19).
func (c *conn) nopInLocked(b *pdu.BHS) error {
	var r pdu.NOPIn
	if err := r.Unmarshal(b); err != nil {
		return err
	}
	if r.ITT != pdu.ReservedTag {
		c.statSNLocked(r.Sequence)
		t, err := c.taskLocked(b, kindPing)
		if t != nil {
			c.s.endLocked(t, nil)
		}
		return err
	}
	// RFC 7143, 11.18: to a NOP-In with a valid TTT "the initiator MUST respond with
	// a NOP-Out".
	if r.TTT != pdu.ReservedTag {
		return c.replyLocked(nopReply{r.LUN, r.TTT})
	}
	return nil
}
