package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// request is a numbered PDU that waits for its turn or has it.
type request struct {
	c    *conn
	p    *PDU
	task *task // of a SCSI Command that was not refused
	void bool  // rejected: only its number counts
}

// serial tells how far a is after b in serial arithmetic (RFC 7143, Section
// 4.2.2.1 and RFC 1982); negative when before.
func serial(a, b uint32) int32 { return int32(a - b) }

// admit puts a numbered request in its order and delivers what is due.
func (s *session) admit(r *request) {
	sn := cmdSN(&r.p.Header)
	if r.p.Header.Immediate() {
		if s.inOrder() && sn != s.expCmdSN {
			r.c.note(reqImmediateCmdSN, r.p, numbers(sn, s.expCmdSN))
		}
		s.deliver(r)
		return
	}
	s.waiting[sn] = r
	for {
		next := s.waiting[s.expCmdSN]
		if next == nil {
			return
		}
		delete(s.waiting, s.expCmdSN)
		s.expCmdSN++
		s.openWindow()
		s.deliver(next)
	}
}

// skip uses up the number of a rejected request, so that those behind it do not
// wait for ever.
func (s *session) skip(c *conn, p *PDU) {
	if numbered(p.Header.Opcode()) && !p.Header.Immediate() && !s.ended && s.inWindow(c, p) {
		s.admit(&request{c: c, p: p, void: true})
	}
}

// inWindow checks the CmdSN of a non-immediate request.
//
// "The target MUST silently ignore any non-immediate command outside of this
// range or non-immediate duplicates within the range." RFC 7143, Section
// 4.2.2.1.
func (s *session) inWindow(c *conn, p *PDU) bool {
	if p.Header.Immediate() {
		return true
	}
	sn := cmdSN(&p.Header)
	if serial(sn, s.expCmdSN) < 0 || serial(sn, s.maxCmdSN) > 0 || s.waiting[sn] != nil {
		c.note(reqCmdSNWindow, p, numbers(sn, s.expCmdSN))
		return false
	}
	if s.inOrder() && sn != s.expCmdSN+uint32(len(s.waiting)) {
		c.note(reqCmdSNStep, p, numbers(sn, s.expCmdSN))
	}
	return true
}

// inOrder tells whether CmdSNs must arrive in order: there is one connection
// and no rule has kept anything back.
func (s *session) inOrder() bool {
	return len(s.conns) == 1 && !s.disturbed
}

// openWindow lets the initiator send as many commands as are not open yet.
// MaxCmdSN never goes back.
func (s *session) openWindow() {
	limit := s.expCmdSN + s.t.window - 1 - uint32(len(s.tasks))
	if serial(limit, s.maxCmdSN) > 0 {
		s.maxCmdSN = limit
	}
}

// SetWindow changes how many commands may be open in each session; 0 closes
// the window as soon as the commands already allowed have come. Opening it
// tells the initiators with a NOP-In.
func (t *Target) SetWindow(n uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window = n
	for _, s := range t.sessions {
		s.openWindow()
		for _, c := range s.conns {
			c.queue(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, Sequence: c.sequence()}, nil)
		}
	}
}
