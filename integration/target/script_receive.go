package target

import (
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// receive takes a PDU of the full feature phase through the rules and to its
// handling. It runs in the connection's reader.
func (s *script) receive(c *conn, p *PDU) {
	if e := c.meet(onReceive, p); e != nil {
		s.carryOut(c, e)
	} else {
		c.handle(p)
	}
	if late := c.lateIn; late != nil && late != p {
		c.lateIn = nil
		c.handle(late)
	}
}

func (s *script) carryOut(c *conn, e *Event) {
	p, plan := e.PDU, &e.plan
	c.stall(plan.stall)
	if plan.reorders(&p.Header) {
		c.disturb()
	}
	p.answer = plan.answer
	switch {
	case plan.cut == cutBefore:
		c.cut()
	case plan.drop:
	case plan.swap:
		c.lateIn = p
	case plan.gate != nil && plan.gate.hold(func() { c.handle(p) }):
	case plan.delay > 0:
		time.AfterFunc(plan.delay, func() { c.handle(p) })
	default:
		for range 1 + plan.copies {
			c.handle(p)
		}
		if plan.cut == cutAfter {
			c.cut()
		}
	}
}

// reorders tells whether what the initiator numbered arrives otherwise.
func (p *plan) reorders(b *pdu.BHS) bool {
	return p.drop && numbered(b.Opcode()) && !b.Immediate() ||
		p.gate != nil || p.delay > 0 || p.swap || p.copies > 0
}

// disturb takes note that a rule has changed the order of what arrives in the session:
// the initiator is not blamed for it.
func (c *conn) disturb() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.sess != nil {
		c.sess.disturbed = true
	}
}

// meet applies the rules for a PDU; nil when none matches.
func (c *conn) meet(at stage, p *PDU) *Event {
	if !c.t.script.has(at) {
		return nil
	}
	return c.t.script.run(at, c.event(p))
}

// event describes a PDU that was read or is about to be written.
func (c *conn) event(p *PDU) *Event {
	e := &Event{PDU: p, CDB: p.CDB(), LUN: headerLUN(&p.Header), portal: c.portal}
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.sess == nil {
		return e
	}
	e.Initiator, e.TSIH = c.sess.initiator, c.sess.tsih
	if k := c.sess.tasks[p.Header.ITT()]; k != nil && e.CDB == nil && p.Header.Opcode() == pdu.OpDataOut {
		e.CDB, e.LUN = k.cdb, k.cmd.LUN
	}
	return e
}

// stall waits for a gate or the connection's end.
func (c *conn) stall(g *Gate) {
	if g == nil {
		return
	}
	select {
	case <-g.open:
	case <-c.done:
	}
}

// receiveLogin takes a Login Request through the rules; false when they keep
// it or have answered it.
func (s *script) receiveLogin(c *conn, p *PDU) bool {
	e := c.meet(onReceive, p)
	if e == nil {
		return true
	}
	c.stall(e.plan.stall)
	c.stall(e.plan.gate)
	if e.plan.delay > 0 {
		select {
		case <-time.After(e.plan.delay):
		case <-c.done:
		}
	}
	switch {
	case e.plan.cut != noCut:
		c.cut()
	case e.plan.login != nil:
		c.answerLogin(p, e.plan.login)
	case !e.plan.drop:
		return true
	}
	return false
}

// answerLogin ends a login as a rule wants it.
func (c *conn) answerLogin(p *PDU, a *loginAnswer) {
	var r pdu.LoginRequest
	r.Unmarshal(&p.Header)
	c.queueLast(&pdu.LoginResponse{
		CSG: r.CSG, ISID: r.ISID, TSIH: r.TSIH, ITT: r.ITT,
		Sequence:    pdu.Sequence{StatSN: c.statSN, ExpCmdSN: r.CmdSN, MaxCmdSN: r.CmdSN},
		StatusClass: byte(a.status >> 8), StatusDetail: byte(a.status),
	}, pdu.AppendKeys(nil, a.keys...))
}
