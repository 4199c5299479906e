package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// nopOut answers a ping and takes the answer to one of ours.
func (c *conn) nopOut(p *PDU) {
	var h pdu.NOPOut
	h.Unmarshal(&p.Header)
	if h.ITT == pdu.ReservedTag {
		c.pong(p, &h)
		return
	}
	if h.TTT != pdu.ReservedTag && c.violate(reqNOPTag, p, "") {
		return
	}
	data := p.Data[:min(len(p.Data), c.maxSend, maxPing)]
	c.queue(&pdu.NOPIn{ITT: h.ITT, TTT: pdu.ReservedTag, Sequence: c.status()}, data)
}

// pong takes a NOP-Out without an Initiator Task Tag: the answer to a NOP-In,
// or with no Target Transfer Tag a mere acknowledgement.
func (c *conn) pong(p *PDU, h *pdu.NOPOut) {
	if !h.Immediate && c.violate(reqNOPImmed, p, "") {
		return
	}
	if h.TTT == pdu.ReservedTag {
		return
	}
	lun, open := c.pings[h.TTT]
	if !open {
		c.violate(reqNOPTag, p, "no such ping is open")
		return
	}
	delete(c.pings, h.TTT)
	if h.LUN != lun && c.violate(reqNOPLUN, p, "") {
		return
	}
	c.t.rec.count(func(n *Counters) { n.Pongs++ })
}

// Ping sends a NOP-In that asks for an answer on every connection. The answers
// are counted in Counters.Pongs.
func (t *Target) Ping(data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		for _, c := range s.conns {
			ttt := s.newTTT()
			lun := s.pingLUN()
			c.pings[ttt] = lun
			c.queue(&pdu.NOPIn{LUN: lun, ITT: pdu.ReservedTag, TTT: ttt, Sequence: c.sequence()}, data)
		}
	}
}

// pingLUN returns the LUN field for a ping: that of some LUN, so that a wrong
// copy of it shows.
func (s *session) pingLUN() (field [8]byte) {
	if s.node == nil {
		return field
	}
	for _, l := range s.node.sorted() {
		field = l.address()
	}
	return field
}
