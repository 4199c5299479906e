package target

import "time"

// execute takes a command through the rules to its execution. It runs under
// Target.mu.
func (s *script) execute(k *task) {
	e := s.run(onExecute, k.event())
	if e == nil {
		k.execute(nil)
		return
	}
	later := func() {
		k.s.t.mu.Lock()
		defer k.s.t.mu.Unlock()
		k.execute(e.plan.answer)
	}
	switch {
	case e.plan.cut == cutBefore:
		k.abort()
		k.c.cut()
	case e.plan.drop:
	case e.plan.gate != nil && e.plan.gate.hold(later):
	case e.plan.delay > 0:
		time.AfterFunc(e.plan.delay, later)
	default:
		if e.plan.cut != noCut {
			k.c.cut() // before the response can be queued
		}
		k.execute(e.plan.answer)
	}
}

func (k *task) event() *Event {
	p := new(PDU)
	k.cmd.Marshal(&p.Header)
	return &Event{PDU: p, CDB: k.cdb, LUN: k.cmd.LUN, Initiator: k.s.initiator, TSIH: k.s.tsih, portal: k.c.portal}
}
