package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// taskManagement carries out a function (RFC 7143, Section 11.5). All tasks
// that it ends are ended before its answer is queued.
func (c *conn) taskManagement(p *PDU) {
	var h pdu.TaskMgmtRequest
	h.Unmarshal(&p.Header)
	named := h.Function == pdu.AbortTask || h.Function == pdu.TaskReassign
	if !named && h.ReferencedTaskTag != pdu.ReservedTag {
		c.note(reqTMFTag, p, numbers(h.ReferencedTaskTag, pdu.ReservedTag))
	}
	c.t.rec.count(func(n *Counters) { n.TaskManagement = append(n.TaskManagement, h.Function) })
	result := c.manage(p, &h)
	c.queue(&pdu.TaskMgmtResponse{Result: result, ITT: h.ITT, Sequence: c.status()}, nil)
	if h.Function == pdu.TargetColdReset {
		c.t.endSessions(c.sess.node)
	}
}

func (c *conn) manage(p *PDU, h *pdu.TaskMgmtRequest) pdu.TaskMgmtResult {
	switch h.Function {
	case pdu.AbortTask:
		return c.abortTask(p, h)
	case pdu.TaskReassign:
		return pdu.ReassignNotSupported
	case pdu.TargetWarmReset, pdu.TargetColdReset:
		for _, l := range c.sess.node.luns {
			c.t.resetLUN(l)
		}
		return pdu.FunctionComplete
	}
	l := c.sess.node.lun(h.LUN)
	if l == nil {
		return pdu.LUNDoesNotExist
	}
	switch h.Function {
	case pdu.AbortTaskSet:
		c.t.abortTasks(func(k *task) bool { return k.lun == l && k.s == c.sess })
	case pdu.ClearTaskSet:
		c.t.abortTasks(func(k *task) bool { return k.lun == l })
	case pdu.LogicalUnitReset:
		c.t.resetLUN(l)
	default:
		return pdu.FunctionNotSupported
	}
	return pdu.FunctionComplete
}

// abortTask ends one task of the session. One that is unknown but whose CmdSN
// has not come yet counts as received and ended (RFC 7143, Section 11.6.1).
func (c *conn) abortTask(p *PDU, h *pdu.TaskMgmtRequest) pdu.TaskMgmtResult {
	k := c.sess.tasks[h.ReferencedTaskTag]
	if k == nil {
		if serial(h.RefCmdSN, c.sess.expCmdSN) >= 0 && serial(h.RefCmdSN, cmdSN(&p.Header)) < 0 {
			c.sess.skipNumber(c, h.RefCmdSN)
			return pdu.FunctionComplete
		}
		return pdu.TaskDoesNotExist
	}
	if k.cmd.CmdSN != h.RefCmdSN {
		c.note(reqRefCmdSN, p, numbers(h.RefCmdSN, k.cmd.CmdSN))
	}
	k.abort()
	return pdu.FunctionComplete
}

// skipNumber counts a CmdSN as received whose command never came.
func (s *session) skipNumber(c *conn, sn uint32) {
	p := new(PDU)
	p.Header.SetCmdSN(sn)
	s.admit(&request{c: c, p: p, void: true})
}

// abortTasks ends the tasks that match, of all sessions and of sessions that
// are gone.
func (t *Target) abortTasks(match func(*task) bool) {
	for _, s := range t.sessions {
		for _, k := range s.tasks {
			if match(k) {
				k.abort()
			}
		}
	}
}

// resetLUN is a LOGICAL UNIT RESET: no task is left, and every I_T nexus gets
// a unit attention (SAM-5, Section 6.3.3).
func (t *Target) resetLUN(l *LUN) {
	t.abortTasks(func(k *task) bool { return k.lun == l })
	for _, k := range l.queued() {
		k.abort()
	}
	l.QueueUnitAttention(ascReset.code, ascReset.qualifier)
}

// endSessions drops all sessions with a node.
func (t *Target) endSessions(n *node) {
	for _, s := range t.sessions {
		if s.node == n {
			s.end()
		}
	}
}
